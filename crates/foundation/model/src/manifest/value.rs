//! Values of the manifest as the types that they must have; refuses other types.

use super::report::{Report, shown, words};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// A text and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'t> {
    pub(super) at: usize,
    pub(super) text: &'t str,
}

/// No list of the manifest needs more; each is read by a person.
const ITEMS_MAX: usize = 64;

/// The named tables under a section such as `[connect.…]`, in the order of their names.
pub(super) fn entries<'t>(
    path: &str,
    value: Option<&'t Value<'t>>,
    most: usize,
    report: &mut Report<'_>,
) -> Vec<(Text<'t>, &'t Value<'t>)> {
    let Some((value, table)) = value.and_then(|value| Some((value, table(path, value, report)?))) else {
        return Vec::new();
    };
    if table.len() > most {
        let what = format!("`[{}]` has {} entries", shown(path), table.len());
        let why = format!("it may have at most {most}, so that a person can judge them");
        report.block(value.span().start, words("manifest.too_large", what, why, "remove some, or make two apps of it"));
    }
    table
        .iter()
        .take(most)
        .map(|(key, value)| (Text { at: key.span().start, text: key.get_ref().as_ref() }, value))
        .collect()
}

pub(super) fn table<'t>(path: &str, value: &'t Value<'t>, report: &mut Report<'_>) -> Option<&'t DeTable<'t>> {
    value.get_ref().as_table().or_else(|| {
        let example = format!("[{}]", shown(path));
        wrong_type(path, "a table", &example, value, report)
    })
}

pub(super) fn text<'t>(name: &str, example: &str, value: &'t Value<'t>, report: &mut Report<'_>) -> Option<Text<'t>> {
    match value.get_ref().as_str() {
        Some(text) => Some(Text { at: value.span().start, text }),
        None => wrong_type(name, "a text", example, value, report),
    }
}

/// A list of texts.
pub(super) fn texts<'t>(name: &str, example: &str, value: &'t Value<'t>, report: &mut Report<'_>) -> Vec<Text<'t>> {
    let Some(list) = value.get_ref().as_array() else {
        let _: Option<()> = wrong_type(name, "a list", example, value, report);
        return Vec::new();
    };
    if list.len() > ITEMS_MAX {
        let what = format!("`{}` has {} items", shown(name), list.len());
        let why = format!("a list of the manifest has at most {ITEMS_MAX}, so that a person can read it");
        report.block(value.span().start, words("manifest.too_large", what, why, "shorten it"));
    }
    let item = format!("an item of {name}");
    list.iter().take(ITEMS_MAX).filter_map(|value| text(&item, example, value, report)).collect()
}

/// Says that a value has another type; always `None`.
pub(super) fn wrong_type<T>(
    name: &str,
    wanted: &str,
    example: &str,
    value: &Value<'_>,
    report: &mut Report<'_>,
) -> Option<T> {
    let found = match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    let what = format!("`{}` is {found}", shown(name));
    let words =
        words("manifest.wrong_type", what, format!("it must be {wanted}"), format!("write it as in `{example}`"));
    report.block(value.span().start, words);
    None
}

/// Says that a value is wrong.
pub(super) fn bad_value(
    at: usize,
    what: impl Into<String>,
    why: impl Into<String>,
    fix: impl Into<String>,
    report: &mut Report<'_>,
) {
    report.block(at, words("manifest.bad_value", what, why, fix));
}
