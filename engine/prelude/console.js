//! `console`: entries of the app's log. Refuses nothing, but cuts an entry that is too long.
const MAX_ENTRY = 32 * 1024;

const formatEntry = (values) => {
  const rest = [...values], parts = [];
  if (typeof rest[0] === 'string' && rest.length > 1 && rest[0].includes('%')) {
    parts.push(rest.shift().replace(/%([sdifjoOc%])/g, (whole, kind) => {
      if (kind === '%') return '%';
      if (rest.length === 0) return whole;
      const value = rest.shift();
      switch (kind) {
        case 's': return typeof value === 'string' ? value : typeof value === 'object' && value !== null ? inspect(value) : String(value);
        case 'd': case 'i': case 'f': {
          if (typeof value === 'symbol') return 'NaN';
          if (typeof value === 'bigint') return `${value}n`;
          return String(kind === 'i' ? parseInt(value, 10) : kind === 'f' ? parseFloat(value) : Number(value));
        }
        case 'j': try { return writeJson(value); } catch { return '[Circular]'; }
        case 'c': return '';
        default: return inspect(value);
      }
    }));
  }
  for (const value of rest) parts.push(typeof value === 'string' ? value : inspect(value));
  return parts.join(' ');
};

{
  let indent = '';
  const counts = new Map(), timers = new Map();
  const entry = (level, values) => {
    let text = usv(formatEntry(values));
    if (indent) text = indent + text.replaceAll('\n', `\n${indent}`);
    if (text.length > MAX_ENTRY) text = `${text.slice(0, MAX_ENTRY).toWellFormed()} … (${text.length - MAX_ENTRY} more characters)`;
    native.log(level, text, placeNow());
  };
  const elapsed = (label) => `${label}: ${native.monotonic() - timers.get(label)} ms`;
  const console = {
    log(...values) { entry('log', values); },
    info(...values) { entry('info', values); },
    warn(...values) { entry('warn', values); },
    error(...values) { entry('error', values); },
    debug(...values) { entry('debug', values); },
    trace(...values) { entry('debug', [[formatEntry(values) || 'trace', ...framesOf(new Error().stack).map((frame) => frame.text)].join('\n')]); },
    dir(value) { entry('log', [inspect(value)]); },
    dirxml(...values) { entry('log', values); },
    table(value) { entry('log', [inspect(value)]); },
    assert(condition, ...values) { if (!condition) entry('error', values.length ? ['assertion failed:', ...values] : ['assertion failed']); },
    count(label = 'default') { const n = (counts.get(label) ?? 0) + 1; counts.set(label, n); entry('log', [`${label}: ${n}`]); },
    countReset(label = 'default') { counts.delete(label); },
    group(...values) { if (values.length) entry('log', values); indent += '  '; },
    groupCollapsed(...values) { console.group(...values); },
    groupEnd() { indent = indent.slice(2); },
    time(label = 'default') { timers.set(label, native.monotonic()); },
    timeLog(label = 'default', ...values) { if (timers.has(label)) entry('log', [elapsed(label), ...values]); },
    timeEnd(label = 'default') { if (timers.has(label)) { entry('log', [elapsed(label)]); timers.delete(label); } },
    clear() {},
  };
  Object.defineProperty(console, Symbol.toStringTag, { value: 'console', configurable: true });
  expose('console', console);
}
