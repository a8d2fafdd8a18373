//! Sends the app's response: its head at once, its body as it comes. Sets the length itself where it is known.
const wrongAnswer = (value) => new TypeError(`the \`fetch\` handler returned ${value === undefined ? 'nothing' : `\`${inspect(value).slice(0, 80)}\``}, but has to return a Response, such as: return new Response('hello')`);

/** Gives a promise when the body is a stream, nothing when all is sent. */
const sendResponse = (response) => {
  if (!isResponse(response)) throw wrongAnswer(response);
  const { status, headers, body, type } = responseParts(response);
  if (type === 'error' || status < 200) throw new TypeError('the `fetch` handler returned Response.error(), which cannot be sent');
  if (bodyUsed(body) || body.stream?.locked) throw new TypeError('the response\'s body was read before it could be sent; return a clone(), or do not read it');
  const flat = [];
  const whole = body.stream === null && body.handle < 0;
  for (const [name, value] of rawHeaders(headers)) if (name !== 'content-length' || !whole) flat.push(name, value);
  if (whole) {
    const bytes = body.source === null ? null : asBytes(body.source);
    if (!NULL_BODY.has(status)) flat.push('content-length', String(bytes?.byteLength ?? 0));
    body.used = true;
    native.respond(status, flat, bytes);
    return undefined;
  }
  const stream = bodyStream(body);
  return sendStream(stream, native.respond(status, flat, true));
};
