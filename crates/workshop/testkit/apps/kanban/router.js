/** @param {Request} request @param {Record<string, (params: any) => Response | Promise<Response>>} routes */
export function route(request, routes) {
  const { pathname } = new URL(request.url);
  for (const [key, handler] of Object.entries(routes)) {
    const [method, pattern] = key.split(' ');
    if (method !== request.method) continue;
    /** @type {string[]} */ const names = [];
    const regexp = new RegExp(`^${pattern.replace(/:(\w+)/g, (_, name) => { names.push(name); return '([^/]+)'; })}$`);
    const match = regexp.exec(pathname);
    if (match) return handler(Object.fromEntries(names.map((name, i) => [name, decodeURIComponent(match[i + 1])])));
  }
}
