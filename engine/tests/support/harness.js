//! What the conformance tests share. Each test file is an app: its `fetch` handler runs the file's `tests`
//! (name → function that throws on failure) and answers `[{ name, ok, error }]`.
const show = (value) => { try { return typeof value === 'string' ? `'${value}'` : value instanceof Error ? String(value) : JSON.stringify(value) ?? String(value); } catch { return String(value); } };

export const ok = (value, what = 'not true') => { if (!value) throw new Error(what); };
export const equal = (actual, expected, what = '') => {
  if (!Object.is(actual, expected)) throw new Error(`${what} ${show(actual)} is not ${show(expected)}`.trim());
};
export const same = (actual, expected, what = '') => equal(JSON.stringify(actual), JSON.stringify(expected), what);

/** `kind` is a class, or the name of a DOMException. */
const check = (error, kind) => {
  if (typeof kind === 'string') { ok(error instanceof DOMException && error.name === kind, `threw ${show(error)} and not a DOMException ${kind}`); return error; }
  ok(error instanceof kind, `threw ${show(error)} and not a ${kind.name}`);
  return error;
};
export const throws = (kind, act) => {
  try { act(); } catch (error) { return check(error, kind); }
  throw new Error('did not throw');
};
export const rejects = async (kind, promise) => {
  try { await promise; } catch (error) { return check(error, kind); }
  throw new Error('did not reject');
};
export const bytes = (...values) => new Uint8Array(values);
export const read = async (stream) => { const all = []; for await (const chunk of stream) all.push(chunk); return all; };
export const later = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

/** The app of a test file. */
export const app = (tests) => ({
  async fetch(request, env, ctx) {
    const results = [];
    for (const [name, test] of Object.entries(tests)) {
      try { await test(request, env, ctx); results.push({ name, ok: true, error: null }); }
      catch (error) { results.push({ name, ok: false, error: `${error}\n${error?.stack ?? ''}` }); }
    }
    return Response.json(results);
  },
});
