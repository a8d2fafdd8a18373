//! The entrances: `register` takes the app's handlers at deploy, `handle` runs one request or job, `stuck` says what never settled.
const WHAT_TO_WRITE = 'write: export default { async fetch(request, env, ctx) { return new Response("hello"); } }';
let app = null;
let address = undefined, waiting = 0, answered = false, sent = false, failed = false;
const currentUrl = () => address;

hooks.register = (exported, file, declared, secrets) => {
  if (exported === undefined || exported === null) throw new TypeError(`\`${file}\` has no default export; ${WHAT_TO_WRITE}`);
  if (typeof exported !== 'object' && typeof exported !== 'function') throw new TypeError(`the default export of \`${file}\` is not an object with handlers; ${WHAT_TO_WRITE}`);
  const handlers = ['fetch', 'scheduled'].filter((name) => typeof exported[name] === 'function');
  if (handlers.length === 0) throw new TypeError(`the default export of \`${file}\` has no \`fetch\` handler; ${WHAT_TO_WRITE}`);
  app = exported;
  const all = { __proto__: null };
  for (const name of declared) all[name] = collection(name);
  collections = Object.freeze(all);
  secretNames = secrets;
  return handlers;
};

const checkDone = () => { if ((sent || failed) && waiting === 0) native.done(); };
const fail = (error) => { report(error); failed = true; checkDone(); };

const context = () => ({
  waitUntil(promise) {
    waiting += 1;
    Promise.resolve(promise).then(undefined, report).then(() => { waiting -= 1; checkDone(); });
  },
  passThroughOnException() {},
});

const answer = (response) => {
  const sending = sendResponse(response);
  answered = true;
  if (sending === undefined) { sent = true; checkDone(); return; }
  sending.then(() => { sent = true; checkDone(); }, fail);
};

/** A call of one of the app's handlers, as a promise. */
const call = (name, ...values) => {
  if (typeof app[name] !== 'function') return Promise.reject(new TypeError(`the app has no \`${name}\` handler; ${name === 'fetch' ? WHAT_TO_WRITE : 'write: export default { async scheduled(event, env, ctx) {} }'}`));
  try { return Promise.resolve(app[name](...values)); } catch (error) { return Promise.reject(error); }
};

hooks.handle = (method, told, url) => {
  startClock();
  const given = told === undefined ? { trigger: 'fetch', url } : parseJson(told);
  address = given.url ?? url;
  const env = makeEnv(given);
  if (given.trigger === 'scheduled') {
    const event = { ...given.event };
    call('scheduled', event, env, context()).then(() => answer(new Response(null, { status: 204 }))).then(undefined, fail);
    return;
  }
  const handle = method === 'GET' || method === 'HEAD' ? -1 : native.requestBody();
  const request = incomingRequest(method, address, lazyHeaders(native.requestHeaders), newBody(null, handle));
  call('fetch', request, env, context()).then(answer).then(undefined, fail);
};

hooks.stuck = () => {
  if (!answered && !failed) native.log('error', 'the handler\'s promise never settles: it waits for something that nothing will bring about', '');
  else if (!sent && !failed) native.log('error', 'the response\'s body never ends: its stream is never closed', '');
  else native.log('error', 'a promise given to ctx.waitUntil never settles', '');
};
