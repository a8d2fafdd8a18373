// Follows the log of an app: each line that comes goes above those that are there. Without it, the page is asked for
// again every few seconds.
"use strict";

(() => {
  const list = document.querySelector("[data-follow]");
  const said = document.querySelector("[data-follow-said]");
  if (!list || !said || !window.EventSource) return;
  const MOST = 1000;
  const part = (name, text, style) => {
    const element = document.createElement(name);
    element.textContent = text;
    if (style) element.className = style;
    return element;
  };
  const shown = (line) => {
    const item = part("li", "", `log-${line.level}`);
    const time = part("time", line.at.slice(5, 19).replace("T", " "));
    time.dateTime = line.at;
    time.title = line.at;
    const text = part("span", line.text);
    if (line.at_code) text.append(" ", part("code", line.at_code));
    item.append(time, part("span", line.level, "level"), text);
    return item;
  };
  const source = new EventSource(list.dataset.follow);
  source.onopen = () => { said.textContent = "Live: lines stand here as they come, until you stop."; };
  source.onmessage = (event) => {
    list.prepend(shown(JSON.parse(event.data)));
    while (list.children.length > MOST) list.lastElementChild.remove();
    document.querySelector("[data-follow-empty]")?.remove();
  };
  source.onerror = () => {
    said.textContent = source.readyState === EventSource.CLOSED
      ? "Not live any more: you were signed out, may not read it now, or follow too much at once. Load the page again to see why."
      : "The connection was lost; it is tried again.";
  };
})();
