import type { Handler, Kept, RequestEnv } from './bailiwick';
import { page, escape } from './html.js';
import { State, type Expense } from './model';

type Data = { expenses: Expense };
type Env = RequestEnv<Data>;

const MAX_RECEIPT = 45_000;
const TYPES = new Set(['image/png', 'image/jpeg', 'application/pdf']);

async function form(env: Env, error = '', status = 200): Promise<Response> {
  const mine = await env.data.expenses.list({ where: { person: env.user.email }, limit: 50 });
  const rows = mine.items.map((e) => `<tr><td>${escape(e.title)}</td><td>${(e.cents / 100).toFixed(2)}</td><td>${escape(e.day)}</td><td>${escape(e.state)}</td><td><a href="/receipt/${e.id}">receipt</a></td></tr>`).join('');
  return page('Expenses', `
    ${error && `<p role="alert">${escape(error)}</p>`}
    <form method="post" action="/expenses" enctype="multipart/form-data">
      <label>What for <input name="title" required maxlength="100"></label>
      <label>Amount <input name="amount" inputmode="decimal" required></label>
      <label>Day <input type="date" name="day" required></label>
      <label>Receipt <input type="file" name="receipt" accept="image/*,application/pdf" required></label>
      <button>File it</button>
    </form>
    <table>${rows}</table>`, status);
}

async function file(request: Request, env: Env): Promise<Response> {
  const data = await request.formData();
  const title = String(data.get('title') ?? '').trim();
  const amount = Number.parseFloat(String(data.get('amount') ?? '').replace(',', '.'));
  const day = String(data.get('day') ?? '');
  const receipt = data.get('receipt');
  if (!title || title.length > 100) return form(env, 'Say what it was for, in 100 letters.', 400);
  if (!Number.isFinite(amount) || amount <= 0) return form(env, 'The amount is a number above zero.', 400);
  if (!/^\d{4}-\d\d-\d\d$/.test(day)) return form(env, 'Choose the day.', 400);
  if (!(receipt instanceof File) || receipt.size === 0) return form(env, 'Add the receipt.', 400);
  if (!TYPES.has(receipt.type)) return form(env, 'A receipt is a picture or a PDF.', 400);
  if (receipt.size > MAX_RECEIPT) return form(env, 'The receipt is too large.', 400);
  const bytes = new Uint8Array(await receipt.arrayBuffer());
  let binary = '';
  for (let i = 0; i < bytes.length; i += 0x8000) binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  const made: Kept<Expense> = await env.data.expenses.insert({
    person: env.user.email, title, cents: Math.round(amount * 100), day, state: State.Filed, receipt: btoa(binary), kind: receipt.type,
  });
  console.log('filed', { id: made.id, cents: made.cents });
  return Response.redirect('/', 303);
}

async function receiptOf(id: string, env: Env): Promise<Response> {
  const expense = await env.data.expenses.get(id);
  if (!expense) return page('Not found', '<p>There is no such expense.</p>', 404);
  if (expense.person !== env.user.email && !env.user.roles.includes('treasurer')) return page('Not yours', '<p>It is not yours.</p>', 403);
  const bytes = Uint8Array.from(atob(expense.receipt), (c) => c.charCodeAt(0));
  return new Response(bytes, { headers: { 'content-type': expense.kind, 'content-disposition': 'attachment', 'cache-control': 'no-store' } });
}

const app: Handler<Data> = {
  async fetch(request, env, _ctx) {
    const url = new URL(request.url);
    const receipt = url.pathname.match(/^\/receipt\/([0-9a-f]+)$/);
    if (request.method === 'GET' && url.pathname === '/') return form(env);
    if (request.method === 'POST' && url.pathname === '/expenses') return file(request, env);
    if (request.method === 'GET' && receipt) return receiptOf(receipt[1]!, env);
    if (request.method === 'GET' && url.pathname === '/sum') {
      const recent = await env.data.expenses.list({ where: { cents: { gte: 1000 } }, order: '-cents', limit: 2 });
      return Response.json({ n: await env.data.expenses.count(), big: recent.items.map((e) => e.cents), next: recent.next !== null });
    }
    if (request.method === 'GET') return env.assets.fetch(request);
    return new Response('not found', { status: 404 });
  },
};
export default app;
