//! Our words, as people read them: what a user wrote stands in backticks, which become code on a page and go in plain text.
//!
//! Refuses to hand markup on: what a person wrote is escaped.

use std::fmt::{self, Write as _};

/// Text whose backticks become code on the page; everything in it is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said(String);

impl Said {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// With a capital, as a sentence begins; a user's own word stays as it is.
    #[must_use]
    pub fn sentence(text: &str) -> Self {
        Self(sentence(text))
    }

    /// Without the backticks, for titles and attributes.
    #[must_use]
    pub fn plain(&self) -> String {
        self.0.replace('`', "")
    }
}

/// The words of a refusal or notice as the beginning of a sentence; a user's own word stays as it is.
#[must_use]
pub fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paired = self.0.matches('`').count().is_multiple_of(2);
        let mut inside = false;
        for letter in self.0.chars() {
            match letter {
                '`' if paired => {
                    f.write_str(if inside { "</code>" } else { "<code>" })?;
                    inside = !inside;
                }
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&#34;")?,
                '\'' => f.write_str("&#39;")?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_escaped_and_the_users_own_are_code() {
        assert_eq!(Said::new("`<b>` is not 'it'").to_string(), "<code>&lt;b&gt;</code> is not &#39;it&#39;");
        assert_eq!(Said::new("a ` b").to_string(), "a ` b");
        assert_eq!(Said::sentence("may post").to_string(), "May post");
        assert_eq!(Said::sentence("`x` ends").plain(), "x ends");
    }
}
