//! What an app is told about a request besides the request: who asks, which release, under which address.
//!
//! ASCII JSON in one header. Refuses groups that the manifest does not name.

use crate::route::Route;
use authority::PersonFacts;
use model::PersonId;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write as _};

/// What makes the app run.
pub(crate) enum Trigger<'a> {
    Fetch,
    Scheduled { name: &'a str, at: model::Timestamp, run_id: &'a str },
}

pub(crate) fn context(
    route: &Route,
    trigger: &Trigger<'_>,
    user: Option<(&PersonId, &PersonFacts)>,
    placeholders: &BTreeMap<String, String>,
    url: &str,
) -> String {
    let (trigger, event) = match trigger {
        Trigger::Fetch => ("fetch", Value::Null),
        Trigger::Scheduled { name, at, run_id } => {
            ("scheduled", json!({ "name": name, "scheduledTime": at, "runId": run_id }))
        }
    };
    ascii(&json!({
        "trigger": trigger,
        "user": user.map(|(id, person)| self::user(route, id, person)),
        "app": { "id": route.app.id, "name": route.name, "env": route.app.env, "release": route.release },
        "secrets": placeholders,
        "url": url,
        "event": event,
    }))
}

fn user(route: &Route, id: &PersonId, person: &PersonFacts) -> Value {
    let groups: Vec<_> = person.groups.intersection(&route.named_groups).collect();
    let has = |groups: &[model::Group]| groups.iter().any(|group| person.is_in(group));
    let roles: Vec<_> = route.access.roles.iter().filter(|(_, groups)| has(groups)).map(|(role, _)| role).collect();
    json!({ "id": id, "email": person.email, "name": called(person), "groups": groups, "roles": roles })
}

/// What to call somebody: what is before the `@` when no name is known.
fn called(person: &PersonFacts) -> &str {
    let known = person.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let local = person.email.rsplit_once('@').map(|(local, _)| local).filter(|local| !local.is_empty());
    known.or(local).unwrap_or(&person.email)
}

/// JSON with everything outside ASCII, and DEL, as `\u` escapes (RFC 8259, section 7): a header carries it unharmed.
fn ascii(value: &Value) -> String {
    let text = value.to_string();
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if (' '..='~').contains(&c) {
            escaped.push(c);
            continue;
        }
        let mut units = [0; 2];
        for unit in c.encode_utf16(&mut units) {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn everybody_has_a_name() {
        let person = |email: &str, name: Option<&str>| PersonFacts {
            email: email.into(),
            name: name.map(Into::into),
            groups: [].into(),
            lapses: [].into(),
            enabled: true,
        };
        assert_eq!(called(&person("ana@example.test", Some("Ana Müller"))), "Ana Müller");
        for nameless in [None, Some(""), Some(" ")] {
            assert_eq!(called(&person("ana@example.test", nameless)), "ana");
        }
        assert_eq!(called(&person("@example.test", None)), "@example.test");
    }

    proptest! {
        #[test]
        fn any_text_survives_as_ascii(text in "\\PC*", more in any::<String>()) {
            let value = json!({ "a": text, "b": more });
            let written = ascii(&value);
            prop_assert!(written.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            prop_assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value);
        }
    }
}
