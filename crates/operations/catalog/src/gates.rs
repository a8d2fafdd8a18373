//! `Unpacked → Checked`: every gate, on the server and offline alike. Each yields findings; one that blocks stops it.

mod mend;
mod page;
mod policy;
mod undeclared;

pub use mend::{Mended, Mending};

use crate::{Unpacked, Waivers};
use bytes::Bytes;
use model::{Edit, Finding, Manifest, Problem, Severity, Tier, Timestamp, manifest::Profile};
use sandbox::{Image, Sandbox, Source};
use serde::Serialize;
use std::sync::Arc;

pub(crate) const MANIFEST: &str = "bailiwick.toml";
/// What the sandbox loads as modules.
const MODULE_ENDINGS: [&str; 5] = [".js", ".mjs", ".ts", ".mts", ".json"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    Block,
}

/// What `check` prints.
#[derive(Debug, Clone, Serialize)]
pub struct CheckDocument {
    pub verdict: Verdict,
    pub tier: Option<Tier>,
    pub findings: Vec<Finding>,
}

/// Files that passed every gate, with what the gates made of them.
#[derive(Debug, Clone)]
pub struct Checked {
    unpacked: Unpacked,
    manifest: Arc<Manifest>,
    image: Option<Image>,
    findings: Vec<Finding>,
}

impl Checked {
    #[must_use]
    pub const fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    #[must_use]
    pub const fn unpacked(&self) -> &Unpacked {
        &self.unpacked
    }

    /// What runs; none for static apps.
    #[must_use]
    pub const fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }

    /// Notes, warnings and what is waived; nothing that blocks.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    #[must_use]
    pub fn document(&self) -> CheckDocument {
        CheckDocument { verdict: Verdict::Pass, tier: Some(self.manifest.tier()), findings: self.findings.clone() }
    }

    /// The manifest as it was written.
    #[must_use]
    pub fn manifest_text(&self) -> Bytes {
        self.unpacked.get(MANIFEST).cloned().unwrap_or_default()
    }

    /// The static files, by the path under which they are served.
    pub fn assets(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        let folder = self.manifest.runtime.assets.as_deref().map(|folder| format!("{}/", folder.trim_end_matches('/')));
        self.unpacked.files().filter_map(move |(path, bytes)| {
            let under = path.strip_prefix(folder.as_deref()?)?;
            Some((under, bytes))
        })
    }
}

/// Runs every gate on the files, as of `now`. What a waiver of theirs holds off is found all the same, and marked.
///
/// # Errors
/// The document of all findings, when one of them blocks.
pub async fn check(
    unpacked: Unpacked,
    sandbox: &Arc<Sandbox>,
    waivers: &Waivers,
    now: Timestamp,
) -> Result<Checked, Box<CheckDocument>> {
    // Reading takes as long as the files are large: not on a thread that answers requests.
    let read = tokio::task::spawn_blocking(move || read(unpacked, now)).await;
    let Read { unpacked, manifest, mut findings } =
        read.unwrap_or_else(|_| Err(blocked(None, vec![refused(MANIFEST, &Problem::internal())])))?;
    let mut image = None;
    if !blocks(&findings) && manifest.runtime.profile == Profile::Wasm {
        match build(&manifest, &unpacked, sandbox).await {
            Ok((built, more)) => {
                image = Some(built);
                findings.extend(more);
            }
            Err(finding) => findings.push(*finding),
        }
    }
    waivers.mark(&mut findings, &manifest, now);
    if blocks(&findings) {
        return Err(blocked(Some(manifest.tier()), findings));
    }
    Ok(Checked { unpacked, manifest: Arc::new(manifest), image, findings })
}

/// Files whose manifest can be read, with what the gates see that run nothing.
struct Read {
    unpacked: Unpacked,
    manifest: Manifest,
    findings: Vec<Finding>,
}

fn read(unpacked: Unpacked, now: Timestamp) -> Result<Read, Box<CheckDocument>> {
    let today = now.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut findings = scan::scan_files(unpacked.files().map(|(path, bytes)| (path, &bytes[..])));
    let parsed = match unpacked.get(MANIFEST) {
        Some(text) => Manifest::parse(text, today),
        None => Err(vec![no_manifest()]),
    };
    let manifest = match parsed {
        Ok(parsed) => {
            findings.extend(hidden(&unpacked, parsed.warnings));
            parsed.manifest
        }
        Err(more) => {
            findings.splice(0..0, hidden(&unpacked, more));
            return Err(blocked(None, findings));
        }
    };
    findings.extend(missing_files(&manifest, &unpacked));
    match page::instead_of_code(&manifest, &unpacked) {
        Some(finding) => findings.push(finding),
        None => findings.extend(undeclared::look(&manifest, &unpacked)),
    }
    undeclared::declare_secrets(&mut findings, &manifest, &unpacked);
    Ok(Read { unpacked, manifest, findings })
}

fn blocks(findings: &[Finding]) -> bool {
    findings.iter().any(Finding::blocks)
}

/// Messages quote what the builder wrote, and a credential may stand where an id should.
fn hidden(unpacked: &Unpacked, mut findings: Vec<Finding>) -> Vec<Finding> {
    let credentials = scan::credentials(unpacked.get(MANIFEST).map(|text| &text[..]).unwrap_or_default());
    for finding in &mut findings {
        // What a machine would write is kept whole, or not at all.
        finding.edits.retain(|edit| credentials.hide(&edit.text) == edit.text);
        for part in [&mut finding.what, &mut finding.why, &mut finding.fix] {
            *part = credentials.hide(part);
        }
    }
    findings
}

fn blocked(tier: Option<Tier>, findings: Vec<Finding>) -> Box<CheckDocument> {
    Box::new(CheckDocument { verdict: Verdict::Block, tier, findings })
}

pub(crate) async fn build(
    manifest: &Manifest,
    unpacked: &Unpacked,
    sandbox: &Arc<Sandbox>,
) -> Result<(Image, Vec<Finding>), Box<Finding>> {
    let main = &manifest.runtime.main;
    let prepared = if main.ends_with(".wasm") {
        sandbox.prepare_component(unpacked.get(main).map(|bytes| bytes.to_vec()).unwrap_or_default()).await
    } else {
        let source = Source {
            main: main.clone(),
            files: modules(manifest, unpacked).map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect(),
            collections: manifest.data.keys().cloned().collect(),
            secrets: manifest.secrets.keys().cloned().collect(),
        };
        sandbox.prepare(source).await
    };
    match prepared {
        Ok(prepared) => {
            let mut findings: Vec<Finding> = prepared.warnings.iter().map(|text| warning(main, text)).collect();
            if !manifest.jobs.is_empty() && !prepared.handlers.iter().any(|handler| handler == "scheduled") {
                findings.push(no_scheduled(main, unpacked));
            }
            Ok((prepared.image, findings))
        }
        Err(sandbox::Error::Refused(problem)) => Err(Box::new(refused(main, &problem))),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the gate `build` failed");
            Err(Box::new(refused(main, &Problem::internal())))
        }
    }
}

/// Code that can be imported: what lies outside the assets' folder.
fn modules<'u>(manifest: &Manifest, unpacked: &'u Unpacked) -> impl Iterator<Item = (&'u str, &'u [u8])> {
    let assets = manifest.runtime.assets.as_deref().map(|folder| format!("{}/", folder.trim_end_matches('/')));
    unpacked
        .files()
        .filter(|(path, _)| MODULE_ENDINGS.iter().any(|ending| path.ends_with(ending)) && !path.ends_with(".d.ts"))
        .filter(move |(path, _)| assets.as_ref().is_none_or(|assets| !path.starts_with(assets.as_str())))
        .map(|(path, bytes)| (path, &bytes[..]))
}

fn finding(code: &str, severity: Severity, file: &str, what: String, why: &str, fix: String) -> Finding {
    Finding {
        code: code.to_owned(),
        severity,
        file: Some(file.to_owned()),
        line: None,
        column: None,
        what,
        why: why.to_owned(),
        fix,
        edits: Vec::new(),
        waiver: None,
    }
}

fn no_manifest() -> Finding {
    finding(
        "manifest.missing",
        Severity::Block,
        MANIFEST,
        format!("there is no `{MANIFEST}` in the folder"),
        "every line of authority that an app has is in its manifest",
        "begin with `bailiwick new NAME`, which writes one".to_owned(),
    )
}

fn missing_files(manifest: &Manifest, unpacked: &Unpacked) -> Vec<Finding> {
    let mut findings = Vec::new();
    let main = &manifest.runtime.main;
    if manifest.runtime.profile == Profile::Wasm && unpacked.get(main).is_none() {
        let fix = format!("add the file, or name another as `main` in `{MANIFEST}`");
        let what = format!("the file `{main}` is not in the folder");
        findings.push(finding("bundle.main", Severity::Block, main, what, "`main` is where the app begins", fix));
    }
    if manifest.runtime.profile == Profile::External {
        findings.push(finding(
            "profile.external",
            Severity::Block,
            MANIFEST,
            "the profile `external` is not available yet".to_owned(),
            "apps that run elsewhere come with a later version",
            "use the profile `wasm` or `static`".to_owned(),
        ));
    }
    if let Some(folder) = &manifest.runtime.assets {
        let under = format!("{}/", folder.trim_end_matches('/'));
        if !unpacked.files().any(|(path, _)| path.starts_with(&under)) {
            let fix = format!("add files to `{folder}`, or remove `assets` from `{MANIFEST}`");
            let what = format!("the folder `{folder}` of static files is empty or not there");
            findings.push(finding(
                "bundle.assets",
                Severity::Warn,
                folder,
                what,
                "nothing would be served from it",
                fix,
            ));
        }
    }
    findings
}

fn warning(main: &str, text: &str) -> Finding {
    finding(
        "code.warning",
        Severity::Warn,
        main,
        text.to_owned(),
        "module-level code runs once, when the app is deployed, and never again",
        "move it into the handler if it should happen in each request".to_owned(),
    )
}

fn no_scheduled(main: &str, unpacked: &Unpacked) -> Finding {
    const EXPORTS: &str = "export default {";
    let source = unpacked.get(main).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
    let at = source.find(EXPORTS).map(|at| at + EXPORTS.len());
    let handler = "\n  async scheduled(event, env, ctx) {\n    console.log(event.name);\n  },";
    let found = finding(
        "job.no_handler",
        Severity::Block,
        main,
        "the manifest has jobs, but the app has no `scheduled` handler".to_owned(),
        "a job calls `scheduled(event, env, ctx)` of the app's main module",
        "add `async scheduled(event, env, ctx) {}` beside `fetch`, or remove `[jobs]`".to_owned(),
    );
    Finding { edits: at.map(|at| Edit::insert(main, at, handler)).into_iter().collect(), ..found }
}

fn refused(main: &str, problem: &model::Problem) -> Finding {
    let at = problem.at.as_deref().unwrap_or(main);
    let mut parts = at.splitn(3, ':');
    let file = parts.next().unwrap_or(main).to_owned();
    Finding {
        code: problem.code.clone(),
        severity: Severity::Block,
        file: Some(file),
        line: parts.next().and_then(|line| line.parse().ok()),
        column: parts.next().and_then(|column| column.parse().ok()),
        what: problem.what.clone(),
        why: problem.why.clone(),
        fix: problem.fix.clone(),
        edits: Vec::new(),
        waiver: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::time::{ClockId, clock_gettime};
    use std::time::Duration;

    const APP: &str = "[app]\nname = \"poll\"\nteam = \"people-ops\"\npurpose = \"Stands in\"\nexpires = \"1970-02-01\"\nclass = \"internal\"\n[runtime]\nprofile = \"wasm\"\nmain = \"app.js\"\n[access]\nuse = [\"everyone\"]\n";

    /// What this thread works while it reads files that block, and what it finds.
    fn reads(manifest: &str, code: &str) -> (Duration, Vec<Finding>) {
        let worked = || {
            let time = clock_gettime(ClockId::ThreadCPUTime);
            Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
        };
        let files = [("bailiwick.toml", format!("{APP}{manifest}")), ("lib/a.js", code.to_owned())];
        let unpacked = Unpacked::of(files.map(|(path, text)| (path.to_owned(), text.into()))).unwrap();
        let before = worked();
        let read = read(unpacked, Timestamp::from_ms(0));
        let took = worked() - before;
        (took, read.map_or_else(|document| document.findings, |read| read.findings))
    }

    /// Four times as much to read takes about four times the work. What looks at everything again for each thing takes
    /// sixteen times.
    #[test]
    fn hostile_files_take_work_that_grows_with_them() {
        let numbered = |piece: &str, many: usize| -> String {
            (0..many).map(|number| piece.replace('#', &number.to_string())).collect()
        };
        for (what, remarks, code) in [
            ("names", "# no more than a remark\n", "env.KEY_#;\n"),
            ("records", "\n", "env.data.x#.insert({ a: [ "),
            ("calls", "# no more than a remark\n", "fetch('https://a#.example/');\n"),
            ("keys", "key# = 1\n", "env.KEY;\n"),
            ("credentials", "a# = \"ghp_aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG#\"\n", "env.KEY;\n"),
        ] {
            let took = |many: usize| {
                let (took, found) = reads(&numbered(remarks, many), &numbered(code, 8 * many));
                assert!(found.len() < 250, "{what}: {}", found.len());
                took
            };
            // The least of some turns: the first one warms up.
            let least = |(one, four): (Duration, Duration), _| (one.min(took(300)), four.min(took(1_200)));
            let (one, four) = (0..4).fold((Duration::MAX, Duration::MAX), least);
            assert!(four < one * 9, "{what}: {one:?}, then {four:?}");
        }
    }

    #[test]
    fn the_list_of_what_is_not_declared_ends() {
        let many: String = (0..500).map(|number| format!("env.KEY_{number};\n")).collect();
        let (_, found) = reads("", &many);
        let undeclared = found.iter().filter(|finding| finding.code == "secret.undeclared").count();
        let last = found.iter().rfind(|finding| finding.code == "code.more").unwrap();
        assert_eq!((undeclared, last.severity, last.file.as_deref()), (50, Severity::Note, Some("lib/a.js")));
    }
}
