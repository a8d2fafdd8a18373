//! Names of an app's files: they mean one file, the same one, on every machine.
//!
//! Refuses ways out of the folder, names that some file system cannot hold or spells otherwise, and what is not seen.

const NAME_MAX_BYTES: usize = 200;
const DEPTH_MAX: usize = 16;

/// Why a file of this name cannot be part of an app.
pub(super) fn check(name: &str) -> Result<(), &'static str> {
    let part = |part: &str| part.is_empty() || part == "." || part == ".." || part.ends_with(['.', ' ']);
    let why = if name.len() > NAME_MAX_BYTES {
        "the name is longer than 200 bytes"
    } else if name.starts_with('/') || name.contains('\\') || name.contains(':') {
        "names are relative, with `/` between folders"
    } else if name.contains(['<', '>', '"', '|', '?', '*']) {
        "the name holds one of `<`, `>`, `\"`, `|`, `?`, `*`, which no file on Windows may"
    } else if name.chars().any(|c| c.is_control() || unseen(c)) {
        "the name holds a character that is not seen"
    } else if name.chars().any(|c| COMBINING.contains(&c)) {
        "the name holds a letter in two parts, which some machines write as one (é as e and an accent)"
    } else if name.split('/').any(part) {
        "the name has a part that is empty, `.`, `..`, or ends in a dot or space"
    } else if name.split('/').any(is_device) {
        "a part of the name is a device on Windows, such as `con` or `aux.js`"
    } else if name.split('/').count() > DEPTH_MAX {
        "it lies more than 16 folders deep"
    } else {
        return Ok(());
    };
    Err(why)
}

/// Accents that stand apart from their letter: the same name has other bytes where machines join them.
const COMBINING: std::ops::RangeInclusive<char> = '\u{300}'..='\u{36f}';

/// Zero-width and direction marks, which make one name look like another (Unicode, general category Cf, and fillers).
pub(super) const fn unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{fffd}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Names that Windows keeps for devices, with any ending.
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered = |name: &str| {
        stem.strip_prefix(name)
            .is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|byte| matches!(byte, b'1'..=b'9')))
    };
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_one_file_everywhere_passes() {
        for name in [
            "app.js",
            "public/icon.svg",
            "a/b/c.json",
            "naïve.txt",
            "日本.html",
            "com10.js",
            "console.js",
            "auxiliary/x",
            "[id].js",
            "a b.css",
            "..gitkeep",
            "x..y",
            "-",
            "a'b",
            "nulls.js",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        assert_eq!(check(&"a".repeat(200)), Ok(()));
        assert_eq!(check(&["a"; 16].join("/")), Ok(()));
    }

    #[test]
    fn what_is_not_is_refused() {
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/../b",
            "a/./b",
            "/etc/passwd",
            "a//b",
            "a/",
            "a\\b",
            "C:x",
            "c:\\x",
            "a.",
            "a ",
            "a /b",
            "a./b",
            "a\nb",
            "a\0b",
            "a\u{7f}",
            "a\u{85}",
            "x?.js",
            "a*",
            "a|b",
            "a<b",
            "a\"b",
            "CON",
            "con.js",
            "x/NUL",
            "aux.tar.gz",
            "com1",
            "Lpt9.txt",
            "prn .js",
            "a\u{202e}sj.exe",
            "a\u{200b}",
            "\u{feff}app.js",
            "e\u{301}.js",
            "a\u{fffd}",
            "a\u{e0041}",
        ] {
            assert!(check(name).is_err(), "{name:?}");
        }
        assert!(check(&"a".repeat(201)).is_err());
        assert!(check(&["a"; 17].join("/")).is_err());
    }
}
