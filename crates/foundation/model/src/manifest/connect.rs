//! Destinations and secrets: what leaves an app, and what may be attached on the way. Refuses all that is not named whole.

use super::{
    Connect, PathPattern, SecretUse,
    host::{self, HostPort},
    keys, lookalike,
    mend::Mend,
    name,
    report::{Report, shown, words},
    section::Section,
    value::{Text, Value, bad_value, entries},
};
use crate::SecretId;
use std::collections::BTreeMap;

/// A person judges each; an app that needs more is several apps.
const DESTINATIONS_MAX: usize = 50;
const SECRETS_MAX: usize = 50;

/// Methods that a grant may name (RFC 9110, section 9.3; RFC 5789). CONNECT and TRACE never leave.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;

/// Every `[connect.…]`.
pub(super) fn destinations<'t>(value: Option<&'t Value<'t>>, report: &mut Report<'_>) -> BTreeMap<String, Connect> {
    let mut found = BTreeMap::new();
    for (key, value) in entries("connect", value, DESTINATIONS_MAX, report) {
        let named = name::DESTINATION.judge(key, report);
        let one = destination(key, value, report);
        if let (Some(name), Some(one)) = (named, one) {
            found.insert(name.to_owned(), one);
        }
    }
    found
}

fn destination<'t>(key: Text<'t>, value: &'t Value<'t>, report: &mut Report<'_>) -> Option<Connect> {
    let path = format!("connect.{}", key.text);
    let section = Section::open(&keys::CONNECT, path, Some(value), keys::CONNECT_LATER, report);
    if let Some(at) = keys::CONNECT_LATER.iter().find_map(|key| section.stands(key)) {
        report.block(
            at,
            words(
                "manifest.connector",
                format!("`{}` asks for a connector", shown(&section.path)),
                "connectors come later; until then a destination is named by `host`",
                "write `host`, `methods` and `paths` instead, such as `host = \"slack.com\"`",
            ),
        );
        return None;
    }
    let tls = section.flag("tls", report);
    let tls = tls.unwrap_or(true);
    let host = section.text("host", report).and_then(|found| host::host(found, report));
    let methods = methods(&section, report);
    let paths = patterns(&section, "paths", report);
    not_empty(&section, "paths", report);
    let secret = section.text("secret", report).map(|found| variable(found, report));
    let why = section.sentence("why", report);
    let HostPort { host, port } = host?;
    let port = port.unwrap_or(if tls { HTTPS_PORT } else { HTTP_PORT });
    let secret = match secret {
        Some(secret) => Some(secret?),
        None => None,
    };
    Some(Connect { host, port, tls, methods, paths, secret, why: why?, line: report.line(key.at) })
}

/// The variable of a secret. What stands here may be a value that was pasted, so no message repeats it.
fn variable(found: Text<'_>, report: &mut Report<'_>) -> Option<String> {
    if name::VARIABLE.fits(found.text) {
        return Some(found.text.to_owned());
    }
    let why = "`secret` is a variable that is declared under `[secrets]`; a value never stands here";
    bad_value(found.at, "`secret` is not a variable's name", why, "write it as in `secret = \"SLACK_TOKEN\"`", report);
    None
}

fn not_empty(section: &Section<'_>, key: &str, report: &mut Report<'_>) {
    if let Some(at) = section.empty_list(key) {
        let what = format!("`{}` is empty", shown(&section.name(key)));
        bad_value(at, what, "nothing would be allowed", format!("write it as in `{}`", section.example(key)), report);
    }
}

fn methods(section: &Section<'_>, report: &mut Report<'_>) -> Vec<String> {
    let written = section.texts("methods", report);
    not_empty(section, "methods", report);
    let mut methods = Vec::new();
    for Text { at, text } in written {
        let method = text.to_ascii_uppercase();
        if METHODS.contains(&method.as_str()) {
            if !methods.contains(&method) {
                methods.push(method);
            }
        } else {
            let what = format!("`{}` is not a method that an app may use", shown(text));
            let why = format!("the methods are {}", METHODS.join(", "));
            bad_value(at, what, why, "name one or more of them", report);
        }
    }
    methods
}

/// A list of path patterns.
pub(super) fn patterns(section: &Section<'_>, key: &str, report: &mut Report<'_>) -> Vec<PathPattern> {
    let mut patterns = Vec::new();
    for Text { at, text } in section.texts(key, report) {
        match PathPattern::parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(refusal) => {
                let what = format!("`{}` is not a path pattern", shown(text));
                let fix = "write it as in `/v1/rooms/*` (one part) or `/v1/rooms/**` (any rest)";
                bad_value(at, what, refusal.to_string(), fix, report);
            }
        }
    }
    patterns
}

/// Every `[secrets.…]`.
pub(super) fn secrets<'t>(value: Option<&'t Value<'t>>, report: &mut Report<'_>) -> BTreeMap<String, SecretUse> {
    let mut found = BTreeMap::new();
    for (key, value) in entries("secrets", value, SECRETS_MAX, report) {
        let named = name::VARIABLE.judge(key, report);
        if value.get_ref().is_str() {
            // The likeliest slip is a value pasted here: it is never repeated in a message.
            let id = named.and_then(|name| report.secret_id(name));
            let fix = format!(
                "write `{} = {{ id = \"{}\" }}`; ask an operator to store the value, with `bailiwick secret put`; if this was a real credential, replace it",
                named.unwrap_or("NAME"),
                id.as_deref().unwrap_or("team/name"),
            );
            let what = format!("`secrets.{}` is a text", shown(key.text));
            let why = "a manifest names a secret and never holds its value";
            let mend = id.map(|id| Mend::Value(value.span().start, format!("{{ id = \"{id}\" }}")));
            report.block(value.span().start, words("manifest.wrong_type", what, why, fix).mended(mend));
            continue;
        }
        let section = Section::open(&keys::SECRET, format!("secrets.{}", key.text), Some(value), &[], report);
        let id = section.text("id", report).and_then(|id| secret_id(id, named, report));
        if let (Some(name), Some(id)) = (named, id) {
            found.insert(name.to_owned(), SecretUse { id, line: report.line(key.at) });
        }
    }
    found
}

/// What stands here may be a value that was pasted, so no message repeats it.
fn secret_id(found: Text<'_>, variable: Option<&str>, report: &mut Report<'_>) -> Option<SecretId> {
    let parts = found.text.split_once('/');
    if parts.is_some_and(|(team, rest)| name::TEAM.fits(team) && name::SECRET.fits(rest)) {
        return Some(SecretId::new(found.text));
    }
    let what = match found.text.chars().find(|c| !c.is_ascii()) {
        Some(c) => format!("the id of a secret has {}", lookalike::named(c)),
        None => "the id of a secret is not `team/name`".to_owned(),
    };
    let why =
        "it is the team's name, one `/`, and a name of small letters, digits, `_` and `-`; a value never stands here";
    let id = variable.and_then(|variable| report.secret_id(variable));
    let fix = format!("write it as in `id = \"{}\"`", id.as_deref().unwrap_or("people-ops/slack-bot"));
    let mend = id.map(|id| Mend::Value(found.at, format!("\"{id}\"")));
    report.block(found.at, words("manifest.bad_value", what, why, fix).mended(mend));
    None
}
