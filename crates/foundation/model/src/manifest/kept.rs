//! `[data.…]` and `[jobs.…]`: what the platform keeps and runs for the app. Refuses fields without a class.

use super::{
    Collection, Field, FieldType, Job, access, app, keys, name,
    report::{Report, shown},
    runtime,
    section::Section,
    value::{Text, Value, bad_value, entries},
};
use jiff::tz::TimeZoneDatabase;
use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

/// Each collection is judged by a person.
const COLLECTIONS_MAX: usize = 50;
const FIELDS_MAX: usize = 100;
const JOBS_MAX: usize = 20;

const DAY: Duration = Duration::from_secs(86_400);

/// At most ten years: what must be kept longer belongs in an archive. At least a minute: the deleting job's step.
pub const RETAIN: RangeInclusive<Duration> = Duration::from_secs(60)..=DAY.saturating_mul(3653);

pub(super) fn collections<'t>(value: Option<&'t Value<'t>>, report: &mut Report<'_>) -> BTreeMap<String, Collection> {
    let mut found = BTreeMap::new();
    for (key, value) in entries("data", value, COLLECTIONS_MAX, report) {
        let named = name::COLLECTION.judge(key, report);
        let section = Section::open(&keys::COLLECTION, format!("data.{}", key.text), Some(value), &[], report);
        let retain = runtime::span(&section, "retain", &RETAIN, report);
        let export = access::named_groups(&section, "export", "nobody could take it out", report);
        let written = section.find("fields", report);
        let path = section.name("fields");
        let fields = fields(&path, written, report);
        if let Some(value) = written.filter(|value| value.get_ref().as_table().is_some_and(|table| table.is_empty())) {
            let what = format!("`{}` is empty", shown(&path));
            let fix = "write each field with its class, as in `fields.person = { class = \"personal\" }`";
            bad_value(value.span().start, what, "a collection keeps only declared fields", fix, report);
        }
        if let (Some(name), Some(retain)) = (named, retain) {
            found.insert(name.to_owned(), Collection { retain, export, fields, line: report.line(key.at) });
        }
    }
    found
}

fn fields<'t>(path: &str, value: Option<&'t Value<'t>>, report: &mut Report<'_>) -> BTreeMap<String, Field> {
    let mut found = BTreeMap::new();
    for (key, value) in entries(path, value, FIELDS_MAX, report) {
        let named = name::FIELD.judge(key, report);
        let section = Section::open(&keys::FIELD, format!("{path}.{}", key.text), Some(value), &[], report);
        let class = section.text("class", report).and_then(|found| app::class(found, report));
        let kind = section.text("type", report).and_then(|found| field_type(found, report));
        if let (Some(name), Some(class)) = (named, class) {
            found.insert(name.to_owned(), Field { class, kind });
        }
    }
    found
}

fn field_type(found: Text<'_>, report: &mut Report<'_>) -> Option<FieldType> {
    let kind = FieldType::ALL.into_iter().find(|kind| kind.as_str() == found.text);
    if kind.is_none() {
        let what = format!("`{}` is not a type", shown(found.text));
        let why = format!("the types are {}", FieldType::ALL.map(FieldType::as_str).join(", "));
        bad_value(found.at, what, why, "choose one, or leave `type` out for any", report);
    }
    kind
}

pub(super) fn jobs<'t>(value: Option<&'t Value<'t>>, report: &mut Report<'_>) -> BTreeMap<String, Job> {
    let mut found = BTreeMap::new();
    for (key, value) in entries("jobs", value, JOBS_MAX, report) {
        let named = name::JOB.judge(key, report);
        let section = Section::open(&keys::JOB, format!("jobs.{}", key.text), Some(value), &[], report);
        let schedule = section.text("schedule", report).and_then(|found| schedule(found, report));
        let zone = match section.text("zone", report) {
            Some(found) => zone(found, report),
            None => Some("UTC".to_owned()),
        };
        if let (Some(name), Some(schedule), Some(zone)) = (named, schedule, zone) {
            found.insert(name.to_owned(), Job { schedule, zone, line: report.line(key.at) });
        }
    }
    found
}

/// Checks the shape of a five-field cron expression (POSIX `crontab`); what it means is `catalog`'s to work out.
fn schedule(found: Text<'_>, report: &mut Report<'_>) -> Option<String> {
    let fields: Vec<&str> = found.text.split_ascii_whitespace().collect();
    let odd = fields.iter().find(|field| {
        !field.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'*' | b',' | b'-' | b'/')) || field.len() > 40
    });
    let why = match (fields.len(), odd) {
        (5, None) => return Some(fields.join(" ")),
        (5, Some(odd)) => format!("`{}` is not a part of a schedule", shown(odd)),
        (count, _) => {
            format!("it has {count} parts; a schedule has five: minute, hour, day, month, weekday")
        }
    };
    let what = format!("`{}` is not a schedule", shown(found.text));
    bad_value(found.at, what, why, "write it as in `schedule = \"0 8 * * 1-5\"` (08:00 on weekdays)", report);
    None
}

/// A time zone of the IANA database that is built in, so that every machine judges alike.
fn zone(found: Text<'_>, report: &mut Report<'_>) -> Option<String> {
    let zone = TimeZoneDatabase::bundled().get(found.text).ok();
    let name = zone.as_ref().and_then(|zone| zone.iana_name()).map(str::to_owned);
    if name.is_none() {
        let what = format!("`{}` is not a time zone", shown(found.text));
        let why = "zones are named as in the IANA database";
        bad_value(found.at, what, why, "write it as in `zone = \"Europe/Berlin\"`, or leave it out for UTC", report);
    }
    name
}
