//! Refusals in the builder's words. Each says what to do, and where in `bailiwick.toml` when that is where it is decided.
//!
//! Refuses to repeat a value of a record: names of fields and collections alone, shortened.

use crate::collections::Collection;
use model::{Problem, ProblemKind};

/// Words of a guest that a message repeats.
const SHOWN_CHARS: usize = 60;
/// Names that a message lists.
const LISTED_MAX: usize = 12;

/// A guest's word, fit to stand between backticks.
pub(crate) fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() || c == '`' { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(SHOWN_CHARS).map(plain).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.len() > LISTED_MAX {
        names.truncate(LISTED_MAX);
        names.push("…".to_owned());
    }
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong: String = wrong.chars().take(SHOWN_CHARS).collect();
    let near = names.map(|name| (strsim::osa_distance(&wrong, name), name)).min()?;
    (near.0 <= near.1.len().div_ceil(3)).then_some(near.1)
}

fn invalid(code: &str, what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Invalid, code, what, why, fix)
}

pub(crate) fn unknown_call(method: &str, path: &str) -> Problem {
    invalid(
        "data.unknown_call",
        format!("`{} {}` is not a call of `http://data.bailiwick`", shown(method), shown(path)),
        "calls are made to `/v1/collections/NAME/records`, `…/records/ID`, `…/query`, `…/count` and `…/export`",
        "use `env.data`, or look the call up at `http://data.bailiwick/v1/openapi.json`",
    )
}

pub(crate) fn malformed(why: impl Into<String>) -> Problem {
    invalid("data.malformed", "the call to the data service could not be read", why, "send one JSON object, in UTF-8")
}

pub(crate) fn content_type() -> Problem {
    invalid(
        "data.content_type",
        "the body of a call to the data service must be JSON",
        "another content type, or none, was given",
        "send the header `content-type: application/json`",
    )
}

pub(crate) fn call_too_large(limit: usize) -> Problem {
    Problem::new(
        ProblemKind::TooLarge,
        "data.too_large",
        format!("a call to the data service is larger than {} KiB", limit >> 10),
        "what is sent must fit one record",
        "store less in one record, or split it over several",
    )
}

/// The app has its places taken by what it asked for before.
pub(crate) fn unread(app: &str, most: usize) -> Problem {
    Problem::new(
        ProblemKind::Limited,
        "data.unread",
        format!("`{app}` asks for more of its data before it has read what it asked for"),
        format!("{most} calls of one app are answered at once, and none of those was read to its end in time"),
        "read an answer before asking for the next",
    )
}

/// What apps have not read takes all the room.
pub(crate) fn crowded() -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "data.crowded",
        "there is no room for an answer of the data service at this moment",
        "answers that apps have not read take all that this server keeps for them",
        "try again in a few seconds; read an answer before asking for the next",
    )
}

/// Cut, expired, or not opened yet: nothing of the app's data may be reached.
pub(crate) fn closed(app: &str) -> Problem {
    Problem::new(
        ProblemKind::Gone,
        "data.closed",
        format!("the data of `{app}` is closed"),
        "the app was switched off, or this request began before it was",
        "ask an operator; once the app is restored, new requests reach its data again",
    )
}

pub(crate) fn unknown_collection<'a>(name: &str, app: &str, known: impl Iterator<Item = &'a str> + Clone) -> Problem {
    let fix = match nearest(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "declare it under `[data.{}]` in `bailiwick.toml`, then deploy again; declared now: {}",
            shown(name),
            listed(known)
        ),
    };
    Problem::new(
        ProblemKind::Denied,
        "data.unknown_collection",
        format!("`{app}` has no collection `{}`", shown(name)),
        "the manifest does not declare it",
        fix,
    )
    .at("bailiwick.toml")
}

impl Collection {
    fn section(&self) -> String {
        format!("`[data.{}]` in `bailiwick.toml`", self.name)
    }

    fn at(&self) -> String {
        format!("bailiwick.toml:{}", self.declared.line)
    }

    pub(crate) fn unknown_field(&self, field: &str) -> Problem {
        let names = || self.declared.fields.keys().map(String::as_str);
        let (why, fix) = match (field, nearest(field, names())) {
            ("id" | "version", _) => {
                ("the platform gives every record its `id` and `version`", format!("leave `{field}` out"))
            }
            (_, Some(near)) => ("the manifest does not declare it", format!("did you mean `{near}`?")),
            (_, None) => (
                "the manifest does not declare it, and only declared fields are kept",
                format!(
                    "add `fields.{} = {{ class = \"…\" }}` to {}, then deploy again; declared now: {}",
                    shown(field),
                    self.section(),
                    listed(names())
                ),
            ),
        };
        invalid("data.unknown_field", format!("`{}` has no field `{}`", self.name, shown(field)), why, fix)
            .at(self.at())
    }

    pub(crate) fn wrong_type(&self, field: &str, kind: &str) -> Problem {
        invalid(
            "data.wrong_type",
            format!("`{}.{field}` cannot hold this value", self.name),
            format!(
                "the manifest says `type = \"{kind}\"`{}",
                if kind == "date" { ", a date as in RFC 3339" } else { "" }
            ),
            format!("send a value of that type, or change the type in {}", self.section()),
        )
        .at(self.at())
    }

    pub(crate) fn text_too_large(&self, field: &str, limit: usize) -> Problem {
        Problem::new(
            ProblemKind::TooLarge,
            "data.too_large",
            format!("a text in `{}.{}` is longer than {} KiB", self.name, shown(field), limit >> 10),
            "one text of a record may not be longer",
            "shorten it, or split it over several records",
        )
    }

    pub(crate) fn record_too_large(&self, limit: usize) -> Problem {
        Problem::new(
            ProblemKind::TooLarge,
            "data.too_large",
            format!("a record of `{}` is larger than {} KiB", self.name, limit >> 10),
            "one record may not be larger",
            "store less in it, or split it over several",
        )
    }

    pub(crate) fn storage_full(&self) -> Problem {
        Problem::new(
            ProblemKind::Unprocessable,
            "data.storage_full",
            "the app's storage is full",
            format!("its manifest allows {} bytes for all its collections", self.declared.storage_bytes),
            format!(
                "set `storage = \"{}MiB\"` in `limits` under `[runtime]` of `bailiwick.toml`, then deploy again; or delete records",
                (self.declared.storage_bytes.saturating_mul(2) >> 20).max(1)
            ),
        )
        .at("bailiwick.toml")
    }

    pub(crate) fn not_found(&self) -> Problem {
        Problem::new(
            ProblemKind::NotFound,
            "data.not_found",
            format!("`{}` has no such record", self.name),
            "it was never there, was deleted, or is past its retention",
            "list the collection to see what there is",
        )
    }

    pub(crate) fn conflict(&self) -> Problem {
        Problem::new(
            ProblemKind::Conflict,
            "data.conflict",
            format!("the record of `{}` was changed by someone else", self.name),
            "its version is no longer the one that this change was made from",
            "read the record again, then decide again and send its `version`",
        )
    }

    pub(crate) fn version_missing(&self) -> Problem {
        invalid(
            "data.version_missing",
            format!("an update of `{}` does not say which version it changes", self.name),
            "without it, one person's change could silently undo another's",
            "read the record, then call `update(id, changes, { version: record.version })`",
        )
    }

    pub(crate) fn encrypted_field(&self, field: &str, class: &str) -> Problem {
        Problem::new(
            ProblemKind::Unprocessable,
            "data.encrypted_field",
            format!("`{}.{field}` has no order and no ranges", self.name),
            format!("it is `{class}`, so it is stored encrypted, and only equal values can be found"),
            format!("ask for equality, or sort what was listed in the app; its class stands in {}", self.section()),
        )
        .at(self.at())
    }

    pub(crate) fn query(&self, what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Problem {
        invalid("data.query", format!("`{}` cannot be asked for that: {}", self.name, what.into()), why, fix)
    }

    pub(crate) fn rows(&self) -> Problem {
        let rows = self.declared.rows;
        invalid(
            "data.limit",
            format!("`limit` must be a whole number from 1 to {rows}"),
            format!("`rows` under `[limits]` in `bailiwick.toml` allows {rows} at a time"),
            "ask for fewer, then go on with `after: next`",
        )
        .at("bailiwick.toml")
    }

    pub(crate) fn cursor(&self) -> Problem {
        invalid(
            "data.cursor",
            format!("`after` is not a place in this list of `{}`", self.name),
            "it must be the `next` of the same collection, with the same `where` and `order`",
            "pass on `next` unchanged, or leave `after` out to start again",
        )
    }

    pub(crate) fn export_of_nobody(&self) -> Problem {
        Problem::new(
            ProblemKind::Denied,
            "data.export_undeclared",
            format!("`{}` cannot be exported", self.name),
            "the manifest names no group that may take it out",
            format!("name one with `export = [\"group:NAME\"]` in `[data.{}]`, or list it page by page", self.name),
        )
        .at(format!("bailiwick.toml:{}", self.declared.line))
    }

    pub(crate) fn export_for_nobody(&self) -> Problem {
        Problem::new(
            ProblemKind::Denied,
            "data.export_person",
            format!("`{}` can only be exported for a person", self.name),
            "jobs and public paths serve nobody whose group and second factor could be asked for",
            "export on a path that people open signed in",
        )
    }

    pub(crate) fn export_group(&self) -> Problem {
        let groups = listed(self.declared.export.iter().map(AsRef::as_ref));
        Problem::new(
            ProblemKind::Denied,
            "data.export_group",
            format!("`{}` may not be exported for this person", self.name),
            format!("only people in {groups} may take it out"),
            "show the button to them alone (`env.user.groups`), or name another group in `bailiwick.toml`",
        )
        .at(format!("bailiwick.toml:{}", self.declared.line))
    }

    pub(crate) fn export_factor(&self) -> Problem {
        Problem::new(
            ProblemKind::Denied,
            "data.export_factor",
            format!("an export of `{}` needs a second factor", self.name),
            "this person showed none in the last ten minutes",
            "put the path under `mfa` in `[access]`, as in `mfa = [\"/export/**\"]`: whoever opens it is asked first",
        )
        .at("bailiwick.toml")
    }

    pub(crate) fn export_busy(&self) -> Problem {
        Problem::new(
            ProblemKind::Unavailable,
            "data.export_busy",
            format!("`{}` cannot be exported at this moment", self.name),
            "as many exports as this server holds at once are on their way",
            "try again in a few seconds; read each export before you ask for the next",
        )
    }

    pub(crate) fn export_large(&self, most: usize) -> Problem {
        Problem::new(
            ProblemKind::TooLarge,
            "data.export_large",
            format!("`{}` is too large for one export", self.name),
            format!("an export is one answer of at most {} MiB", most >> 20),
            "list the collection page by page, with `after: next`",
        )
    }
}
