//! `env.data`: the app's collections, over HTTP to the host. A refusal is thrown as an `Error` with the problem's `code`.
const DATA = ['http', 'data.bailiwick'];

const askData = async (method, path, content) => {
  refuseLoading('`env.data`', OUTSIDE);
  const asked = askedFrom();
  const text = content === undefined ? null : writeJson(content);
  const headers = text === null ? [] : ['content-type', 'application/json', 'content-length', String(native.encode(text).byteLength)];
  const answer = await exchange(method, [...DATA, path], headers, newBody(text));
  const value = await readAnswer(answer.handle);
  return { status: answer.status, value, asked };
};
const wanted = ({ status, value, asked }) => {
  if (status >= 200 && status <= 299) return value;
  throw problemError(Error, value, `the data could not be reached (status ${status})`, asked);
};

const collection = (name) => {
  const root = `/v1/collections/${encodeURIComponent(name)}`;
  const record = (id) => {
    if (typeof id !== 'string' && typeof id !== 'number' || id === '') throw new TypeError(`a record of \`${name}\` is found by its id, a string`);
    return `${root}/records/${encodeURIComponent(id)}`;
  };
  return Object.freeze({
    async insert(values) { return wanted(await askData('POST', `${root}/records`, values ?? {})); },
    async get(id) { const answer = await askData('GET', record(id)); return answer.status === 404 ? null : wanted(answer); },
    async list({ where, order, limit, after } = {}) { return wanted(await askData('POST', `${root}/query`, { where, order, limit, after: after ?? undefined })); },
    async update(id, changes, { version } = {}) { return wanted(await askData('PATCH', record(id), { changes, version })); },
    async delete(id) { wanted(await askData('DELETE', record(id))); },
    async count({ where } = {}) { return wanted(await askData('POST', `${root}/count`, { where })).count; },
    async export() { return wanted(await askData('POST', `${root}/export`, {})); },
  });
};
