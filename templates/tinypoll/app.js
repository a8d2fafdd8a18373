// One question, one vote for each person, results for everyone who may use the app.

import { html, page, seeOther } from "./html.js";
import { choiceOf, tally, vote } from "./poll.js";

// Change the poll here. What stands left of a colon is stored: keep it when you only reword an option.
const poll = {
  question: "Where shall we have the summer party?",
  hint: "One vote each. You can change it as long as the poll is open.",
  options: {
    lake: "At the lake, with a barbecue",
    garden: "In the office garden",
    bowling: "Bowling in town",
    hike: "A hike, then a mountain hut",
  },
};

/** @type {import("./bailiwick.d.ts").Handler<{ votes: import("./poll.js").Vote }>} */
const app = {
  async fetch(request, env) {
    const url = new URL(request.url);
    const reading = request.method === "GET" || request.method === "HEAD";
    if (reading && url.pathname === "/") return home(url, env);
    if (reading && url.pathname === "/results") return results(env);
    if (request.method === "POST" && url.pathname === "/vote") return voted(request, env);
    if (!reading) return notFound();
    const asset = await env.assets.fetch(request);
    return asset.ok || asset.status === 304 ? asset : notFound();
  },
};

export default app;

async function home(url, env) {
  const { votes } = env.data;
  const [mine, counted] = await Promise.all([choiceOf(votes, env.user.id), tally(votes, poll.options)]);
  const changing = mine === null || url.searchParams.has("change");
  return page(poll.question, html`
<h1>${poll.question}</h1>
<p class="lead">${poll.hint}</p>
${url.searchParams.has("saved") && html`<p class="note" role="status">Thank you, your vote is saved.</p>`}
${changing ? form(mine) : [resultList(counted, mine), html`<a class="action" href="/?change">Change my vote</a>`]}
`);
}

async function results(env) {
  const counted = await tally(env.data.votes, poll.options);
  return Response.json(
    { question: poll.question, total: total(counted), options: counted },
    { headers: { "cache-control": "no-store" } },
  );
}

async function voted(request, env) {
  const choice = new URLSearchParams(await request.text()).get("choice") ?? "";
  if (!Object.hasOwn(poll.options, choice)) return choiceMissing();
  await vote(env.data.votes, env.user.id, choice);
  return seeOther("/?saved");
}

function form(mine) {
  return html`
<form method="post" action="/vote">
  <fieldset>
    <legend>Your choice</legend>
    ${Object.entries(poll.options).map(([id, label]) => html`
    <label class="option">
      <input type="radio" name="choice" value="${id}" required ${id === mine && html`checked`}>
      <span>${label}</span>
    </label>`)}
  </fieldset>
  <button>${mine === null ? "Vote" : "Change my vote"}</button>
</form>
${mine === null
    ? html`<p class="quiet">You see the results once you have voted. Votes are deleted by themselves.</p>`
    : html`<p class="quiet"><a href="/">Keep it as it is</a></p>`}`;
}

function resultList(counted, mine) {
  const all = total(counted);
  return html`
<h2>Results so far: ${votesOf(all)}</h2>
<ul class="results">
  ${counted.map((option) => {
    const share = all === 0 ? 0 : Math.round((option.votes / all) * 100);
    return html`
  <li>
    <div class="words ${option.id === mine && "mine"}">
      <span>${option.label}${option.id === mine && html` <span class="yours">your vote</span>`}</span>
      <span class="count">${votesOf(option.votes)} (${share} %)</span>
    </div>
    <svg class="bar" aria-hidden="true"><rect class="track" width="100%" height="100%"/><rect class="share" width="${share}%" height="100%" rx="6"/></svg>
  </li>`;
  })}
</ul>`;
}

function votesOf(count) {
  return count === 1 ? "1 vote" : `${count} votes`;
}

function total(counted) {
  return counted.reduce((sum, option) => sum + option.votes, 0);
}

function choiceMissing() {
  return page("Nothing chosen", html`
<h1>Please choose one of the options</h1>
<p class="note bad" role="alert">Your vote was not saved, because no option of this poll was chosen.</p>
<p><a href="/?change">Back to the poll</a></p>
`, 400);
}

function notFound() {
  return page("Not found", html`
<h1>There is no such page</h1>
<p class="lead">The address may have been mistyped. <a href="/">Go to the poll</a>.</p>
`, 404);
}
