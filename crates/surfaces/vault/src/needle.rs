//! What a value looks like in an answer: plain, URL-encoded, JSON-escaped, in hex, in base64 at each alignment.
//!
//! The forms are read rather than listed: each character of the value may stand raw, as `%XX` in either case, as `+`
//! for a space, or as any JSON escape, in any mixture; hex digits may be of either case, base64 of either alphabet. So
//! no encoder's habits have to be guessed, and no copy of the value is made for each form.

use seal::Zeroizing;
use std::fmt;

/// One of these stands in the place of a value: the first that a value cannot be put together with again.
const MARKS: &[&str] = &["[redacted]", "<redacted>", "(redacted)"];

/// The bit of the written form; the rows have those below it.
const WRITTEN: u8 = 1 << 7;
/// With what a character can begin, besides its own bytes.
const ESCAPES: &[u8] = b"%\\+";

/// A value to look for.
pub(crate) struct Needle {
    value: Zeroizing<String>,
    rows: Vec<Row>,
    /// Which forms can begin with a byte, and which can have it as their second: a bit for each.
    starts: Box<[u8; 256]>,
    seconds: Box<[u8; 256]>,
    pub(crate) mark: &'static str,
}

impl fmt::Debug for Needle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Needle(…)")
    }
}

/// A form that spells bits: digits of a fixed width.
struct Row {
    read: fn(u8) -> Option<u8>,
    /// Which bits of each digit are known, and what they are.
    digits: Zeroizing<Vec<[u8; 2]>>,
    /// A last digit that holds the value's last bits and others; it goes too when it is there.
    tail: Option<[u8; 2]>,
}

/// What stands at a place of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Match {
    /// Where the longest form that is there ends.
    pub(crate) whole: Option<usize>,
    /// Whether more text could make a form, or a longer one.
    pub(crate) open: bool,
}

impl Match {
    fn or(self, other: Self) -> Self {
        Self { whole: self.whole.max(other.whole), open: self.open || other.open }
    }
}

impl Needle {
    pub(crate) fn new(value: &str) -> Self {
        let mut rows = vec![hex(value.as_bytes())];
        for shift in 0..3 {
            rows.extend(base64(value.as_bytes(), shift));
        }
        let mut needle = Self {
            value: Zeroizing::new(value.to_owned()),
            starts: masks(&rows, 0),
            seconds: masks(&rows, 1),
            rows,
            mark: mark(value),
        };
        for byte in value.bytes().take(1).chain(ESCAPES.iter().copied()) {
            let found = needle.written(&[byte], 0);
            if let Some(mask) = needle.starts.get_mut(usize::from(byte)).filter(|_| found != Match::default()) {
                *mask |= WRITTEN;
            }
        }
        needle
    }

    /// The longest form of the value that begins at `at`.
    pub(crate) fn at(&self, text: &[u8], at: usize) -> Match {
        let mask =
            |masks: &[u8; 256], at: usize| Some(masks.get(usize::from(*text.get(at)?)).copied().unwrap_or_default());
        let first = mask(&self.starts, at).unwrap_or_default();
        // Where the text ends, every form that can begin so is still open.
        let may = first & mask(&self.seconds, at + 1).unwrap_or(u8::MAX);
        if may == 0 {
            return Match::default();
        }
        let written = if may & WRITTEN == 0 { Match::default() } else { self.written(text, at) };
        self.rows.iter().enumerate().fold(written, |found, (place, row)| {
            if may & (1 << place) == 0 { found } else { found.or(row.at(text, at)) }
        })
    }

    /// Plain, URL-encoded, JSON-escaped, mixed.
    fn written(&self, text: &[u8], at: usize) -> Match {
        let mut open = false;
        let (mut ends, mut next) = (vec![at], Vec::new());
        for c in self.value.chars() {
            for end in ends.drain(..) {
                for step in character(c, text, end) {
                    match step {
                        Step::At(end) if !next.contains(&end) => next.push(end),
                        Step::Open => open = true,
                        Step::At(_) | Step::No => {}
                    }
                }
            }
            std::mem::swap(&mut ends, &mut next);
            if ends.is_empty() {
                return Match { whole: None, open };
            }
        }
        Match { whole: ends.into_iter().max(), open }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    No,
    /// The text ends before this can be said.
    Open,
    At(usize),
}

impl Step {
    fn then(self, next: impl FnOnce(usize) -> Self) -> Self {
        match self {
            Self::At(at) => next(at),
            Self::No | Self::Open => self,
        }
    }
}

/// One byte that fits.
fn byte(text: &[u8], at: usize, fits: impl FnOnce(u8) -> bool) -> Step {
    match text.get(at) {
        None => Step::Open,
        Some(byte) if fits(*byte) => Step::At(at + 1),
        Some(_) => Step::No,
    }
}

fn digit(text: &[u8], at: usize, digit: u8) -> Step {
    byte(text, at, |c| nibble(c) == Some(digit & 0xf))
}

/// Every way in which a character can stand at a place.
fn character(c: char, text: &[u8], at: usize) -> [Step; 4] {
    // The three ways differ in how they begin, but for a raw `%` or `\`, which may also begin an escape of itself.
    let raw = bytes(c, text, at, false);
    let encoded = if c == '%' { percent(b'%', text, at) } else { bytes(c, text, at, true) };
    let plus = if c == ' ' { byte(text, at, |found| found == b'+') } else { Step::No };
    [raw, if encoded == raw { Step::No } else { encoded }, plus, escaped(c, text, at)]
}

/// The character's bytes, each raw or (where allowed) as `%XX`.
fn bytes(c: char, text: &[u8], at: usize, may_encode: bool) -> Step {
    let mut buffer = [0; 4];
    c.encode_utf8(&mut buffer).bytes().fold(Step::At(at), |step, wanted| {
        step.then(|at| match byte(text, at, |found| found == wanted) {
            Step::No if may_encode => percent(wanted, text, at),
            step @ (Step::No | Step::Open | Step::At(_)) => step,
        })
    })
}

fn percent(wanted: u8, text: &[u8], at: usize) -> Step {
    byte(text, at, |found| found == b'%').then(|at| digit(text, at, wanted >> 4)).then(|at| digit(text, at, wanted))
}

/// RFC 8259, section 7.
fn escaped(c: char, text: &[u8], at: usize) -> Step {
    let short = match c {
        '"' | '\\' | '/' => u8::try_from(c).ok(),
        '\u{8}' => Some(b'b'),
        '\u{c}' => Some(b'f'),
        '\n' => Some(b'n'),
        '\r' => Some(b'r'),
        '\t' => Some(b't'),
        _ => None,
    };
    let begun = byte(text, at, |found| found == b'\\');
    match begun.then(|at| byte(text, at, |found| Some(found) == short)) {
        Step::No => {}
        step @ (Step::Open | Step::At(_)) => return step,
    }
    let mut buffer = [0; 2];
    c.encode_utf16(&mut buffer).iter().fold(Step::At(at), |step, unit| {
        let [high, low] = unit.to_be_bytes();
        let begun =
            step.then(|at| byte(text, at, |found| found == b'\\')).then(|at| byte(text, at, |found| found == b'u'));
        [high >> 4, high, low >> 4, low].into_iter().fold(begun, |step, wanted| step.then(|at| digit(text, at, wanted)))
    })
}

impl Row {
    fn fits(&self, found: u8, [known, bits]: [u8; 2]) -> bool {
        (self.read)(found).is_some_and(|digit| digit & known == bits)
    }

    fn at(&self, text: &[u8], at: usize) -> Match {
        let rest = text.get(at..).unwrap_or_default();
        if !rest.iter().zip(self.digits.iter()).all(|(found, wanted)| self.fits(*found, *wanted)) {
            return Match::default();
        }
        let end = at + self.digits.len();
        if end > text.len() {
            return Match { whole: None, open: true };
        }
        match (self.tail, text.get(end)) {
            (Some(tail), Some(found)) => Match { whole: Some(end + usize::from(self.fits(*found, tail))), open: false },
            (Some(_), None) => Match { whole: Some(end), open: true },
            (None, _) => Match { whole: Some(end), open: false },
        }
    }
}

/// For each byte, which rows can have it as that digit.
fn masks(rows: &[Row], digit: usize) -> Box<[u8; 256]> {
    let mut masks = Box::new([WRITTEN * u8::from(digit > 0); 256]);
    for (byte, mask) in (0..=u8::MAX).zip(masks.iter_mut()) {
        for (place, row) in rows.iter().enumerate() {
            let fits = row.digits.get(digit).is_some_and(|wanted| row.fits(byte, *wanted));
            *mask |= u8::from(fits) << place;
        }
    }
    masks
}

const fn nibble(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        b'A'..=b'F' => Some(c - b'A' + 10),
        _ => None,
    }
}

/// RFC 4648, sections 4 and 5: both alphabets at once.
const fn sextet(c: u8) -> Option<u8> {
    match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

fn hex(value: &[u8]) -> Row {
    let digits = value.iter().flat_map(|byte| [[0xf, byte >> 4], [0xf, byte & 0xf]]).collect();
    Row { read: nibble, digits: Zeroizing::new(digits), tail: None }
}

/// The value after `shift` other bytes: whole digits, what is known of the digit before, what is known of the one after.
fn base64(value: &[u8], shift: usize) -> Vec<Row> {
    let (first, last) = (shift * 8, (shift + value.len()) * 8);
    let known = |place: usize| -> [u8; 2] {
        (place * 6..place * 6 + 6).fold([0, 0], |[known, bits], bit| {
            let inside = (first..last).contains(&bit);
            let byte = bit.checked_sub(first).and_then(|bit| value.get(bit / 8)).copied().unwrap_or_default();
            let set = byte >> (7 - bit % 8) & 1;
            [known << 1 | u8::from(inside), bits << 1 | if inside { set } else { 0 }]
        })
    };
    let digits = |from: usize| -> Zeroizing<Vec<[u8; 2]>> { Zeroizing::new((from..last / 6).map(known).collect()) };
    let tail = (last % 6 != 0).then(|| known(last / 6));
    let row = |from: usize| Row { read: sextet, digits: digits(from), tail };
    let (begun, whole) = (first / 6, first.div_ceil(6));
    // Also without the digit that is only partly its own: what is left would be the value but for a few bits.
    if begun == whole { vec![row(whole)] } else { vec![row(begun), row(whole)] }
}

/// A mark that neither holds a part of the value nor completes one.
fn mark(value: &str) -> &'static str {
    let meets = |mark: &str| {
        (1..mark.len()).any(|cut| {
            mark.split_at_checked(cut).is_some_and(|(head, tail)| value.ends_with(head) || value.starts_with(tail))
        }) || value.contains(mark)
    };
    MARKS.iter().find(|mark| !meets(mark)).or(MARKS.first()).copied().unwrap_or_default()
}
