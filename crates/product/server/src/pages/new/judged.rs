//! What the gates say of files that nobody deployed yet: findings beside their lines, each with a button where a machine
//! can mend it; what the app would be able to do; its files, to look into and to change.
//!
//! The files travel in the form, so nothing is kept between two looks. A credential is not shown again, to nobody.

use super::{MANIFEST, form::Sent};
use crate::{
    Bailiwick,
    page::{Trouble, html},
    pages::{
        parts::{Said, quoted},
        requests::{Item, Seen, seven},
        shell::{Here, Shell, Visit},
    },
};
use askama::Template;
use axum::{http::StatusCode, response::Response};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use catalog::{Mending, Unpacked};
use model::{Env, Finding, Manifest, Problem, ProblemKind, Severity, Tier};

/// Lines shown before and after the one that a finding is about.
const AROUND: u32 = 2;
/// A bundle of this size comes back in the page, so that the second click need not choose the folder again.
const CARRIED_MAX_BYTES: usize = 512 << 10;
/// A file that a person changes in a page; longer ones are changed where they were made.
const EDITED_MAX_BYTES: usize = 128 << 10;
/// Lines that an edit shows of what it writes.
const SHOWN_LINES: usize = 8;

/// Files that are on their way to a release.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) unpacked: Unpacked,
    /// The file that is open to be changed.
    pub(super) open: String,
    /// What was just mended.
    pub(super) mended: Vec<Finding>,
}

impl Draft {
    pub(super) fn new(unpacked: Unpacked, open: &str) -> Self {
        Self { unpacked, open: open.to_owned(), mended: vec![] }
    }

    /// The files as they are after what was changed in the page.
    ///
    /// # Errors
    /// A file that an app may not hold.
    pub(super) fn of(unpacked: Unpacked, sent: &Sent) -> Result<Self, Problem> {
        let (path, open) = (sent.field("path"), sent.field("open"));
        let open = if open.is_empty() { path.clone() } else { open };
        // A form sends lines as mail does (WHATWG HTML, form submission); a file has them as it had.
        let text = sent.field("text").replace("\r\n", "\n");
        let unpacked = if path.is_empty() { unpacked } else { unpacked.with(&path, text.into_bytes().into())? };
        Ok(Self::new(unpacked, &open))
    }
}

#[derive(Template)]
#[template(path = "judged.html")]
struct Judged {
    shell: Shell,
    title: String,
    /// Whether the app is in the catalog already.
    known: Option<String>,
    state: &'static str,
    lead: String,
    mended: Vec<Said>,
    may: Vec<Said>,
    reasons: Vec<Said>,
    items: Vec<Item>,
    findings: Vec<Seen>,
    /// How many of them a button mends.
    fixes: usize,
    blocks: bool,
    asks: bool,
    try_it: bool,
    /// The archive, when it is small enough to travel in the page.
    carried: Option<String>,
    files: Vec<Line>,
    open: Option<Open>,
    command: String,
}

/// One file of the app.
struct Line {
    path: String,
    size: usize,
    /// Whether it can be changed here.
    text: bool,
    here: bool,
}

/// A file in a field.
struct Open {
    path: String,
    text: String,
    rows: usize,
}

impl Bailiwick {
    /// Whoever may not deploy this has none of it run: module code runs in the gates.
    async fn may_judge(&self, visit: &Visit, unpacked: &Unpacked) -> Result<Option<Manifest>, Trouble> {
        let manifest = unpacked.manifest(self.clock.now());
        if let Some(manifest) = &manifest {
            let act = self.catalog.plan(manifest, &unpacked.digest().to_string(), Env::Prod)?;
            let _may = self.allowed(&visit.asked, act).await?;
        }
        Ok(manifest)
    }

    async fn found(&self, unpacked: &Unpacked) -> Vec<Finding> {
        match catalog::check(unpacked.released(), &self.sandbox, self.clock.now()).await {
            Ok(checked) => checked.findings().to_vec(),
            Err(document) => document.findings,
        }
    }

    /// Takes one fix, or all that a machine can make.
    pub(super) async fn mend(&self, visit: &Visit, draft: &mut Draft, which: &str) -> Result<(), Trouble> {
        self.may_judge(visit, &draft.unpacked).await?;
        if which == "all" {
            let mut mending = Mending::new(draft.unpacked.clone());
            while mending.round(&self.sandbox, self.clock.now()).await.map_err(Trouble)? {
                self.may_judge(visit, mending.unpacked()).await?;
            }
            let mended = mending.mended();
            (draft.unpacked, draft.mended) = (mended.unpacked, mended.applied);
            return Ok(());
        }
        let found = self.found(&draft.unpacked).await;
        let named = found.into_iter().enumerate().find(|(at, finding)| fix_name(*at, finding) == which);
        let (_, finding) = named.ok_or_else(|| Trouble(gone()))?;
        draft.unpacked = draft.unpacked.edited(&finding.edits).map_err(Trouble)?;
        draft.mended = vec![finding];
        Ok(())
    }

    pub(super) async fn judged(&self, visit: &Visit, draft: Draft) -> Result<Response, Trouble> {
        let manifest = self.may_judge(visit, &draft.unpacked).await?;
        let archive = draft.unpacked.pack().map_err(Trouble)?;
        let carried = (archive.len() <= CARRIED_MAX_BYTES).then(|| BASE64_STANDARD.encode(&archive));
        let findings = self.found(&draft.unpacked).await;
        let mut page = self.judgement(visit, &draft, manifest.as_ref(), &findings).await?;
        if carried.is_none() {
            // Without the files in the page there is nothing that a button could change.
            page.open = None;
            page.fixes = 0;
            page.findings.iter_mut().for_each(|finding| finding.fix_it = None);
        }
        Ok(html(StatusCode::OK, &Judged { carried, ..page }))
    }

    async fn judgement(
        &self,
        visit: &Visit,
        draft: &Draft,
        manifest: Option<&Manifest>,
        findings: &[Finding],
    ) -> Result<Judged, Trouble> {
        let name = manifest.map_or_else(|| "your app".to_owned(), |manifest| manifest.app.name.clone());
        let blocks = findings.iter().any(|finding| finding.severity == Severity::Block);
        let asks = manifest.is_some_and(|manifest| manifest.tier() != Tier::Low);
        let fixes = findings.iter().filter(|finding| !finding.edits.is_empty()).count();
        let lead = match (blocks, asks) {
            (true, _) if fixes > 0 => "Mend what blocks: a button does it where it can. Nothing was deployed.",
            (true, _) => "Mend what blocks, then check it again. Nothing was deployed.",
            (false, true) => "It passed every gate. It needs a person's yes before it serves.",
            (false, false) => "It passed every gate, and can serve at once.",
        };
        let items = match manifest {
            Some(manifest) => {
                let versions = self.catalog.secrets_of(manifest, Env::Prod).await?;
                let found: Vec<_> = findings.iter().map(|finding| (finding.code.as_str(), finding.severity)).collect();
                seven(self, manifest, &versions, &found)
            }
            None => vec![],
        };
        Ok(Judged {
            shell: visit.viewer.shell(Here::New),
            title: if blocks { format!("{name} is not ready") } else { format!("{name} is ready") },
            known: self.catalog.find(&name).is_ok().then(|| name.clone()),
            state: if blocks { "block" } else { "pass" },
            lead: lead.to_owned(),
            mended: draft.mended.iter().map(mended).collect(),
            may: manifest
                .map(|manifest| manifest.sentences().iter().map(|line| Said::sentence(&line.text)).collect())
                .unwrap_or_default(),
            reasons: manifest
                .map(|manifest| manifest.tier_reasons().into_iter().map(|reason| Said::new(reason.why)).collect())
                .unwrap_or_default(),
            items,
            findings: findings.iter().enumerate().map(|(at, found)| with_source(at, found, &draft.unpacked)).collect(),
            fixes,
            blocks,
            asks,
            try_it: manifest.is_some(),
            carried: None,
            files: lines(draft),
            open: opened(draft),
            command: format!("bailiwick deploy {}", quoted(&name)),
        })
    }
}

/// What a button sends: which finding, and of which kind it was when the page was made.
fn fix_name(at: usize, finding: &Finding) -> String {
    format!("{at}.{}", finding.code)
}

fn mended(finding: &Finding) -> Said {
    let place = match (&finding.file, finding.line) {
        (Some(file), Some(line)) => format!("`{file}:{line}`: "),
        (Some(file), None) => format!("`{file}`: "),
        (None, _) => String::new(),
    };
    Said::new(format!("{place}{}", finding.what))
}

fn is_text(bytes: &[u8]) -> bool {
    bytes.len() <= EDITED_MAX_BYTES && std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'))
}

fn lines(draft: &Draft) -> Vec<Line> {
    let line = |(path, bytes): (&str, &bytes::Bytes)| Line {
        path: path.to_owned(),
        size: bytes.len(),
        text: is_text(bytes),
        here: path == draft.open,
    };
    draft.unpacked.files().map(line).collect()
}

fn opened(draft: &Draft) -> Option<Open> {
    let bytes = draft.unpacked.get(&draft.open).filter(|bytes| is_text(bytes))?;
    let text = std::str::from_utf8(bytes).ok()?.to_owned();
    let rows = text.lines().count().clamp(12, 32);
    Some(Open { path: draft.open.clone(), text, rows })
}

/// A finding with the lines that it is about, and what its button would write.
fn with_source(at: usize, finding: &Finding, unpacked: &Unpacked) -> Seen {
    let mut seen = Seen::new(finding);
    if !finding.edits.is_empty() {
        seen.fix_it = Some(fix_name(at, finding));
        // The lines that the words would end with stand below them.
        seen.fix = Said::sentence(finding.fix.split("\n\n").next().unwrap_or_default().trim_end_matches(':'));
        seen.writes = finding
            .edits
            .iter()
            .filter(|edit| !edit.text.trim().is_empty())
            .map(|edit| {
                let text: Vec<&str> = edit.text.trim().lines().take(SHOWN_LINES).collect();
                (edit.file.clone(), text.join("\n"))
            })
            .collect();
        seen.writes.dedup();
    }
    let bytes = finding.file.as_deref().and_then(|file| unpacked.get(file));
    let (Some(bytes), Some(line)) = (bytes, finding.line) else { return seen };
    // A credential is not shown again, to nobody.
    if finding.code.starts_with("secret.found") {
        return seen;
    }
    let text = scan::hide(bytes, &String::from_utf8_lossy(bytes));
    let first = line.saturating_sub(AROUND).max(1);
    let around = text.lines().zip(1_u32..).skip(first as usize - 1).take((line + AROUND + 1 - first) as usize);
    seen.source = around.map(|(text, number)| (number, text.chars().take(200).collect(), number == line)).collect();
    seen
}

fn gone() -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "fix.gone",
        "that finding is not there any more",
        format!("the files, or `{MANIFEST}`, are not what they were when the page was made"),
        "check them again, and take the fix that is offered then",
    )
}
