//! What the code plainly uses and the manifest does not declare: said before the release, with the lines that declare it.
//!
//! Warns and never blocks: code that is there may never run. What holds at run time is the broker, the vault and the
//! data service, which refuse it all the same.

use super::{MANIFEST, finding};
use crate::Unpacked;
use model::{Edit, Finding, Manifest, Severity, manifest::Connect};
use scan::Asked;
use std::collections::{BTreeMap, BTreeSet};

const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;

/// Each has the manifest read again; the rest is said once these are mended.
const FINDINGS_MAX: usize = 50;
/// In all modules together: whoever writes more has a machine write it.
const ASKS_MAX: usize = 2_000;

/// One warning for each thing, at the first place that uses it.
pub(super) fn look(manifest: &Manifest, unpacked: &Unpacked) -> Vec<Finding> {
    let mut gate = Gate { manifest, text: manifest_text(unpacked), said: BTreeSet::new(), findings: Vec::new() };
    let modules = super::modules(manifest, unpacked).filter(|(path, _)| !path.ends_with(".json"));
    for (path, ask) in modules.flat_map(|(path, source)| plain(source).map(move |ask| (path, ask))).take(ASKS_MAX) {
        let found = match &ask.what {
            Asked::Call { .. } => gate.call(path, &ask.what),
            Asked::Collection { name, fields } => gate.collection(path, name, fields),
            Asked::Secret { name } => gate.secret(path, name),
        };
        gate.findings.extend(found.map(|found| Finding { line: Some(ask.line), ..found }));
        if gate.findings.len() == FINDINGS_MAX {
            gate.findings.push(more(path));
            break;
        }
    }
    gate.findings
}

/// What a module asks for. What stands in a credential is said by the scanner, redacted, and by nobody else.
fn plain(source: &[u8]) -> impl Iterator<Item = scan::Ask> {
    let credentials = scan::credentials(source);
    let asks = if credentials.places().is_some() { scan::asks(source) } else { Vec::new() };
    let apart = move |ask: &scan::Ask| {
        let mut places = credentials.places().into_iter().flatten();
        places.all(|at| at.end <= ask.at.start || ask.at.end <= at.start)
    };
    asks.into_iter().filter(apart)
}

fn more(path: &str) -> Finding {
    finding(
        "code.more",
        Severity::Note,
        path,
        "the code may use more that the manifest does not declare than is listed".to_owned(),
        "the list stops at some dozens",
        "mend these first, then check again".to_owned(),
    )
}

/// A credential that becomes a placeholder is declared by the same fix.
pub(super) fn declare_secrets(findings: &mut [Finding], manifest: &Manifest, unpacked: &Unpacked) {
    let text = manifest_text(unpacked);
    for found in findings.iter_mut().filter(|found| found.code == "secret.found") {
        let named = found.edits.iter().find_map(|edit| {
            let after = edit.text.split_once("env.")?.1;
            Some(
                after.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect::<String>(),
            )
        });
        if let Some(name) = named.filter(|name| !manifest.secrets.contains_key(name)) {
            found.edits.push(append(text, &secret_section(manifest, &name)));
        }
    }
}

fn manifest_text(unpacked: &Unpacked) -> &str {
    unpacked.get(MANIFEST).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

fn append(text: &str, lines: &str) -> Edit {
    let before = if text.ends_with('\n') { "\n" } else { "\n\n" };
    Edit::insert(MANIFEST, text.len(), format!("{before}{lines}\n"))
}

fn secret_section(manifest: &Manifest, name: &str) -> String {
    let id = name.to_ascii_lowercase().replace('_', "-");
    format!("[secrets.{name}]\nid = \"{}/{id}\"", manifest.app.team)
}

struct Gate<'a> {
    manifest: &'a Manifest,
    text: &'a str,
    said: BTreeSet<String>,
    findings: Vec<Finding>,
}

impl Gate<'_> {
    fn secret(&mut self, path: &str, name: &str) -> Option<Finding> {
        let known = self.manifest.secrets.contains_key(name);
        if known || !self.said.insert(format!("secret {name}")) {
            return None;
        }
        let lines = secret_section(self.manifest, name);
        let fix =
            format!("add this to `{MANIFEST}`, and `secret = \"{name}\"` to the destination that gets it:\n\n{lines}");
        let what = format!("`env.{name}` is not a secret of the manifest");
        let why = "`env` holds what the manifest declares and nothing else, so this is `undefined`";
        let found = finding("secret.undeclared", Severity::Warn, path, what, why, fix);
        Some(self.with(found, append(self.text, &lines)))
    }

    fn collection(&mut self, path: &str, name: &str, fields: &BTreeMap<String, bool>) -> Option<Finding> {
        let class = |personal: &bool| if *personal { "personal" } else { "internal" };
        let line =
            |(field, personal): (&String, &bool)| format!("fields.{field} = {{ class = \"{}\" }}", class(personal));
        let Some(known) = self.manifest.data.get(name) else {
            let plain = name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
            // The place that fills it says most: which fields a record has.
            if !plain || fields.is_empty() || !self.said.insert(format!("data {name}")) {
                return None;
            }
            let fields: Vec<String> = fields.iter().map(line).collect();
            let lines = format!("[data.{name}]\nretain = \"30d\"\n{}", fields.join("\n"));
            let fix = format!("add this to `{MANIFEST}`; give each field the class that it has:\n\n{lines}");
            let what = format!("the app keeps records in `{name}`, which the manifest does not declare");
            let why = "only declared collections are there, each with its classes and its time to live";
            let found = finding("data.undeclared", Severity::Warn, path, what, why, fix);
            return Some(self.with(found, append(self.text, &lines)));
        };
        let missing = |(field, _): &(&String, &bool)| {
            !known.fields.contains_key(*field) && !matches!(field.as_str(), "id" | "version")
        };
        let new: Vec<(&String, &bool)> = fields.iter().filter(missing).collect();
        let names: Vec<String> = new.iter().map(|(field, _)| format!("`{field}`")).collect();
        if new.is_empty() || !self.said.insert(format!("data {name} {names:?}")) {
            return None;
        }
        let lines: Vec<String> = new.into_iter().map(line).collect();
        let fix = format!("add `{}` to `[data.{name}]`", lines.join("` and `"));
        let what = format!("records of `{name}` would have {}, which the manifest does not declare", names.join(", "));
        let why = "a field that is not declared is refused when a record is kept";
        let found = finding("data.undeclared_field", Severity::Warn, path, what, why, fix);
        let at = self.end_of_line(known.line).filter(|_| self.heads(known.line, &format!("[data.{name}]")));
        let edit = at.map(|at| Edit::insert(MANIFEST, at, format!("\n{}", lines.join("\n"))));
        Some(match edit {
            Some(edit) => self.with(found, edit),
            None => found,
        })
    }

    fn call(&mut self, file: &str, asked: &Asked) -> Option<Finding> {
        let Asked::Call { secure, host, port, method, path } = asked else { return None };
        let default = if *secure { HTTPS_PORT } else { HTTP_PORT };
        let port = port.unwrap_or(default);
        let there = |connect: &&Connect| connect.host == *host && connect.port == port && connect.tls == *secure;
        let here: Vec<(&String, &Connect)> =
            self.manifest.connect.iter().filter(|(_, connect)| there(connect)).collect();
        let reaches =
            |connect: &Connect| connect.paths.iter().any(|known| known.as_str() == path || known.matches(path));
        let may = |connect: &Connect| connect.methods.iter().any(|known| known == method);
        let inside = host.ends_with(".bailiwick");
        if inside || here.iter().any(|(_, connect)| may(connect) && reaches(connect)) {
            return None;
        }
        if !self.said.insert(format!("call {method} {host}:{port}{path}")) {
            return None;
        }
        let shown = if port == default { host.clone() } else { format!("{host}:{port}") };
        let what = format!("the app calls `{method} {path}` at `{shown}`, which the manifest does not declare");
        let why = "nothing leaves an app but to the destinations that people agreed to, so this call is refused";
        if let Some((name, near)) = here.first() {
            let (key, value) = if may(near) { ("paths", path) } else { ("methods", method) };
            let fix = format!("add \"{value}\" to {key} of [connect.{name}]");
            let found = finding("egress.undeclared", Severity::Warn, file, what, why, fix);
            return Some(match self.one_more(near.line, key, value) {
                Some(edit) => self.with(found, edit),
                None => found,
            });
        }
        let tls = if *secure { "" } else { "tls = false\n" };
        let lines = format!(
            "[connect.{}]\nhost = \"{shown}\"\n{tls}methods = [\"{method}\"]\npaths = [\"{path}\"]\nwhy = \"{file} calls it\"",
            self.free_name(host)
        );
        let fix = format!("add this to `{MANIFEST}`, and say in `why` what for:\n\n{lines}");
        let found = finding("egress.undeclared", Severity::Warn, file, what, why, fix);
        Some(self.with(found, append(self.text, &lines)))
    }

    /// The finding with its edit, if the manifest can still be read with it.
    fn with(&self, found: Finding, edit: Edit) -> Finding {
        let after = model::edited(MANIFEST, self.text.as_bytes(), std::slice::from_ref(&edit));
        let readable = after.is_some_and(|after| match Manifest::reread(&after) {
            Ok(_) => true,
            // A class that is too low now is said, and mended, next.
            Err(findings) => findings
                .iter()
                .all(|finding| finding.severity < Severity::Block || finding.code == "manifest.class_too_low"),
        });
        Finding { edits: if readable { vec![edit] } else { Vec::new() }, ..found }
    }

    fn line_start(&self, line: u32) -> Option<usize> {
        let before = usize::try_from(line).ok()?.checked_sub(1)?;
        if before == 0 { Some(0) } else { self.text.match_indices('\n').nth(before - 1).map(|(at, _)| at + 1) }
    }

    fn end_of_line(&self, line: u32) -> Option<usize> {
        let start = self.line_start(line)?;
        Some(self.text.get(start..)?.find('\n').map_or(self.text.len(), |at| start + at))
    }

    fn heads(&self, line: u32, header: &str) -> bool {
        let text = self.line_start(line).and_then(|start| self.text.get(start..));
        text.is_some_and(|text| text.trim_start().starts_with(header))
    }

    /// One more item in the list under `key`, in the section whose header stands on that line.
    fn one_more(&self, line: u32, key: &str, value: &str) -> Option<Edit> {
        let mut at = self.end_of_line(line)? + 1;
        for text in self.text.get(at..)?.split_inclusive('\n') {
            if text.trim_start().starts_with('[') {
                return None;
            }
            if text.trim_start().starts_with(key) {
                let open = text.find('[')?;
                return Some(Edit::insert(MANIFEST, at + open + 1, format!("\"{value}\", ")));
            }
            at += text.len();
        }
        None
    }

    /// A name for the section: the host's own, not yet used.
    fn free_name(&self, host: &str) -> String {
        let label = host.rsplit('.').nth(1).unwrap_or(host);
        let plain = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
        let base: String = label.chars().skip_while(|c| !c.is_ascii_lowercase()).filter(plain).take(30).collect();
        let base = if base.is_empty() { "host".to_owned() } else { base };
        let free = |name: &String| !self.manifest.connect.contains_key(name);
        std::iter::once(base.clone()).chain((2..100).map(|n| format!("{base}-{n}"))).find(free).unwrap_or(base)
    }
}
