//! `[access]`, `[browser]` and `[limits]`: who may use the app, how often, and what its pages may reach.

use super::{
    Access, Browser, ROWS_DEFAULT, RateLimit, RequestLimits, connect, host, keys, measure,
    mend::Mend,
    name,
    report::{Report, shown, words},
    section::Section,
    value::{Text, Value, bad_value, entries, texts},
};
use crate::Group;
use ipnet::IpNet;
use std::{collections::BTreeMap, net::IpAddr};

/// A role is named in code and read by people.
const ROLES_MAX: usize = 32;

const EVERYONE: &str = "everyone";
const GROUP: &str = "group:";

pub(super) fn access<'t>(value: Option<&'t Value<'t>>, report: &mut Report<'_>) -> Option<Access> {
    let section = Section::open(&keys::ACCESS, "access".to_owned(), value, &[], report);
    let used_by = used_by(&section, report);
    let roles = roles(section.find("roles", report), report);
    let mfa = connect::patterns(&section, "mfa", report);
    let public = connect::patterns(&section, "public", report);
    let addresses = addresses(&section, report);
    let (everyone, groups) = used_by?;
    Some(Access { everyone, groups, roles, mfa, public, addresses })
}

/// Networks, or single addresses.
fn addresses(section: &Section<'_>, report: &mut Report<'_>) -> Vec<IpNet> {
    let Some(value) = section.find("addresses", report) else { return Vec::new() };
    let list = texts("access.addresses", section.example("addresses"), value, report);
    if value.get_ref().as_array().is_some_and(|list| list.is_empty()) {
        let why = "nobody could use the app from anywhere";
        let fix = "name a network, or remove the line";
        bad_value(value.span().start, "`access.addresses` is empty", why, fix, report);
    }
    let mut found = Vec::new();
    for Text { at, text } in list {
        let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match net {
            // Bits beyond the length would read as if they counted.
            Ok(net) if net.trunc() == net && !found.contains(&net) => found.push(net),
            Ok(net) if net.trunc() == net => {}
            Ok(_) | Err(_) => {
                let what = format!("`{}` is not a network", shown(text));
                let why = "an app is used from networks, such as the company's own";
                bad_value(at, what, why, "write it as in `addresses = [\"10.0.0.0/8\", \"192.0.2.7\"]`", report);
            }
        }
    }
    found
}

/// Whether everyone may, and the groups that may.
fn used_by(section: &Section<'_>, report: &mut Report<'_>) -> Option<(bool, Vec<Group>)> {
    let value = section.find("use", report)?;
    let at = value.span().start;
    // `use = "everyone"` reads well, and can mean only one thing.
    if value.get_ref().as_str() == Some(EVERYONE) {
        return Some((true, Vec::new()));
    }
    let list = texts("access.use", section.example("use"), value, report);
    if value.get_ref().as_array().is_some_and(|list| list.is_empty()) {
        let fix = "write `use = [\"everyone\"]`, or groups as in `use = [\"group:staff\"]`";
        bad_value(at, "`access.use` is empty", "nobody could use the app", fix, report);
        return None;
    }
    let everyone = list.iter().any(|item| item.text == EVERYONE);
    let groups: Vec<Text<'_>> = list.into_iter().filter(|item| item.text != EVERYONE).collect();
    let groups = self::groups(&groups, "`everyone` or `group:NAME`", report);
    Some((everyone, groups))
}

/// The groups of a list that may be left out, and is not empty.
pub(super) fn named_groups(section: &Section<'_>, key: &'static str, why: &str, report: &mut Report<'_>) -> Vec<Group> {
    let Some(value) = section.find(key, report) else { return Vec::new() };
    let path = section.name(key);
    let items = texts(&path, section.example(key), value, report);
    if value.get_ref().as_array().is_some_and(|list| list.is_empty()) {
        let what = format!("`{}` is empty", shown(&path));
        bad_value(value.span().start, what, why, "name a group, or remove the line", report);
    }
    groups(&items, "`group:NAME`", report)
}

fn groups(items: &[Text<'_>], shape: &str, report: &mut Report<'_>) -> Vec<Group> {
    let mut groups = Vec::new();
    for Text { at, text } in items.iter().copied() {
        let Some(group) = text.strip_prefix(GROUP) else {
            let what = format!("`{}` is not {shape}", shown(text));
            let fix = format!("did you mean `{GROUP}{}`?", shown(text));
            let why = "a group is written with `group:` before its name";
            let words = words("manifest.bad_value", what, why, fix);
            report.block(at, words.mended(Mend::Insert(at + 1, GROUP.to_owned())));
            continue;
        };
        if let Some(group) = name::GROUP.judge(Text { at, text: group }, report) {
            let group = Group::new(group);
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
    }
    groups
}

fn roles<'t>(value: Option<&'t Value<'t>>, report: &mut Report<'_>) -> BTreeMap<String, Vec<Group>> {
    let mut roles = BTreeMap::new();
    for (key, value) in entries("access.roles", value, ROLES_MAX, report) {
        let role = name::ROLE.judge(key, report);
        let path = format!("access.roles.{}", key.text);
        let items = texts(&path, keys::ACCESS.example("roles"), value, report);
        if value.get_ref().as_array().is_some_and(|list| list.is_empty()) {
            let what = format!("`{}` is empty", shown(&path));
            bad_value(
                value.span().start,
                what,
                "nobody would have the role",
                "name a group, or remove the role",
                report,
            );
        }
        let groups = groups(&items, "`group:NAME`", report);
        if let Some(role) = role {
            roles.insert(role.to_owned(), groups);
        }
    }
    roles
}

pub(super) fn browser<'t>(value: Option<&'t Value<'t>>, report: &mut Report<'_>) -> Browser {
    let section = Section::open(&keys::BROWSER, "browser".to_owned(), value, &[], report);
    let mut hosts = Vec::new();
    for item in section.texts("hosts", report) {
        let Some(found) = host::host(item, report) else {
            continue;
        };
        let host = match found.port {
            Some(port) if port != 443 => format!("{}:{port}", found.host),
            _ => found.host,
        };
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    Browser { hosts }
}

pub(super) fn limits<'t>(value: Option<&'t Value<'t>>, report: &mut Report<'_>) -> RequestLimits {
    let section = Section::open(&keys::LIMITS, "limits".to_owned(), value, &[], report);
    let rows = section.whole("rows", 1..=ROWS_DEFAULT, report).unwrap_or(ROWS_DEFAULT);
    let written = match section.find("requests", report) {
        None => Vec::new(),
        Some(value) => match value.get_ref().as_str() {
            Some(text) => vec![Text { at: value.span().start, text }],
            None => texts("limits.requests", section.example("requests"), value, report),
        },
    };
    let requests = written.into_iter().filter_map(|found| rate(found, report)).collect();
    RequestLimits { requests, rows }
}

fn rate(found: Text<'_>, report: &mut Report<'_>) -> Option<RateLimit> {
    let rate = measure::rate(found.text);
    if rate.is_none() {
        let what = format!("`{}` is not a limit", shown(found.text));
        let why = format!("a limit is {}", measure::RATE_SHAPE);
        bad_value(found.at, what, why, "write it as in `requests = \"60/min per user\"`", report);
    }
    rate
}
