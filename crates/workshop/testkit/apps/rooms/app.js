// @ts-check
/** @typedef {{ id: string, name: string, free: boolean, seats: number }} Room */
/** @typedef {{ key: string, value: { rooms: Room[] }, until: string }} Cached */

const API = 'https://rooms.corp.example/v1/rooms';

/** @param {string} floor @param {string} token @returns {Promise<Room[]>} */
async function lookUp(floor, token) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), 4000);
  try {
    const url = new URL(`${API}/floor/${encodeURIComponent(floor)}`);
    url.searchParams.set('fields', 'id,name,free,seats');
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}`, accept: 'application/json' }, signal: controller.signal });
    if (!response.ok) throw new Error(`the room service answered ${response.status}`);
    const body = await response.json();
    return body.rooms;
  } finally {
    clearTimeout(timer);
  }
}

/** @type {import("./bailiwick.d.ts").Handler<{ cache: Cached }, "ROOMS_KEY">} */
const app = {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (url.pathname !== '/') return new Response('not found', { status: 404 });
    const floor = url.searchParams.get('floor') ?? '1';
    const kept = await env.data.cache.list({ where: { key: floor, until: { gt: new Date().toISOString() } }, order: '-until', limit: 1 });
    try {
      const rooms = kept.items[0]?.value.rooms ?? await lookUp(floor, env.ROOMS_KEY);
      if (!kept.items.length) ctx.waitUntil(env.data.cache.insert({ key: floor, value: { rooms }, until: new Date(Date.now() + 60_000).toISOString() }));
      const floors = await Promise.allSettled(['2', '3'].map((f) => lookUp(f, env.ROOMS_KEY)));
      return Response.json({ rooms: rooms.filter((r) => r.free), others: floors.map((f) => f.status) });
    } catch (error) {
      console.error('room look-up failed', error);
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      return Response.json({ error: 'the rooms cannot be reached right now', code }, { status: 502 });
    }
  },
  async scheduled(event, env, ctx) {
    console.info(`run ${event.runId} of ${event.name} for ${event.scheduledTime}`);
    await lookUp('1', env.ROOMS_KEY);
  },
};
export default app;
