const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
export const escape = (text: unknown): string => String(text).replace(/[&<>"']/g, (c) => ENTITIES[c]!);
export function page(title: string, body: string, status = 200): Response {
  return new Response(`<!doctype html><html lang="en"><meta charset="utf-8"><title>${escape(title)}</title><link rel="stylesheet" href="/style.css"><h1>${escape(title)}</h1>${body}`, { status, headers: { 'content-type': 'text/html; charset=utf-8' } });
}
