//! Reads a whole manifest: every section, then what must hold between them. Refuses nothing silently, and all at once.

use super::{
    App, Collection, Connect, Manifest, SecretUse, access,
    app::{self, Judged},
    bytes, connect, kept, keys,
    mend::Mend,
    name,
    report::{Report, shown, words},
    runtime, syntax,
    value::Value,
};
use crate::{Class, Finding, Severity};
use jiff::civil::Date;
use std::collections::BTreeMap;
use toml::de::DeTable;

/// A manifest that may be used, and what is worth mending in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub manifest: Manifest,
    /// Never of severity `block`.
    pub warnings: Vec<Finding>,
}

impl Manifest {
    /// Reads `bailiwick.toml` as it was uploaded, on the day `today` (UTC).
    ///
    /// # Errors
    /// Every problem of the file, in the order of its lines, at least one of severity `block`; warnings stand among them.
    pub fn parse(text: &[u8], today: Date) -> Result<Parsed, Vec<Finding>> {
        read(text, Judged::On(today))
    }

    /// Reads a manifest that was accepted before: as [`Manifest::parse`], but its `expires` may be past or far.
    ///
    /// # Errors
    /// As [`Manifest::parse`].
    pub fn reread(text: &[u8]) -> Result<Parsed, Vec<Finding>> {
        read(text, Judged::Before)
    }

    /// The name that a file gives its app, whatever else is wrong with the file; none that is no app's name.
    #[must_use]
    pub fn name_in(text: &[u8]) -> Option<String> {
        let text = bytes::read(text).ok()?;
        let readable = syntax::readable(text, &mut Report::new(text));
        let (root, _) = DeTable::parse_recoverable(&readable);
        let name = root.get_ref().get("app")?.get_ref().as_table()?.get("name")?.get_ref().as_str()?;
        name::APP.fits(name).then(|| name.to_owned())
    }
}

fn read(bytes: &[u8], judged: Judged) -> Result<Parsed, Vec<Finding>> {
    let text = bytes::read(bytes)?;
    let skipped = bytes.len() - text.len();
    let mut report = Report::new(text);
    report.latest = judged.latest();
    let readable = syntax::readable(text, &mut report);
    let (root, _) = DeTable::parse_recoverable(&readable);
    let manifest = sections(root.get_ref(), judged, &mut report);
    let mut findings = report.finish();
    // Edits are told in bytes of the file, which may begin with a byte order mark.
    for edit in findings.iter_mut().flat_map(|finding| &mut finding.edits) {
        (edit.start, edit.end) = (edit.start + skipped, edit.end + skipped);
    }
    // INVARIANT: a part that could not be made has reported why, so `None` comes with a finding that blocks.
    match manifest {
        Some(manifest) if findings.iter().all(|finding| finding.severity < Severity::Block) => {
            Ok(Parsed { manifest, warnings: findings })
        }
        _ => Err(findings),
    }
}

fn sections<'t>(root: &'t DeTable<'t>, judged: Judged, report: &mut Report<'_>) -> Option<Manifest> {
    let misspelt = keys::ROOT.judge(root, "", &[], report);
    report.misspelt(misspelt);
    let find = |name: &str| -> Option<&'t Value<'t>> { root.get(name) };
    let app = app::app(find("app"), judged, report);
    report.team = app.as_ref().map(|app| app.team.clone());
    let runtime = runtime::runtime(find("runtime"), report);
    let access = access::access(find("access"), report);
    let secrets = connect::secrets(find("secrets"), report);
    let connect = connect::destinations(find("connect"), report);
    let data = kept::collections(find("data"), report);
    let jobs = kept::jobs(find("jobs"), report);
    let browser = access::browser(find("browser"), report);
    let limits = access::limits(find("limits"), report);
    judge_secrets(find("secrets"), &secrets, find("connect"), &connect, report);
    judge_class(root, app.as_ref(), &data, report);
    Some(Manifest { app: app?, runtime: runtime?, access: access?, secrets, connect, data, jobs, browser, limits })
}

/// Where a key stands below a section: `[section.name] key = …`.
fn stands<'t>(section: Option<&'t Value<'t>>, name: &str, key: Option<&str>) -> usize {
    let Some((own, value)) =
        section.and_then(|section| section.get_ref().as_table()).and_then(|table| table.get_key_value(name))
    else {
        return 0;
    };
    let value = key.and_then(|key| value.get_ref().as_table()?.get(key));
    value.map_or_else(|| own.span().start, |value| value.span().start)
}

fn judge_secrets<'t>(
    declared_at: Option<&'t Value<'t>>,
    declared: &BTreeMap<String, SecretUse>,
    used_at: Option<&'t Value<'t>>,
    used: &BTreeMap<String, Connect>,
    report: &mut Report<'_>,
) {
    if !report.complete() {
        return;
    }
    let written = |name: &str| {
        declared_at.and_then(|value| value.get_ref().as_table()).is_some_and(|table| table.contains_key(name))
    };
    for (name, connect) in used {
        let Some(secret) = connect.secret.as_deref().filter(|secret| !written(secret)) else {
            continue;
        };
        let at = stands(used_at, name, Some("secret"));
        let near = declared.keys().map(|known| (strsim::osa_distance(secret, known), known)).min();
        let (fix, mend) = match near.filter(|(edits, _)| *edits <= 3) {
            Some((_, known)) => (format!("did you mean `{known}`?"), Some(Mend::Value(at, format!("\"{known}\"")))),
            None => {
                let id = report.secret_id(secret);
                let shown = id.as_deref().unwrap_or("team/name");
                let fix = format!("write `[secrets.{secret}]` and under it `id = \"{shown}\"`");
                (fix, id.map(|id| Mend::Append(format!("[secrets.{secret}]\nid = \"{id}\""))))
            }
        };
        let what = format!("`connect.{name}` uses the secret `{}`, which is not declared", shown(secret));
        let why = "a secret is declared under `[secrets]` before a destination may have it";
        report.block(at, words("manifest.unknown_secret", what, why, fix).mended(mend));
    }
    // A destination that could not be read may be the one that uses it.
    let all_read = used_at.and_then(|value| value.get_ref().as_table()).is_none_or(|table| table.len() == used.len());
    for name in declared.keys().filter(|_| all_read) {
        if !used.values().any(|connect| connect.secret.as_ref() == Some(name)) {
            let what = format!("the secret `{name}` is never used");
            let why = "no destination under `[connect]` names it, so it can be attached nowhere";
            let fix = format!("add `secret = \"{name}\"` to a destination, or remove the secret");
            let mut free = used.iter().filter(|(_, connect)| connect.secret.is_none());
            // Which of several is meant, only the builder knows.
            let mend = free.next().filter(|_| free.next().is_none()).map(|(to, _)| {
                Mend::Under(stands(used_at, to, None), format!("connect.{to}"), format!("secret = \"{name}\""))
            });
            let words = words("manifest.unused_secret", what, why, fix).mended(mend);
            report.warn(stands(declared_at, name, None), words);
        }
    }
}

/// An app's class is at least its fields' highest.
fn judge_class(root: &DeTable<'_>, app: Option<&App>, data: &BTreeMap<String, Collection>, report: &mut Report<'_>) {
    let Some(app) = app else { return };
    let fields = data.iter().flat_map(|(collection, kept)| kept.fields.iter().map(move |field| (collection, field)));
    let highest: Option<(Class, String)> =
        fields.map(|(collection, (name, field))| (field.class, format!("{collection}.{name}"))).max();
    let Some((class, field)) = highest.filter(|(class, _)| *class > app.class) else {
        return;
    };
    let at = root
        .get("app")
        .and_then(|value| value.get_ref().as_table()?.get("class"))
        .map_or(0, |value| value.span().start);
    let what = format!("the app is `{}`, but its field `{field}` is `{class}`", app.class);
    let why = "an app's class is at least its fields' highest";
    let fix = format!("write `class = \"{class}\"` under `[app]`");
    let mend = Mend::Value(at, format!("\"{class}\""));
    report.block(at, words("manifest.class_too_low", what, why, fix).mended(mend));
}
