//! Names that a builder chooses: short, plain ASCII, and none that already means something. Refuses look-alike letters.

use super::{
    lookalike,
    report::{Report, shown, words},
    value::Text,
};

/// What a name is for; decides its shape.
pub(super) struct NameRule {
    pub(super) noun: &'static str,
    shape: Shape,
    length: std::ops::RangeInclusive<usize>,
    reserved: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum Shape {
    /// `[a-z][a-z0-9-]*`, no `--`, no `-` at the end: a label of a host name, of which `--` separates parts.
    Label,
    /// `[a-z][a-z0-9_-]*`.
    Word,
    /// `[A-Za-z][A-Za-z0-9_]*`: a property in JavaScript.
    Property,
    /// `[A-Z][A-Z0-9_]*`: a variable of the environment.
    Variable,
}

/// A DNS label has 63 octets (RFC 1035); with `--staging` the name must still fit.
const LABEL: std::ops::RangeInclusive<usize> = 2..=40;
const WORD: std::ops::RangeInclusive<usize> = 1..=40;

/// Hosts and paths that belong to the platform, or that people would take for it.
const APP_RESERVED: &[&str] = &[
    "account",
    "accounts",
    "admin",
    "api",
    "app",
    "apps",
    "assets",
    "audit",
    "auth",
    "autoconfig",
    "autodiscover",
    "bailiwick",
    "console",
    "data",
    "help",
    "internal",
    "localhost",
    "log",
    "login",
    "logout",
    "mail",
    "metrics",
    "root",
    "security",
    "self",
    "static",
    "status",
    "support",
    "system",
    "welcome",
    "wpad",
    "www",
];

/// Callers and words that are not a group of people.
const GROUP_RESERVED: &[&str] =
    &["anyone", "bailiwick", "everyone", "group", "machine", "nobody", "public", "self", "system"];

/// Names that JavaScript gives a meaning to on every object.
const COLLECTION_RESERVED: &[&str] = &["constructor", "prototype", "then"];
const FIELD_RESERVED: &[&str] =
    &["constructor", "hasOwnProperty", "id", "prototype", "then", "toJSON", "toString", "valueOf", "version"];

pub(super) const APP: NameRule =
    NameRule { noun: "an app's name", shape: Shape::Label, length: LABEL, reserved: APP_RESERVED };
pub(super) const TEAM: NameRule =
    NameRule { noun: "a team's name", shape: Shape::Label, length: LABEL, reserved: GROUP_RESERVED };
pub(super) const GROUP: NameRule =
    NameRule { noun: "a group's name", shape: Shape::Label, length: LABEL, reserved: GROUP_RESERVED };
pub(super) const ROLE: NameRule = NameRule { noun: "a role's name", shape: Shape::Word, length: WORD, reserved: &[] };
pub(super) const DESTINATION: NameRule =
    NameRule { noun: "a destination's name", shape: Shape::Word, length: WORD, reserved: &[] };
pub(super) const COLLECTION: NameRule =
    NameRule { noun: "a collection's name", shape: Shape::Word, length: WORD, reserved: COLLECTION_RESERVED };
pub(super) const FIELD: NameRule =
    NameRule { noun: "a field's name", shape: Shape::Property, length: WORD, reserved: FIELD_RESERVED };
pub(super) const JOB: NameRule = NameRule { noun: "a job's name", shape: Shape::Word, length: WORD, reserved: &[] };
pub(super) const VARIABLE: NameRule =
    NameRule { noun: "a secret's variable", shape: Shape::Variable, length: WORD, reserved: &[] };
pub(super) const SECRET: NameRule =
    NameRule { noun: "the second part of a secret's id", shape: Shape::Word, length: WORD, reserved: &[] };

/// Whether a manifest may give an app this name.
#[must_use]
pub fn is_app_name(text: &str) -> bool {
    APP.fits(text)
}

/// Whether a manifest may name a group so, its team included.
#[must_use]
pub fn is_group_name(text: &str) -> bool {
    GROUP.fits(text)
}

impl Shape {
    const fn described(self) -> &'static str {
        match self {
            Self::Label => "small letters, digits and single `-`, starting with a letter and not ending in `-`",
            Self::Word => "small letters, digits, `_` and `-`, starting with a letter",
            Self::Property => "letters, digits and `_`, starting with a letter",
            Self::Variable => "capital letters, digits and `_`, starting with a letter",
        }
    }

    fn fits(self, name: &str) -> bool {
        let starts = name.bytes().next().is_some_and(|c| self.letter(c));
        let goes_on = name.bytes().all(|c| self.letter(c) || c.is_ascii_digit() || self.mark(c));
        let label = !matches!(self, Self::Label) || !(name.contains("--") || name.ends_with('-'));
        starts && goes_on && label
    }

    const fn letter(self, c: u8) -> bool {
        match self {
            Self::Label | Self::Word => c.is_ascii_lowercase(),
            Self::Property => c.is_ascii_alphabetic(),
            Self::Variable => c.is_ascii_uppercase(),
        }
    }

    const fn mark(self, c: u8) -> bool {
        match self {
            Self::Label => c == b'-',
            Self::Word => matches!(c, b'-' | b'_'),
            Self::Property | Self::Variable => c == b'_',
        }
    }
}

impl NameRule {
    /// Whether it is such a name.
    pub(super) fn fits(&self, text: &str) -> bool {
        self.length.contains(&text.len()) && self.shape.fits(text) && !self.reserved.contains(&text)
    }

    /// The name, if it is one; says why it is not.
    pub(super) fn judge<'t>(&self, name: Text<'t>, report: &mut Report<'_>) -> Option<&'t str> {
        let Text { at, text } = name;
        let (code, what, why) = if let Some(c) = text.chars().find(|c| !c.is_ascii()) {
            ("manifest.lookalike", format!("`{}` has {}", shown(text), lookalike::named(c)), self.shape_words())
        } else if !self.length.contains(&text.len()) {
            let (least, most) = (self.length.start(), self.length.end());
            let what = format!("`{}` has {} characters", shown(text), text.len());
            ("manifest.bad_name", what, format!("{} has {least} to {most}", self.noun))
        } else if !self.shape.fits(text) {
            ("manifest.bad_name", format!("`{}` is not {}", shown(text), self.noun), self.shape_words())
        } else if self.reserved.contains(&text) {
            ("manifest.reserved", format!("`{text}` is taken"), "the word has a meaning of its own here".to_owned())
        } else {
            return Some(text);
        };
        let fix = if text.is_ascii() { "choose another name" } else { "type it again with a plain keyboard" };
        report.block(at, words(code, what, why, fix));
        None
    }

    fn shape_words(&self) -> String {
        format!("{} is {}", self.noun, self.shape.described())
    }
}
