//! What Rego sees of a case: the published input schema. Made as the engine has it, without a turn through JSON.
//!
//! What does not differ from one decision to the next is made once: the names of fields, and the date for its day.

use crate::{Act, Factor, Role, Who, authority::Case};
use arc_swap::ArcSwapOption;
use model::{AppId, Env, Group, PersonId, Timestamp};
use regorus::Value;
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

const DAY_MS: i64 = 86_400_000;

/// An object of the input.
macro_rules! object {
    ($($name:literal: $value:expr),* $(,)?) => {{
        static NAMES: LazyLock<[Value; [$($name),*].len()]> = LazyLock::new(|| [$(Value::from($name)),*]);
        named(&NAMES, [$($value),*])
    }};
}

fn named<const N: usize>(names: &[Value; N], values: [Value; N]) -> Value {
    names.iter().cloned().zip(values).collect::<BTreeMap<_, _>>().into()
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> Value {
    texts.map(Value::from).collect::<Vec<_>>().into()
}

/// A text that may not be there.
fn text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::from)
}

impl Case<'_> {
    pub(crate) fn input<A: Act>(&self, act: &A, today: Value) -> Value {
        let (person, app) = (self.person, self.app);
        let caller = object! {
            "kind": self.caller.kind().into(),
            "person": text(self.caller.person().map(PersonId::as_str)),
            "groups": list(person.into_iter().flat_map(|person| person.groups.iter().map(Group::as_str))),
            "roles": list(person.into_iter().flat_map(|person| person.roles().map(Role::group))),
            "second_factor": matches!(self.caller.who, Who::Person { factor: Factor::Second { .. }, .. }).into(),
            "single_sign_on": matches!(self.caller.who, Who::Person { single_sign_on: true, .. }).into(),
            "app": text(self.caller.app().map(|app| app.id.as_str())),
        };
        let target = object! {
            "tenant": self.target.tenant.as_str().into(),
            "app": text(self.target.app.as_ref().map(AppId::as_str)),
            "env": text(self.target.env.map(Env::as_str)),
            "resource": self.target.resource.as_str().into(),
            "name": text(app.map(|app| &*app.name)),
            "team": text(app.map(|app| app.team.as_str())),
            "class": text(app.map(|app| app.class.as_str())),
        };
        object! {
            "act": self.rule.name.into(),
            "caller": caller,
            "target": target,
            "facts": act.facts().value(),
            "today": today,
        }
    }
}

/// The date as policy sees it, with the day that it was written for.
#[derive(Debug, Default)]
pub(crate) struct Today(ArcSwapOption<(i64, Value)>);

impl Today {
    pub(crate) fn at(&self, now: Timestamp) -> Value {
        let day = day(now);
        match self.0.load().as_deref() {
            Some((known, today)) if *known == day => today.clone(),
            Some(_) | None => {
                let today = text(now.to_string().get(..10));
                self.0.store(Some(Arc::new((day, today.clone()))));
                today
            }
        }
    }
}

fn day(at: Timestamp) -> i64 {
    at.as_ms().div_euclid(DAY_MS)
}

/// The end of the day on which `now` is.
pub(crate) fn midnight(now: Timestamp) -> Timestamp {
    Timestamp::from_ms((day(now) + 1) * DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_that_of_the_moment_whatever_was_asked_before() {
        let today = Today::default();
        for (at, date) in [
            ("2026-11-28T00:00:00.000Z", "2026-11-28"),
            ("2026-11-28T23:59:59.999Z", "2026-11-28"),
            ("2026-11-29T00:00:00.000Z", "2026-11-29"),
            ("2026-11-28T12:00:00.000Z", "2026-11-28"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31"),
        ] {
            assert_eq!(today.at(at.parse().unwrap()), Value::from(date));
        }
    }
}
