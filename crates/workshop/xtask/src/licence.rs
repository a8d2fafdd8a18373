//! Whether a licence expression (SPDX 2.3, annex D, and the old `MIT/Apache-2.0`) can be met by allowed licences.
//! Refuses what it cannot read.

/// `OR` is met by either side, `AND` by both; `A WITH B` is one licence.
pub(crate) fn met(expression: &str, allowed: impl Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    matches!(any(&words, &allowed), Some((met, [])) if met)
}

type Read<'words, 'text> = Option<(bool, &'words [&'text str])>;

fn any<'words, 'text>(words: &'words [&'text str], allowed: &impl Fn(&str) -> bool) -> Read<'words, 'text> {
    let (mut met, mut rest) = all(words, allowed)?;
    while let ["OR", after @ ..] = rest {
        let (right, after) = all(after, allowed)?;
        (met, rest) = (met || right, after);
    }
    Some((met, rest))
}

fn all<'words, 'text>(words: &'words [&'text str], allowed: &impl Fn(&str) -> bool) -> Read<'words, 'text> {
    let (mut met, mut rest) = one(words, allowed)?;
    while let ["AND", after @ ..] = rest {
        let (right, after) = one(after, allowed)?;
        (met, rest) = (met && right, after);
    }
    Some((met, rest))
}

fn one<'words, 'text>(words: &'words [&'text str], allowed: &impl Fn(&str) -> bool) -> Read<'words, 'text> {
    match words {
        ["(", inner @ ..] => match any(inner, allowed)? {
            (met, [")", rest @ ..]) => Some((met, rest)),
            _ => None,
        },
        [")" | "OR" | "AND" | "WITH", ..] | [] => None,
        [name, "WITH", exception, rest @ ..] => Some((allowed(&format!("{name} WITH {exception}")), rest)),
        [name, rest @ ..] => Some((allowed(name), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met_by(expression: &str, allowed: &[&str]) -> bool {
        met(expression, |name| allowed.contains(&name))
    }

    #[test]
    fn and_binds_closer_than_or() {
        assert!(met_by("MIT OR GPL-3.0 AND GPL-2.0", &["MIT"]));
        assert!(!met_by("(MIT OR GPL-3.0) AND GPL-2.0", &["MIT"]));
        assert!(met_by("(MIT OR Apache-2.0) AND Unicode-3.0", &["MIT", "Unicode-3.0"]));
        assert!(!met_by("(MIT OR Apache-2.0) AND Unicode-3.0", &["MIT"]));
    }

    #[test]
    fn an_exception_belongs_to_its_licence() {
        assert!(!met_by("Apache-2.0 WITH LLVM-exception", &["Apache-2.0"]));
        assert!(met_by("Apache-2.0 WITH LLVM-exception OR MIT", &["MIT"]));
        assert!(met_by("Apache-2.0 WITH LLVM-exception", &["Apache-2.0 WITH LLVM-exception"]));
    }

    #[test]
    fn old_spellings_are_read_and_nonsense_is_refused() {
        assert!(met_by("MIT/Apache-2.0", &["Apache-2.0"]));
        assert!(met_by("Apache-2.0 / MIT", &["MIT"]));
        for broken in ["", "MIT OR", "MIT Apache-2.0", "(MIT", "MIT)", "OR MIT", "WITH MIT"] {
            assert!(!met_by(broken, &["MIT", "Apache-2.0"]), "`{broken}` was accepted");
        }
    }
}
