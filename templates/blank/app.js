// One page that greets whoever opens it. Begin here: AGENTS.md says what an app can do, and how.

import { html, page } from "./html.js";

/** @type {import("./bailiwick.d.ts").Handler} */
const app = {
  async fetch(request, env) {
    const url = new URL(request.url);
    const reading = request.method === "GET" || request.method === "HEAD";
    if (!reading) return refused();
    if (url.pathname === "/") return home(request, url, env);
    const asset = await env.assets.fetch(request);
    return asset.ok || asset.status === 304 ? asset : notFound();
  },
};

export default app;

function home(request, url, env) {
  const said = (url.searchParams.get("say") ?? "").trim().slice(0, 200);
  return page(`Hello from ${env.app.name}`, html`
<h1>Hello, ${env.user?.name || env.user?.email || "stranger"}</h1>
<p class="lead">You are signed in already. This page was made for you, by <code>app.js</code>.</p>

<form method="get" action="/">
  <label for="say">Say something</label>
  <div class="row">
    <input id="say" name="say" value="${said}" maxlength="200" autocomplete="off">
    <button>Say it</button>
  </div>
</form>
${said && html`<p class="said" role="status"><span>You said</span> ${said}</p>`}

<h2>What came in</h2>
<dl>
  <div><dt>Method</dt><dd><code>${request.method}</code></dd></div>
  <div><dt>Path</dt><dd><code>${url.pathname}</code></dd></div>
  <div><dt>Query</dt><dd><code>${url.search || "none"}</code></dd></div>
  <div><dt>Environment</dt><dd>${env.app.env}, release ${env.app.release}</dd></div>
</dl>
<p class="quiet">Change <code>app.js</code>, then run <code>bailiwick dev</code> to see it, <code>bailiwick check</code>
to have it checked, and <code>bailiwick deploy</code> to share it.</p>
`);
}

function notFound() {
  return page("Not found", html`
<h1>There is no such page</h1>
<p class="lead">The address may have been mistyped. <a href="/">Go to the first page</a>.</p>
`, 404);
}

function refused() {
  return page("Not possible", html`
<h1>This page is only for reading</h1>
<p class="lead">Nothing was changed. <a href="/">Go to the first page</a>.</p>
`, 405);
}
