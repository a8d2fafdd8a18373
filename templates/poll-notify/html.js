// Builds pages. Everything put into html`…` is escaped, unless it was made by html`…` itself: text that people
// typed can never become markup.

class Html {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }
}

/** @type {Record<string, string>} */
const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** @param {unknown} value @returns {string} */
function render(value) {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(render).join("");
  if (value === null || value === undefined || value === false) return "";
  return String(value).replace(/[&<>"']/g, (character) => entities[character]);
}

/**
 * Attributes need quotes around what is put in: html`<a href="${path}">`.
 * @param {TemplateStringsArray} strings
 * @param {unknown[]} values
 */
export function html(strings, ...values) {
  return new Html(strings.reduce((page, text, index) => page + render(values[index - 1]) + text));
}

/**
 * A whole page. It may load this app's own style sheet and pictures, and send forms to this app: nothing else.
 * @param {string} title
 * @param {unknown} content
 */
export function page(title, content, status = 200) {
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<main>
${content}
</main>
</body>
</html>
`;
  return new Response(document.text, {
    status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "content-security-policy":
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'",
      "x-content-type-options": "nosniff",
      "referrer-policy": "same-origin",
    },
  });
}

/**
 * After a form was sent: the browser fetches the page anew, so that reloading sends nothing twice.
 * @param {string} path
 */
export function seeOther(path) {
  return new Response(null, { status: 303, headers: { location: path, "cache-control": "no-store" } });
}
