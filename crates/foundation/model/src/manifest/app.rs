//! `[app]`: what the app is, whose, and until when. Refuses a day that is past or too far ahead.

use super::{
    App, keys, name,
    report::{Report, shown, words},
    section::Section,
    value::{Text, Value, bad_value, wrong_type},
};
use crate::{Class, Group};
use jiff::{ToSpan, civil::Date};

/// An app that is still wanted is looked at again four times a year.
pub const EXPIRES_AHEAD_DAYS_MAX: i64 = 90;

/// On which day the manifest is judged.
#[derive(Clone, Copy)]
pub(super) enum Judged {
    /// The app is to serve from this day on.
    On(Date),
    /// It was accepted before; its dates are history.
    Before,
}

pub(super) fn app<'t>(value: Option<&'t Value<'t>>, judged: Judged, report: &mut Report<'_>) -> Option<App> {
    let section = Section::open(&keys::APP, "app".to_owned(), value, &[], report);
    let name = section.text("name", report).and_then(|found| name::APP.judge(found, report));
    let team = section.text("team", report).and_then(|found| name::TEAM.judge(found, report));
    let purpose = section.sentence("purpose", report);
    let expires = expires(&section, judged, report);
    let class = section.text("class", report).and_then(|found| class(found, report));
    Some(App { name: name?.to_owned(), team: Group::new(team?), purpose: purpose?, expires: expires?, class: class? })
}

/// A class by its word.
pub(super) fn class(found: Text<'_>, report: &mut Report<'_>) -> Option<Class> {
    found
        .text
        .parse::<Class>()
        .map_err(|_| {
            let what = format!("`{}` is not a class", shown(found.text));
            let classes = Class::ALL.map(Class::as_str).join(" < ");
            bad_value(
                found.at,
                what,
                format!("the classes are {classes}"),
                "choose the highest class of what the app handles",
                report,
            );
        })
        .ok()
}

fn expires(section: &Section<'_>, judged: Judged, report: &mut Report<'_>) -> Option<Date> {
    let value = section.find("expires", report)?;
    let at = value.span().start;
    let text = match (value.get_ref().as_str(), value.get_ref().as_datetime()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(date)) => date.to_string(),
        (None, None) => {
            return wrong_type("app.expires", "a date", section.example("expires"), value, report);
        }
    };
    let plain = text.len() == "2027-02-01".len();
    let Some(date) = text.parse::<Date>().ok().filter(|_| plain) else {
        let what = format!("`{}` is not a date", shown(&text));
        bad_value(at, what, "it is read as year-month-day", "write it as in `expires = \"2027-02-01\"`", report);
        return None;
    };
    let Judged::On(today) = judged else {
        return Some(date);
    };
    let latest = today.saturating_add(EXPIRES_AHEAD_DAYS_MAX.days());
    if date < today {
        let what = format!("`{date}` is in the past");
        let why = "an app stops serving after the day on which it expires";
        report.block(at, words("manifest.expired", what, why, format!("choose a day up to {latest}")));
    } else if date > latest {
        let what = format!("`{date}` is more than {EXPIRES_AHEAD_DAYS_MAX} days ahead");
        let why = "an app that is still wanted is looked at again; deploying renews it";
        report.block(at, words("manifest.expires_late", what, why, format!("choose a day up to {latest}")));
    } else {
        return Some(date);
    }
    None
}
