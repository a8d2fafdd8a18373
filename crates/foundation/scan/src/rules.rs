//! A rule: one credential format, read from data and compiled. Refuses a rule that could never be searched in a window.

use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

/// Fixed-size repeats of wide classes compile to some megabytes; the default limit (10 MiB) is for untrusted regexes.
const REGEX_SIZE_BYTES: usize = 64 << 20;

/// What is wrong with a sheet of rules.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error("the rules are not valid TOML")]
    Sheet(#[from] toml::de::Error),
    #[error("rule `{rule}`: `{regex}` is not a valid regex")]
    Regex { rule: String, regex: String, source: Box<regex::Error> },
    #[error("rule `{rule}`: `{regex}` cannot be measured")]
    Syntax { rule: String, regex: String, source: Box<regex_syntax::Error> },
    #[error("rule `{rule}`: its regex has no greatest length; bound it, or say `reach = \"file\"`")]
    Unbounded { rule: String },
    #[error("rule `{rule}` has no keyword")]
    NoKeyword { rule: String },
    #[error("the keywords cannot be searched for together")]
    Keywords(#[from] aho_corasick::BuildError),
}

/// How far from a keyword the regex looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// As many bytes as its longest match.
    Window(usize),
    File,
}

/// Where a rule is precise enough to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Files {
    #[default]
    Any,
    Text,
}

/// One credential format.
#[derive(Debug)]
pub struct Rule {
    pub id: String,
    /// What it is, as it stands in a finding.
    pub name: String,
    /// What a reader of the file could do.
    pub why: String,
    /// How the old one is made useless.
    pub mend: String,
    /// The name proposed for the placeholder.
    pub variable: String,
    pub(crate) keywords: Vec<String>,
    pub(crate) regex: Regex,
    pub(crate) reach: Reach,
    pub(crate) files: Files,
    entropy: f64,
    kinds: usize,
    allow: Vec<Regex>,
    /// Texts that hold such a credential, and texts that do not; the fills are explained in the rules' file.
    pub examples: Examples,
}

/// A rule's own tests.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Examples {
    #[serde(rename = "match")]
    pub matching: Vec<String>,
    pub clean: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sheet {
    placeholders: Vec<String>,
    rule: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    name: String,
    keywords: Vec<String>,
    regex: String,
    #[serde(default)]
    reach: Spread,
    #[serde(default)]
    files: Files,
    #[serde(default)]
    entropy: f64,
    #[serde(default)]
    kinds: usize,
    #[serde(default)]
    allow: Vec<String>,
    why: String,
    mend: String,
    variable: String,
    examples: Examples,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Spread {
    #[default]
    Match,
    File,
}

/// The rules in order of rank, and the placeholders that hold for all of them.
pub(crate) fn parse(sheet: &str) -> Result<(Vec<Rule>, Vec<Regex>), ScanError> {
    let sheet: Sheet = toml::from_str(sheet)?;
    let placeholders =
        sheet.placeholders.iter().map(|regex| compile("placeholders", regex)).collect::<Result<_, _>>()?;
    let rules = sheet.rule.into_iter().map(Entry::into_rule).collect::<Result<_, _>>()?;
    Ok((rules, placeholders))
}

impl Entry {
    fn into_rule(self) -> Result<Rule, ScanError> {
        if self.keywords.iter().all(String::is_empty) {
            return Err(ScanError::NoKeyword { rule: self.id });
        }
        let reach = match self.reach {
            Spread::File => Reach::File,
            Spread::Match => Reach::Window(
                maximum_len(&self.id, &self.regex)?.ok_or_else(|| ScanError::Unbounded { rule: self.id.clone() })?,
            ),
        };
        Ok(Rule {
            regex: compile(&self.id, &self.regex)?,
            allow: self.allow.iter().map(|regex| compile(&self.id, regex)).collect::<Result<_, _>>()?,
            id: self.id,
            name: self.name,
            why: self.why,
            mend: self.mend,
            variable: self.variable,
            keywords: self.keywords,
            reach,
            files: self.files,
            entropy: self.entropy,
            kinds: self.kinds,
            examples: self.examples,
        })
    }
}

impl Rule {
    /// Whether bytes of the right shape are a credential, rather than a filler or a word.
    pub(crate) fn believes(&self, secret: &[u8]) -> bool {
        kinds(secret) >= self.kinds
            && entropy(secret) >= self.entropy
            && !self.allow.iter().any(|placeholder| placeholder.is_match(secret))
    }
}

fn compile(rule: &str, regex: &str) -> Result<Regex, ScanError> {
    RegexBuilder::new(regex).unicode(false).size_limit(REGEX_SIZE_BYTES).build().map_err(|source| ScanError::Regex {
        rule: rule.to_owned(),
        regex: regex.to_owned(),
        source: Box::new(source),
    })
}

/// Computed rather than written beside the regex, so that the two cannot disagree.
fn maximum_len(rule: &str, regex: &str) -> Result<Option<usize>, ScanError> {
    regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(regex)
        .map(|hir| hir.properties().maximum_len())
        .map_err(|source| ScanError::Syntax {
            rule: rule.to_owned(),
            regex: regex.to_owned(),
            source: Box::new(source),
        })
}

/// Shannon entropy in bits for each byte: 0 for one byte repeated, 4 for even hexadecimal, 6 for even base64.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let total = bytes.len() as f64;
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| f64::from(count) / total)
        .map(|share| -share * share.log2())
        .sum()
}

/// How many of letters, digits and symbols appear; what joins words (`-`, `_`, `.`, `/`, `:`) is none of them.
fn kinds(bytes: &[u8]) -> usize {
    let has = |test: fn(&u8) -> bool| usize::from(bytes.iter().any(test));
    has(u8::is_ascii_alphabetic) + has(u8::is_ascii_digit) + has(|byte| b"!@#$%^&*?+=~".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(fields: &str) -> String {
        format!(
            "placeholders = []\n[[rule]]\nid = \"r\"\nname = \"n\"\nwhy = \"w\"\nmend = \"m\"\nvariable = \"V\"\n\
             examples.match = []\nexamples.clean = []\n{fields}"
        )
    }

    #[test]
    fn an_unbounded_regex_must_say_that_it_needs_the_whole_file() {
        let unbounded = sheet("keywords = [\"k\"]\nregex = 'k+'\n");
        assert!(matches!(parse(&unbounded), Err(ScanError::Unbounded { .. })));
        assert!(parse(&(unbounded + "reach = \"file\"\n")).is_ok());
    }

    #[test]
    fn broken_rules_are_refused_by_name() {
        let unknown = parse(&sheet("keywords = [\"k\"]\nregex = 'k'\nwindow = 3\n"));
        assert!(matches!(unknown, Err(ScanError::Sheet(_))));
        let error = parse(&sheet("keywords = [\"k\"]\nregex = 'k('\n")).unwrap_err();
        assert!(error.to_string().contains("`r`"), "{error}");
        assert!(matches!(parse(&sheet("keywords = []\nregex = 'k'\n")), Err(ScanError::NoKeyword { .. })));
    }

    #[test]
    fn the_window_is_the_longest_match() {
        let (rules, _) = parse(&sheet("keywords = [\"ab\"]\nregex = '\\bab[0-9]{2,5}(?:x|yz)'\n")).unwrap();
        assert_eq!(rules.first().unwrap().reach, Reach::Window(9));
    }

    #[test]
    fn entropy_and_kinds_tell_words_from_keys() {
        assert_eq!(entropy(b"aaaa"), 0.0);
        assert_eq!(entropy(b"abcd"), 2.0);
        assert_eq!(kinds(b"current-password"), 1);
        assert_eq!(kinds(b"hunter2!"), 3);
    }
}
