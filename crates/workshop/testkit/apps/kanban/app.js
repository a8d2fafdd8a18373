// @ts-check
import { route } from './router.js';
import lanes from './lanes.json' with { type: 'json' };

/** @typedef {{ title: string, lane: string, rank: number, owner?: string, tags?: string[] }} Card */
/** @type {import("./bailiwick.d.ts").Handler<{ cards: Card }>} */
const app = {
  async fetch(request, env) {
    return route(request, {
      'GET /': () => env.assets.fetch('/index.html'),
      'GET /api/cards': async () => {
        const url = new URL(request.url);
        const lane = url.searchParams.get('lane');
        const cards = [];
        let after = null;
        do {
          const page = await env.data.cards.list({ where: lane ? { lane } : {}, order: 'rank', limit: 2, after });
          cards.push(...page.items);
          after = page.next;
        } while (after);
        return Response.json({ lanes, cards });
      },
      'POST /api/cards': async () => {
        const { title, lane, tags } = await request.json();
        if (typeof title !== 'string' || !lanes.includes(lane)) return Response.json({ error: 'a card has a title and a lane' }, { status: 400 });
        const rank = await env.data.cards.count({ where: { lane } });
        const card = await env.data.cards.insert({ title, lane, rank, owner: env.user.email, tags });
        return Response.json(card, { status: 201, headers: { location: `/api/cards/${card.id}` } });
      },
      'PATCH /api/cards/:id': async ({ id }) => {
        const { version, ...changes } = await request.json();
        try {
          return Response.json(await env.data.cards.update(id, changes, { version }));
        } catch (error) {
          const code = /** @type {import("./bailiwick.d.ts").Refusal} */ (error).code;
          if (code === 'data.conflict') return Response.json({ error: 'someone moved it meanwhile' }, { status: 409 });
          if (code === 'data.not_found') return Response.json({ error: 'gone' }, { status: 404 });
          return Response.json({ error: String(error), code }, { status: 400 });
        }
      },
      'DELETE /api/cards/:id': async ({ id }) => { await env.data.cards.delete(id); return new Response(null, { status: 204 }); },
      'GET /api/mine': async () => Response.json(await env.data.cards.count({ where: { owner: env.user.email } })),
      'GET /api/boom': () => { throw new TypeError('boom', { cause: new Error('inner') }); },
      'GET /api/stream': () => { const parts = ['a', 'b', 'c']; return new Response(new ReadableStream({ async pull(c) { const p = parts.shift(); if (!p) return c.close(); await new Promise((r) => setTimeout(r, 5)); c.enqueue(new TextEncoder().encode(p)); } })); },
      'POST /api/echo': () => new Response(request.body, { headers: { 'content-type': request.headers.get('content-type') ?? '' } }),
    }) ?? env.assets.fetch(request);
  },
};
export default app;
