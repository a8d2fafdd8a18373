//! Letters that look like others: names each by its code point, so that a builder can find what the eye cannot.

use super::report::invisible;

/// Letters of other scripts → the Latin letter that they are taken for (a part of Unicode's confusables, UTS #39).
const CONFUSABLE: &[(&str, char)] = &[
    ("аɑα", 'a'),
    ("ьЬ", 'b'),
    ("сϲ", 'c'),
    ("ԁ", 'd'),
    ("еҽ", 'e'),
    ("ɡ", 'g'),
    ("һ", 'h'),
    ("іιı", 'i'),
    ("јϳ", 'j'),
    ("κк", 'k'),
    ("ӏ", 'l'),
    ("м", 'm'),
    ("ո", 'n'),
    ("оοσօ", 'o'),
    ("рρ", 'p'),
    ("ԛ", 'q'),
    ("г", 'r'),
    ("ѕ", 's'),
    ("τт", 't'),
    ("υս", 'u'),
    ("ν", 'v'),
    ("ѡԝ", 'w'),
    ("хχ", 'x'),
    ("уү", 'y'),
    ("АΑ", 'A'),
    ("ВΒ", 'B'),
    ("СϹ", 'C'),
    ("ЕΕ", 'E'),
    ("НΗ", 'H'),
    ("ІΙ", 'I'),
    ("КΚ", 'K'),
    ("МΜ", 'M'),
    ("Ν", 'N'),
    ("ОΟ", 'O'),
    ("РΡ", 'P'),
    ("Ѕ", 'S'),
    ("ТΤ", 'T'),
    ("ХΧ", 'X'),
    ("ҮΥ", 'Y'),
    ("‐‑‒–—−", '-'),
    ("“”„", '"'),
    ("‘’‚", '\''),
    ("∕⁄／", '/'),
    ("。．", '.'),
];

/// The ASCII character that `c` is taken for.
fn looks_like(c: char) -> Option<char> {
    let full_width =
        u32::from(c).checked_sub(0xff01).filter(|from| *from < 94).and_then(|from| char::from_u32(from + 0x21));
    full_width.or_else(|| CONFUSABLE.iter().find(|(letters, _)| letters.contains(c)).map(|(_, latin)| *latin))
}

/// `c`, or the ASCII character that it is taken for.
pub(super) fn latin(c: char) -> char {
    if c.is_ascii() { c } else { looks_like(c).unwrap_or(c) }
}

/// `а` (U+0430), which looks like `a` and is not.
pub(super) fn named(c: char) -> String {
    let code = u32::from(c);
    if invisible(c) {
        return format!("an invisible character (U+{code:04X})");
    }
    match looks_like(c) {
        Some(latin) => {
            format!("`{c}` (U+{code:04X}), which looks like `{latin}` and is another character")
        }
        None => format!("`{c}` (U+{code:04X}), which is not plain ASCII"),
    }
}
