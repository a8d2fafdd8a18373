//! `fetch` (WHATWG Fetch). Where a request may go is not decided here: the broker judges each hop, and its refusal becomes a `TypeError`.
const OUTSIDE = 'the network is not there then';

const targetOf = (address) => {
  const url = new URL(address);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new TypeError(`fetch knows http and https, not \`${url.protocol}\``);
  return [url.protocol.slice(0, -1), url.host, url.pathname + url.search];
};

/** Turns a host's answer into a Response; a later abort ends its body. */
const responseOf = (answer, method, url, signal) => {
  const headers = lazyHeaders(() => answer.headers);
  const finalUrl = headers.get('bailiwick-url');
  if (finalUrl !== null) headers.delete('bailiwick-url');
  const empty = NULL_BODY.has(answer.status) || method === 'HEAD';
  if (empty && answer.handle >= 0) native.close(answer.handle);
  const body = empty ? noBody() : newBody(null, answer.handle);
  if (signal && !empty) {
    let stop;
    body.stopped = new Promise((_, reject) => { stop = reject; });
    body.stopped.catch(ignore);
    onAbort(signal, () => {
      native.close(answer.handle);
      stop(signal.reason);
      if (body.used && !body.stream) return;
      const stream = bodyStream(body);
      if (stream) errorReadable(readableOf(stream), signal.reason);
    });
  }
  return makeResponse({ status: answer.status, headers: lockHeaders(headers), body, url: finalUrl ?? url, redirected: finalUrl !== null && finalUrl !== url });
};

const fetchRequest = async (request, asked) => {
  const { url, method, headers, body, signal, redirect } = requestParts(request);
  const list = flatHeaders(headers);
  if (redirect !== 'follow') list.push('bailiwick-redirect', redirect);
  if (bodyUsed(body)) throw new TypeError('the request\'s body was read before');
  if (body.handle >= 0) bodyStream(body);
  const whole = body.source !== null && !body.stream;
  if (whole && !headers.has('content-length')) list.push('content-length', String(typeof body.source === 'string' ? native.encode(body.source).byteLength : body.source.byteLength));
  const answer = await exchange(method, targetOf(url), list, body, signal);
  body.used = true;
  if (/(^|\n)bailiwick-problem\n/.test(answer.headers)) throw problemError(TypeError, await readAnswer(answer.handle), 'fetch was refused', asked);
  return responseOf(answer, method, url.split('#')[0], signal);
};

expose('fetch', async function fetch(input, init = undefined) {
  requireArguments('fetch', arguments.length, 1);
  refuseLoading('`fetch`', OUTSIDE);
  return fetchRequest(new Request(input, init ?? {}), askedFrom());
});
