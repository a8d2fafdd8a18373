//! Any value as text for the log: nested, cyclic, hostile. Never runs the app's getters; refuses to grow without bound.
const MAX_DEPTH = 4, MAX_ITEMS = 100, LINE_WIDTH = 76;

const quote = (text) => {
  const body = writeJson(text).slice(1, -1);
  return text.includes("'") && !text.includes('"') ? `"${body}"` : `'${body.replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
};

const nameOfKey = (key) => (typeof key === 'symbol' ? `[${String(key)}]` : /^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key));

const classOf = (value) => {
  try {
    const prototype = Object.getPrototypeOf(value);
    if (prototype === null) return '[no prototype]';
    const made = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
    return typeof made === 'function' && made.name ? made.name : '';
  } catch { return ''; }
};

const layOut = (open, items, close, indent) => {
  if (items.length === 0) return open + close;
  const line = `${open} ${items.join(', ')} ${close}`;
  if (line.length + indent <= LINE_WIDTH && !line.includes('\n')) return line;
  const space = ' '.repeat(indent + 2);
  return `${open}\n${items.map((item) => space + item).join(',\n')}\n${' '.repeat(indent)}${close}`;
};

const inspectProperties = (value, skip, walk) => {
  const items = [];
  const keys = Reflect.ownKeys(value);
  for (const key of keys) {
    if (skip(key)) continue;
    const property = Object.getOwnPropertyDescriptor(value, key);
    if (!property || !property.enumerable) continue;
    if (items.length >= MAX_ITEMS) { items.push(`… ${keys.length - MAX_ITEMS} more`); break; }
    const text = 'value' in property ? walk(property.value) : property.get ? (property.set ? '[Getter/Setter]' : '[Getter]') : '[Setter]';
    items.push(`${nameOfKey(key)}: ${text}`);
  }
  return items;
};

const inspectSequence = (values, size, show) => {
  const items = [];
  for (const value of values) {
    if (items.length >= MAX_ITEMS) { items.push(`… ${size - MAX_ITEMS} more`); break; }
    items.push(show(value));
  }
  return items;
};

const inspectObject = (value, walk, indent) => {
  const kind = classOf(value);
  const none = () => false, index = (key) => typeof key === 'string' && /^\d+$/.test(key);
  if (isArray(value)) {
    const items = inspectSequence(value, value.length, walk).concat(inspectProperties(value, (key) => index(key) || key === 'length', walk));
    return layOut(kind === 'Array' ? '[' : `${kind}(${value.length}) [`, items, ']', indent);
  }
  if (isView(value) && !(value instanceof DataView)) return layOut(`${kind}(${value.length}) [`, inspectSequence(value, value.length, walk), ']', indent);
  if (value instanceof ArrayBuffer) return `ArrayBuffer { byteLength: ${value.byteLength} }`;
  if (value instanceof Map) return layOut(`Map(${value.size}) {`, inspectSequence(value, value.size, ([k, v]) => `${walk(k)} => ${walk(v)}`), '}', indent);
  if (value instanceof Set) return layOut(`Set(${value.size}) {`, inspectSequence(value, value.size, walk), '}', indent);
  if (value instanceof Date) return isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (value instanceof RegExp) return RegExp.prototype.toString.call(value);
  if (value instanceof Promise) return 'Promise { }';
  for (const Kind of [Number, String, Boolean]) if (value instanceof Kind) return `[${Kind.name}: ${walk(value.valueOf())}]`;
  const shown = value[INSPECT];
  const items = shown ? Object.entries(shown.call(value)).map(([k, v]) => `${k}: ${walk(v)}`) : inspectProperties(value, none, walk);
  return layOut(kind === 'Object' || kind === '' ? '{' : `${kind} {`, items, '}', indent);
};

/** Interfaces of the platform say here what is worth seeing of them. */
const INSPECT = Symbol('inspect');

const inspect = (value, depth = 0, path = []) => {
  switch (typeof value) {
    case 'string': return quote(value);
    case 'bigint': return `${value}n`;
    case 'symbol': return String(value);
    case 'function': return `[${/^class\b/.test(Function.prototype.toString.call(value)) ? 'class' : 'Function'}${value.name ? ` ${String(value.name)}` : ' (anonymous)'}]`;
    case 'object': break;
    default: return Object.is(value, -0) ? '-0' : String(value);
  }
  if (value === null) return 'null';
  if (path.includes(value)) return '[Circular]';
  try {
    if (isError(value)) return depth === 0 ? errorText(value) : `[${errorText(value).replaceAll('\n', `\n${' '.repeat(depth * 2)}`)}]`;
    if (depth > MAX_DEPTH) return isArray(value) ? '[Array]' : `[${classOf(value) || 'Object'}]`;
    return inspectObject(value, (inner) => inspect(inner, depth + 1, [...path, value]), depth * 2);
  } catch { return '[cannot be shown]'; }
};
