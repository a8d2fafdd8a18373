//! `FormData` (XHR), from and to `multipart/form-data` (RFC 7578) and `application/x-www-form-urlencoded`.
let entriesOf;
class FormData {
  #list = [];
  constructor(form = undefined) { if (form !== undefined) throw new TypeError('there are no forms to read here'); }
  #entry(name, value, filename) {
    if (!(value instanceof Blob)) {
      if (filename !== undefined) throw new TypeError('only a Blob has a file name');
      return [usv(name), usv(value)];
    }
    const asFile = value instanceof File && filename === undefined ? value
      : new File([value], filename === undefined ? 'blob' : filename, { type: value.type, lastModified: value instanceof File ? value.lastModified : undefined });
    return [usv(name), asFile];
  }
  append(name, value, filename = undefined) { requireArguments('append', arguments.length, 2); this.#list.push(this.#entry(name, value, filename)); }
  set(name, value, filename = undefined) {
    requireArguments('set', arguments.length, 2);
    const entry = this.#entry(name, value, filename), at = this.#list.findIndex((known) => known[0] === entry[0]);
    if (at < 0) { this.#list.push(entry); return; }
    this.#list[at] = entry;
    this.#list = this.#list.filter((known, index) => index <= at || known[0] !== entry[0]);
  }
  delete(name) { const key = usv(name); this.#list = this.#list.filter((known) => known[0] !== key); }
  get(name) { const key = usv(name); return this.#list.find((known) => known[0] === key)?.[1] ?? null; }
  getAll(name) { const key = usv(name); return this.#list.filter((known) => known[0] === key).map((known) => known[1]); }
  has(name) { const key = usv(name); return this.#list.some((known) => known[0] === key); }
  static { entriesOf = (form) => form.#list; }
  [INSPECT]() { return Object.fromEntries(this.#list); }
}
iteratePairs(FormData, (form) => entriesOf(form));
expose('FormData', FormData);

const lineBreaks = (text) => text.replace(/\r\n?|\n/g, '\r\n');
const escapeName = (text) => text.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22');

/** A form as bytes, and its media type. */
const writeMultipart = (form) => {
  const random = native.randomBytes(16);
  const boundary = `----formdata-${Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  const chunks = [];
  for (const [name, value] of entriesOf(form)) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(lineBreaks(name))}"`;
    if (typeof value === 'string') chunks.push(utf8(`${head}\r\n\r\n${lineBreaks(value)}\r\n`));
    else chunks.push(utf8(`${head}; filename="${escapeName(value.name)}"\r\nContent-Type: ${value.type || 'application/octet-stream'}\r\n\r\n`), blobBytes(value), utf8('\r\n'));
  }
  chunks.push(utf8(`--${boundary}--\r\n`));
  return { bytes: joinBytes(chunks), type: `multipart/form-data; boundary=${boundary}` };
};

/** A body as a form, by its media type. */
const readForm = (bytes, type) => {
  const essence = (type ?? '').split(';')[0].trim().toLowerCase(), form = new FormData();
  if (essence === 'application/x-www-form-urlencoded') {
    const flat = native.parseForm(fromUtf8(bytes));
    for (let at = 0; at < flat.length; at += 2) form.append(flat[at], flat[at + 1]);
    return form;
  }
  const boundary = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(type ?? '');
  if (essence !== 'multipart/form-data' || !boundary) throw new TypeError('the body is not a form: its content-type says neither multipart/form-data nor application/x-www-form-urlencoded');
  for (const [name, filename, kind, start, end] of native.splitMultipart(bytes, boundary[1] ?? boundary[2])) {
    const content = bytes.slice(start, end);
    if (filename === null || filename === undefined) form.append(name, fromUtf8(content));
    else form.append(name, new File([content], filename, { type: kind ?? 'text/plain' }));
  }
  return form;
};
