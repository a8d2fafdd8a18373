//! `env`, made anew for each request from what the host tells: user, app, placeholders, data, assets.
const ASSETS = ['http', 'assets.bailiwick'];
let collections = Object.freeze({ __proto__: null });
let secretNames = [];

const assets = Object.freeze({
  async fetch(input, init = undefined) {
    refuseLoading('`env.assets`', OUTSIDE);
    const address = typeof input === 'string' && !URL.canParse(input) ? new URL(input, 'http://assets.bailiwick/') : input;
    const request = new Request(address, init ?? {}), { method, headers, url, signal } = requestParts(request);
    const { pathname, search } = new URL(url);
    const answer = await exchange(method, [...ASSETS, pathname + search], flatHeaders(headers), noBody(), signal);
    const response = responseOf(answer, method, url, signal);
    return response;
  },
});

const makeEnv = ({ user, app, secrets }) => {
  const env = {};
  for (const name of secretNames) if (secrets?.[name] !== undefined) env[name] = secrets[name];
  for (const name of Object.keys(secrets ?? {})) env[name] = secrets[name];
  env.app = Object.freeze({ ...app });
  env.data = collections;
  env.assets = assets;
  if (user !== null && user !== undefined) env.user = Object.freeze({ ...user });
  return env;
};
