//! Which keys each section of the manifest has; refuses every other key with the nearest that is valid.

use super::{
    lookalike,
    mend::Mend,
    report::{Report, shown, words},
    syntax::UNREAD_TABLE,
};
use crate::Class;
use toml::de::DeTable;

/// Whether a section must have the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

use Need::{Optional, Required};

/// One kind of section: its name in messages, its keys, and an example of each.
pub(super) struct Keys {
    /// `*` stands for a name that the builder chose.
    pub(super) section: &'static str,
    pub(super) keys: &'static [(&'static str, Need, &'static str)],
}

pub(super) const ROOT: Keys = Keys {
    section: "",
    keys: &[
        ("app", Optional, "[app]"),
        ("runtime", Optional, "[runtime]"),
        ("access", Optional, "[access]"),
        ("secrets", Optional, "[secrets.NAME]"),
        ("connect", Optional, "[connect.name]"),
        ("data", Optional, "[data.name]"),
        ("jobs", Optional, "[jobs.name]"),
        ("browser", Optional, "[browser]"),
        ("limits", Optional, "[limits]"),
    ],
};

pub(super) const APP: Keys = Keys {
    section: "app",
    keys: &[
        ("name", Required, "name = \"poll-notify\""),
        ("team", Required, "team = \"people-ops\""),
        ("purpose", Required, "purpose = \"Find a meeting time\""),
        ("expires", Required, "expires = \"2027-02-01\""),
        ("class", Required, "class = \"internal\""),
    ],
};

pub(super) const RUNTIME: Keys = Keys {
    section: "runtime",
    keys: &[
        ("profile", Required, "profile = \"wasm\""),
        ("main", Required, "main = \"app.js\""),
        ("assets", Optional, "assets = \"public\""),
        ("limits", Optional, "limits = { memory = \"64MiB\" }"),
    ],
};

pub(super) const RUNTIME_LIMITS: Keys = Keys {
    section: "runtime.limits",
    keys: &[
        ("memory", Optional, "memory = \"64MiB\""),
        ("cpu", Optional, "cpu = \"50ms\""),
        ("time", Optional, "time = \"10s\""),
        ("parallel", Optional, "parallel = 16"),
        ("storage", Optional, "storage = \"100MiB\""),
    ],
};

pub(super) const ACCESS: Keys = Keys {
    section: "access",
    keys: &[
        ("use", Required, "use = [\"everyone\"]"),
        ("roles", Optional, "roles.organiser = [\"group:people-ops\"]"),
        ("mfa", Optional, "mfa = [\"/export/**\"]"),
        ("public", Optional, "public = []"),
        ("addresses", Optional, "addresses = [\"10.0.0.0/8\"]"),
    ],
};

pub(super) const SECRET: Keys =
    Keys { section: "secrets.*", keys: &[("id", Required, "id = \"people-ops/slack-bot\"")] };

pub(super) const CONNECT: Keys = Keys {
    section: "connect.*",
    keys: &[
        ("host", Required, "host = \"slack.com\""),
        ("methods", Required, "methods = [\"POST\"]"),
        ("paths", Required, "paths = [\"/api/chat.postMessage\"]"),
        ("secret", Optional, "secret = \"SLACK_TOKEN\""),
        ("why", Required, "why = \"Posts the chosen time to the team channel\""),
        ("tls", Optional, "tls = true"),
    ],
};

/// Keys that come later; refused by a message of their own.
pub(super) const CONNECT_LATER: &[&str] = &["connector", "allow"];

pub(super) const COLLECTION: Keys = Keys {
    section: "data.*",
    keys: &[
        ("retain", Required, "retain = \"30d\""),
        ("fields", Required, "fields.person = { class = \"personal\" }"),
        ("export", Optional, "export = [\"group:people-ops\"]"),
    ],
};

pub(super) const FIELD: Keys = Keys {
    section: "data.*.fields.*",
    keys: &[("class", Required, "class = \"internal\""), ("type", Optional, "type = \"text\"")],
};

pub(super) const JOB: Keys = Keys {
    section: "jobs.*",
    keys: &[("schedule", Required, "schedule = \"0 8 * * 1-5\""), ("zone", Optional, "zone = \"Europe/Berlin\"")],
};

pub(super) const BROWSER: Keys = Keys { section: "browser", keys: &[("hosts", Optional, "hosts = []")] };

pub(super) const LIMITS: Keys = Keys {
    section: "limits",
    keys: &[("requests", Optional, "requests = \"60/min per user\""), ("rows", Optional, "rows = 500")],
};

const ALL: [&Keys; 12] =
    [&ROOT, &APP, &RUNTIME, &RUNTIME_LIMITS, &ACCESS, &SECRET, &CONNECT, &COLLECTION, &FIELD, &JOB, &BROWSER, &LIMITS];

/// Longer words are nobody's slip of the finger; comparing them would only cost time.
const COMPARED_MAX: usize = 40;

impl Keys {
    /// Reports every key of `table` that this section does not have; returns the keys that were meant.
    pub(super) fn judge(
        &self,
        table: &DeTable<'_>,
        path: &str,
        except: &[&str],
        report: &mut Report<'_>,
    ) -> Vec<&'static str> {
        let mut meant = Vec::new();
        for key in table.keys() {
            let (at, word) = (key.span().start, key.get_ref().as_ref());
            let known = self.keys.iter().any(|(known, ..)| *known == word) || except.contains(&word);
            if known || word == UNREAD_TABLE {
                continue;
            }
            let place = if path.is_empty() { "the manifest".to_owned() } else { format!("`[{}]`", shown(path)) };
            let what = format!("{place} has no key `{}`", shown(word));
            let why = match word.chars().find(|c| !c.is_ascii()) {
                Some(c) => format!("it has {}", lookalike::named(c)),
                None => "a key that nobody reads would be a promise that nobody keeps".to_owned(),
            };
            let latin: String = word.chars().take(COMPARED_MAX).map(lookalike::latin).collect();
            let latin = latin.to_ascii_lowercase();
            let near = self.keys.iter().map(|(key, ..)| (strsim::osa_distance(&latin, key), *key)).min();
            let (fix, mend) = match near.filter(|(edits, key)| *edits <= key.len().div_ceil(3)) {
                Some((_, key)) => {
                    meant.push(key);
                    // Where the right key stands too, only the builder knows which of the two values is meant.
                    let alone = !table.contains_key(key) || path.is_empty();
                    (format!("did you mean `{key}`?"), alone.then(|| Mend::Key(at, key.to_owned())))
                }
                None => (self.elsewhere(&latin, near.map_or("", |(_, key)| key)), None),
            };
            report.block(at, words("manifest.unknown_key", what, why, fix).mended(mend));
        }
        meant
    }

    fn elsewhere(&self, latin: &str, near: &str) -> String {
        if let Some(other) = ALL.iter().find(|keys| keys.keys.iter().any(|(key, ..)| *key == latin)) {
            return match other.section {
                "" => format!("`{latin}` is a section of its own: `[{latin}]`"),
                section => format!("`{latin}` belongs in `[{section}]`"),
            };
        }
        let valid: Vec<String> = self.keys.iter().map(|(key, ..)| format!("`{key}`")).collect();
        match valid.len() {
            1 => format!("the only key here is `{near}`"),
            _ => format!("the nearest is `{near}`; valid here: {}", valid.join(", ")),
        }
    }

    /// The example of a key.
    pub(super) fn example(&self, key: &str) -> &'static str {
        self.keys.iter().find(|(known, ..)| *known == key).map_or("", |(.., example)| example)
    }

    /// The line that brings a key that is missing, where one value is right until the builder says otherwise: the
    /// narrowest that works. None where only a person can know.
    pub(super) fn line(&self, key: &str, latest: Option<jiff::civil::Date>) -> Option<String> {
        let example = self.example(key);
        match key {
            _ if self.choice(key).is_some() => None,
            "expires" => latest.map(|day| format!("expires = \"{day}\"")),
            "class" | "profile" | "main" | "use" | "retain" => Some(example.to_owned()),
            "methods" => Some("methods = [\"GET\"]".to_owned()),
            _ => None,
        }
    }

    /// What a person chooses from, where no value is right until they have: the class of a field says what it holds.
    pub(super) fn choice(&self, key: &str) -> Option<String> {
        let of_field = self.section == FIELD.section && key == "class";
        of_field.then(|| Class::ALL.map(Class::as_str).join(", "))
    }

    /// Whether the section must have it.
    pub(super) fn need(&self, key: &str) -> Need {
        self.keys.iter().find(|(known, ..)| *known == key).map_or(Optional, |(_, need, _)| *need)
    }
}
