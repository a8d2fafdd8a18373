// Says one sentence in a Slack channel. `env.SLACK_TOKEN` is a placeholder: the value joins the request on its way
// to slack.com, and this code never sees it.

const PATIENCE_MS = 4000;

/** Throws, with a sentence for the app's log, if the channel was not told. */
export async function say(env, channel, text) {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const response = await fetch("https://slack.com/api/chat.postMessage", {
      method: "POST",
      headers: {
        authorization: `Bearer ${env.SLACK_TOKEN}`,
        "content-type": "application/json; charset=utf-8",
      },
      body: JSON.stringify({ channel, text }),
      signal: patience.signal,
    });
    if (!response.ok) throw new Error(`the chat answered with status ${response.status}`);
    // Slack says no with status 200.
    const answer = await response.json();
    if (!answer.ok) throw new Error(`the chat refused the message: ${answer.error}`);
  } finally {
    clearTimeout(timer);
  }
}
