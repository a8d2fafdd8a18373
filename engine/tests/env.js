//! `env` and `ctx`. The host of this test answers `data.bailiwick` with the request as a record
//! (`{ id, version, method, path, body }`), 404 for the record `missing`, 409 `data.version` for the record `stale`
//! ("the record was changed meanwhile" / "read it again"), `{ count: 7 }` for count, `[]` for export, 204 for DELETE.
import { app, equal, ok, rejects, same } from './support/harness.js';

export const tests = {
  'user, app and placeholders'(_, env) { equal(env.user.email, 'ana@example.test'); same(env.user.groups, ['staff']); equal(env.app.name, 'tinypoll'); equal(typeof env.SLACK_TOKEN, 'string'); },
  'collections are those declared'(_, env) { same(Object.keys(env.data), ['answers']); equal(env.data.other, undefined); },
  async 'insert'(_, env) { const r = await env.data.answers.insert({ é: 1 }); equal(r.method, 'POST'); equal(r.path, '/v1/collections/answers/records'); same(r.body, { é: 1 }); },
  async 'get'(_, env) { const r = await env.data.answers.get('a/b'); equal(r.method, 'GET'); equal(r.path, '/v1/collections/answers/records/a%2Fb'); equal(await env.data.answers.get('missing'), null); await rejects(TypeError, env.data.answers.get()); },
  async 'list'(_, env) { const r = await env.data.answers.list({ where: { a: 1 }, limit: 5, after: null }); equal(r.path, '/v1/collections/answers/query'); same(r.body, { where: { a: 1 }, limit: 5 }); await env.data.answers.list(); },
  async 'update and its refusal'(_, env) { const r = await env.data.answers.update('x', { a: 2 }, { version: 3 }); equal(r.method, 'PATCH'); same(r.body, { changes: { a: 2 }, version: 3 }); const e = await rejects(Error, env.data.answers.update('stale', {})); equal(e.code, 'data.version'); equal(e.message, 'the record was changed meanwhile. read it again'); },
  async 'delete, count, export'(_, env) { equal(await env.data.answers.delete('x'), undefined); equal(await env.data.answers.count(), 7); same(await env.data.answers.export(), []); },
  async 'assets'(_, env) { const r = await env.assets.fetch('/style.css?v=1'); const seen = await r.json(); equal(seen.host, 'assets.bailiwick'); equal(seen.path, '/style.css?v=1'); equal((await (await env.assets.fetch(new Request('https://tinypoll.example/a.js'))).json()).path, '/a.js'); },
  'waitUntil takes anything'(_, __, ctx) { ctx.waitUntil(Promise.resolve()); ctx.waitUntil(1); ok(true); },
};
export default app(tests);
