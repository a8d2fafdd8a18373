//! `[app]`: what the app is, whose, and until when. Refuses a day that is past or too far ahead.

use super::{
    App, keys,
    mend::Mend,
    name,
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

impl Judged {
    /// The last day that `expires` may name.
    pub(super) fn latest(self) -> Option<Date> {
        match self {
            Self::On(today) => Some(today.saturating_add(EXPIRES_AHEAD_DAYS_MAX.days())),
            Self::Before => None,
        }
    }
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
            let classes = Class::ALL.map(Class::as_str);
            let why = format!("the classes are {}", classes.join(" < "));
            match near(found.text, &classes) {
                Some(class) => {
                    let words = words("manifest.bad_value", what, why, format!("did you mean `{class}`?"));
                    report.block(found.at, words.mended(Mend::Value(found.at, format!("\"{class}\""))));
                }
                None => bad_value(found.at, what, why, "choose the highest class of what the app handles", report),
            }
        })
        .ok()
}

/// Longer words are nobody's slip of the finger.
const SLIP_CHARS_MAX: usize = 24;

/// The one of these words that was meant, when that is plain.
pub(super) fn near(word: &str, of: &[&'static str]) -> Option<&'static str> {
    let word: String = word.chars().take(SLIP_CHARS_MAX).collect();
    let word = word.trim().to_lowercase();
    let (edits, near) = of.iter().map(|known| (strsim::osa_distance(&word, known), *known)).min()?;
    (edits <= near.len().div_ceil(4)).then_some(near)
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
        let latest = report.latest;
        let day = latest.map_or_else(|| "2027-02-01".to_owned(), |day| day.to_string());
        let fix = format!("write it as in `expires = \"{day}\"`");
        let mend = latest.map(|day| Mend::Value(at, format!("\"{day}\"")));
        report.block(at, words("manifest.bad_value", what, "it is read as year-month-day", fix).mended(mend));
        return None;
    };
    let Judged::On(today) = judged else {
        return Some(date);
    };
    let latest = today.saturating_add(EXPIRES_AHEAD_DAYS_MAX.days());
    if date < today {
        let what = format!("`{date}` is in the past");
        let why = "an app stops serving after the day on which it expires";
        let fix = format!("choose a day up to {latest}");
        report.block(at, words("manifest.expired", what, why, fix).mended(Mend::Value(at, format!("\"{latest}\""))));
    } else if date > latest {
        let what = format!("`{date}` is more than {EXPIRES_AHEAD_DAYS_MAX} days ahead");
        let why = "an app that is still wanted is looked at again; deploying renews it";
        let fix = format!("choose a day up to {latest}");
        let mend = Mend::Value(at, format!("\"{latest}\""));
        report.block(at, words("manifest.expires_late", what, why, fix).mended(mend));
    } else {
        return Some(date);
    }
    None
}
