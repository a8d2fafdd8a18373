//! Rust source, taken apart as far as the rules need: which text is a literal, which is code, which is only for tests.
//! Not a parser: it knows comments, strings, characters and braces, and nothing else.

use std::ops::RangeInclusive;

/// A source with its comments and literals told apart from its code.
pub(super) struct Lexed<'text> {
    /// The code alone: each character of a comment or literal is a blank, lines are kept.
    code: String,
    pub(super) literals: Vec<Literal<'text>>,
}

/// One string literal, without its quotes.
pub(super) struct Literal<'text> {
    /// 1-based, of its first character.
    pub(super) line: usize,
    pub(super) text: &'text str,
}

/// A piece of a source, for whoever reads it as tokens.
pub(super) enum Piece<'text> {
    /// One character of code; a blank for a comment.
    Code(char),
    /// A string literal, without its quotes.
    Text(&'text str),
}

impl<'text> Lexed<'text> {
    /// Every piece with its line, 1-based.
    pub(super) fn pieces(source: &'text str) -> Vec<(usize, Piece<'text>)> {
        let (mut pieces, mut rest, mut line, mut before) = (Vec::new(), source, 1, None);
        while let Some(next) = rest.chars().next() {
            let (length, piece) = match token(rest, before) {
                Token::Code => (next.len_utf8(), Piece::Code(next)),
                Token::Blank(length) => (length, Piece::Code(' ')),
                Token::Text { length, text } => (length, Piece::Text(text)),
            };
            before = match piece {
                Piece::Code(character) => Some(character),
                Piece::Text(_) => Some(' '),
            };
            pieces.push((line, piece));
            let (whole, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            line += whole.matches('\n').count();
            rest = after;
        }
        pieces
    }

    pub(super) fn new(source: &'text str) -> Self {
        let mut lexed = Self { code: String::with_capacity(source.len()), literals: Vec::new() };
        let mut rest = source;
        let mut line = 1;
        while let Some(next) = rest.chars().next() {
            let (length, literal) = match token(rest, lexed.code.chars().next_back()) {
                Token::Code => (next.len_utf8(), None),
                Token::Blank(length) => (length, None),
                Token::Text { length, text } => (length, Some(text)),
            };
            let (token_text, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            if literal.is_none() && length == next.len_utf8() {
                lexed.code.push(next);
            } else {
                lexed.code.extend(token_text.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
            }
            lexed.literals.extend(literal.map(|text| Literal { line, text }));
            line += token_text.matches('\n').count();
            rest = after;
        }
        lexed
    }

    /// The lines of every item under `#[cfg(test)]`.
    pub(super) fn test_lines(&self) -> Vec<RangeInclusive<usize>> {
        const MARK: &str = "#[cfg(test)]";
        let line_at = |index: usize| 1 + self.code.get(..index).map_or(0, |before| before.matches('\n').count());
        let starts = self.code.match_indices(MARK).map(|(start, _)| start);
        starts.map(|start| line_at(start)..=line_at(item_end(&self.code, start + MARK.len()))).collect()
    }
}

enum Token<'text> {
    /// One character of code.
    Code,
    /// A comment or a character literal, this many bytes long.
    Blank(usize),
    /// A string literal, this many bytes long with its quotes.
    Text { length: usize, text: &'text str },
}

fn token<'text>(rest: &'text str, before: Option<char>) -> Token<'text> {
    if rest.starts_with("//") {
        return Token::Blank(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Token::Blank(block_comment(rest));
    }
    let in_word = before.is_some_and(|character| character.is_alphanumeric() || character == '_');
    if (!in_word || matches!(before, Some('b' | 'c')))
        && let Some(text) = raw_string(rest)
    {
        return text;
    }
    if let Some(inside) = rest.strip_prefix('"') {
        let end = closing(inside, '"');
        return Token::Text { length: (end + 2).min(rest.len()), text: inside.get(..end).unwrap_or(inside) };
    }
    if let Some(inside) = rest.strip_prefix('\'') {
        let mut characters = inside.chars();
        let (first, second) = (characters.next(), characters.next());
        // Otherwise a lifetime or a label.
        if first == Some('\\') || second == Some('\'') {
            return Token::Blank((closing(inside, '\'') + 2).min(rest.len()));
        }
    }
    Token::Code
}

/// `r"…"`, `r#"…"#` and so on; a raw identifier is none.
fn raw_string(rest: &str) -> Option<Token<'_>> {
    let after = rest.strip_prefix('r')?;
    let inside = after.trim_start_matches('#');
    let hashes = after.len() - inside.len();
    let inside = inside.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = inside.find(&close).unwrap_or(inside.len());
    let opening = rest.len() - inside.len();
    Some(Token::Text {
        length: (opening + end + close.len()).min(rest.len()),
        text: inside.get(..end).unwrap_or(inside),
    })
}

/// The index of the quote that closes, passing over what is escaped.
fn closing(inside: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, character) in inside.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return index,
            _ => {}
        }
    }
    inside.len()
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut index = 0;
    while let Some(here) = rest.get(index..).filter(|here| !here.is_empty()) {
        if here.starts_with("/*") {
            depth += 1;
            index += 2;
        } else if here.starts_with("*/") {
            depth = depth.saturating_sub(1);
            index += 2;
            if depth == 0 {
                return index;
            }
        } else {
            index += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Where the item ends that begins here: at the brace that closes its first one, or at a semicolon before any.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (index, character) in code.char_indices().filter(|(index, _)| *index >= start) {
        match character {
            ';' if depth == 0 => return index,
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index;
                }
            }
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literals(source: &str) -> Vec<(usize, String)> {
        Lexed::new(source).literals.into_iter().map(|literal| (literal.line, literal.text.to_owned())).collect()
    }

    fn found(expected: &[(usize, &str)]) -> Vec<(usize, String)> {
        expected.iter().map(|(line, text)| (*line, (*text).to_owned())).collect()
    }

    #[test]
    fn strings_of_every_kind_are_found_with_their_lines() {
        let source = "let a = \"one\";\nlet b = r#\"t\"wo\"#;\nlet c = b\"three\"; let d = br\"four\\\";\nlet e = \"fi\nve \\\" \\\\\"; let f = \"six\";";
        assert_eq!(
            literals(source),
            found(&[(1, "one"), (2, "t\"wo"), (3, "three"), (3, "four\\"), (4, "fi\nve \\\" \\\\"), (5, "six")])
        );
    }

    #[test]
    fn comments_characters_and_lifetimes_open_no_string() {
        let source = "// \"no\"\n/* \"no\" /* \" */ \" */ fn f<'a>(x: &'a str) { let q = '\"'; let e = '\\''; let u = '\\u{22}'; r#type(\"yes\") }";
        assert_eq!(literals(source), found(&[(2, "yes")]));
    }

    #[test]
    fn a_word_that_ends_in_r_is_not_a_raw_string() {
        assert_eq!(literals("for\"a\\\"b\""), found(&[(1, "a\\\"b")]));
    }

    #[test]
    fn unclosed_and_odd_sources_end() {
        for source in [
            "\"",
            "r#\"",
            "'",
            "'\\",
            "/*",
            "/* /* */",
            "\"\\",
            "é\"é",
            "'é'",
            "//",
            "#[cfg(test)]",
            "#[cfg(test)] mod t { \"}\"",
        ] {
            let _ = Lexed::new(source).test_lines();
        }
    }

    #[test]
    fn test_items_end_where_their_brace_closes() {
        let source = "fn a() {}\n#[cfg(test)]\n#[expect(x, reason = \"; {\")]\nmod tests {\n  fn b() { \"}\"; }\n}\nfn c() {}\n#[cfg(test)]\nuse x;\nfn d() {}\n";
        assert_eq!(Lexed::new(source).test_lines(), [2..=6, 8..=9]);
    }
}
