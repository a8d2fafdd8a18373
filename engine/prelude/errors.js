//! How an uncaught error reads in the app's log: name, message, causes, and the frames in the app's own files alone.
//! Refuses to show the platform's own frames: they tell a builder nothing.
let appFiles = new Set();
hooks.setFiles = (names) => { appFiles = new Set(names); };

const FRAME = /^\s*at (?:(.*?) \()?([^()]+):(\d+):(\d+)\)?$/;

const MAX_FRAMES = 20;
const framesOf = (stack) => {
  const frames = [];
  for (const line of `${stack ?? ''}`.split('\n')) {
    const match = FRAME.exec(line);
    if (match && appFiles.has(match[2]) && frames.length < MAX_FRAMES) {
      const where = `${match[2]}:${match[3]}:${match[4]}`;
      frames.push({ where, text: match[1] && match[1] !== '<anonymous>' ? `    at ${match[1]} (${where})` : `    at ${where}` });
    }
  }
  return frames;
};

/** Where the app's own code is right now, as `file:line:column`; empty outside it. */
const placeNow = () => framesOf(new Error().stack)[0]?.where ?? '';

const readable = (error, name) => { try { const value = error[name]; return value === undefined ? '' : `${value}`; } catch { return ''; } };

const headline = (error) => {
  const name = readable(error, 'name') || 'Error', message = readable(error, 'message');
  return message ? `${name}: ${message}` : name;
};

const isError = (value) => value instanceof Error || value instanceof DOMException;

/** An error with its frames and causes, as text. */
const errorText = (error, seen = new Set()) => {
  if (seen.has(error)) return '[circular]';
  seen.add(error);
  const lines = [headline(error), ...framesOf(readable(error, 'stack')).map((frame) => frame.text)];
  if (readable(error, 'code') && !(error instanceof DOMException)) lines[0] += ` (${readable(error, 'code')})`;
  const cause = Object.hasOwn(error, 'cause') ? error.cause : undefined;
  if (cause !== undefined) lines.push(`caused by: ${isError(cause) ? errorText(cause, seen) : inspect(cause)}`);
  if (error instanceof AggregateError && isArray(error.errors)) {
    for (const inner of error.errors) lines.push(`among them: ${isError(inner) ? errorText(inner, seen) : inspect(inner)}`);
  }
  return lines.join('\n');
};

const thrownText = (value) => (isError(value) ? errorText(value) : `thrown: ${inspect(value)}`);

/** Writes an error that nobody caught to the log. */
const report = (value) => {
  native.log('error', usv(`uncaught ${thrownText(value)}`), isError(value) ? framesOf(readable(value, 'stack'))[0]?.where ?? '' : placeNow());
};
hooks.report = report;

/** Why the app could not be loaded: `file:line:column: what happened`. */
hooks.describeLoading = (value) => {
  if (!isError(value)) return usv(`the app threw while it was loading: ${inspect(value)}`);
  const frames = framesOf(readable(value, 'stack'));
  const text = value instanceof SyntaxError && /^[^\s:]+:\d+:\d+: /.test(value.message) ? value.message : headline(value);
  const place = frames[0] && !text.startsWith(frames[0].where) ? `${frames[0].where}: ` : '';
  const more = frames.slice(1, 6).map((frame) => `\n${frame.text}`).join('');
  return usv(`${place}${text}${more}`);
};

/** Where the app asks for something: what comes back later has none of its frames. */
const askedFrom = () => new Error().stack;

/** The error for a refusal by the platform (RFC 9457 with our fields): its message is `what`, then `fix`; it stands where the app asked. */
const problemError = (Kind, problem, fallback, asked) => {
  const what = `${problem?.what ?? fallback}`;
  const fix = problem?.fix ? `${/[.!?]$/.test(what) ? '' : '.'} ${problem.fix}` : '';
  const error = new Kind(what + fix);
  hide(error, 'stack', asked);
  for (const name of ['code', 'why', 'fix', 'at']) if (problem?.[name] !== undefined && problem[name] !== null) hide(error, name, problem[name]);
  return error;
};

{
  const enqueue = globalThis.queueMicrotask;
  expose('queueMicrotask', function queueMicrotask(callback) {
    if (typeof callback !== 'function') throw new TypeError('queueMicrotask needs a function');
    enqueue(() => { try { callback(); } catch (error) { report(error); } });
  });
}
expose('reportError', function reportError(error) { report(error); });
