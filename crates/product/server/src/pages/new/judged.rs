//! What the gates say of files that nobody deployed yet: findings beside their lines, each with a button where a machine
//! can mend it; what the app would be able to do; its files, to look into and to change.
//!
//! The files come with the form that is sent. A credential is not shown again, to nobody.

use super::{MANIFEST, form::Sent, permitted::Permitted};
use crate::{
    Bailiwick,
    api::Named,
    page::{Trouble, html},
    pages::{
        app::Notice,
        parts::{Said, Tab},
        requests::{Item, Kept, Seen, seven},
        shell::{Here, Shell, Visit},
    },
    turns::Turn,
};
use askama::Template;
use authority::AppState;
use axum::{http::StatusCode, response::Response};
use bytes::Bytes;
use catalog::{AppView, Mending, Unpacked};
use model::{Env, Finding, Group, Manifest, Problem, ProblemKind, Tier};
use std::{collections::BTreeMap, sync::Arc};

/// Lines shown before and after the one that a finding is about.
const AROUND: u32 = 2;
/// Of each; what was put together by a machine has few line ends.
const LINE_CHARS: usize = 200;
/// A bundle of this size goes from one look to the next, so that the second click need not choose the folder again.
const CARRIED_MAX_BYTES: usize = 512 << 10;
/// A file that a person changes in a page; longer ones are changed where they were made.
const EDITED_MAX_BYTES: usize = 128 << 10;
/// Lines that an edit shows of what it writes.
const SHOWN_LINES: usize = 8;

/// Files that are on their way to a release.
#[derive(Debug)]
pub(in crate::pages) struct Draft {
    pub(in crate::pages) unpacked: Unpacked,
    /// The file that is open to be changed.
    pub(in crate::pages) open: String,
    /// What was just mended.
    pub(super) mended: Vec<Finding>,
    /// Of an app's own files, which they are.
    opened: Option<Opened>,
}

/// Files of a release that were opened to be changed.
#[derive(Debug)]
pub(super) struct Opened {
    /// Which these are, unless that goes without saying.
    pub(super) says: Option<Said>,
    /// The way to the others.
    pub(super) link: Option<Tab>,
}

impl Draft {
    pub(super) fn new(unpacked: Unpacked, open: &str) -> Self {
        Self { unpacked, open: open.to_owned(), mended: vec![], opened: None }
    }

    pub(super) fn opened(self, opened: Opened) -> Self {
        Self { opened: Some(opened), ..self }
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
    /// What is there under this name, and what going live does to it.
    there: Option<Said>,
    /// Which release's files these are.
    which: Option<Said>,
    /// The way to those of another.
    other: Option<Tab>,
    /// What was sent back before, with the words for whoever mends it.
    back: Option<Notice>,
    /// These very files serve now: there is nothing to deploy.
    same: bool,
    /// What the button says that deploys.
    does: String,
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
    try_it: bool,
    /// What stands for the archive in the form, when it is small enough to go from one look to the next.
    carried: Option<String>,
    files: Vec<Line>,
    open: Option<Open>,
    command: &'static str,
}

/// One file of the app.
struct Line {
    path: String,
    size: String,
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

/// The archive of the files, when it is small enough to go from one look to the next. Takes as long as they are large.
pub(in crate::pages) fn packed(unpacked: &Unpacked) -> Result<Option<Bytes>, Problem> {
    let archive = unpacked.pack()?;
    Ok((archive.len() <= CARRIED_MAX_BYTES).then_some(archive))
}

impl Bailiwick {
    async fn found(&self, visit: &Visit, turn: &Turn, unpacked: &Unpacked) -> Result<Vec<Finding>, Trouble> {
        let checked = self.checked(&visit.asked.caller, turn, unpacked.released()).await.map_err(Trouble)?;
        let mut findings = match checked {
            Ok(checked) => checked.findings().to_vec(),
            Err(document) => document.findings,
        };
        self.catalog.tell_waivers(&mut findings).await?;
        Ok(findings)
    }

    /// Takes one fix, or all that a machine can make.
    pub(super) async fn mend(&self, visit: &Visit, turn: &Turn, draft: &mut Draft, which: &str) -> Result<(), Trouble> {
        if self.permitted(visit, turn, &draft.unpacked).await?.refused.is_some() {
            // The page says so, and what is refused is not run.
            return Ok(());
        }
        if which == "all" {
            let mut mending = Mending::new(draft.unpacked.clone());
            loop {
                let (sandbox, now) = (Arc::clone(&self.sandbox), self.clock.now());
                let round = turn.run(async move { mending.round(&sandbox, now).await.map(|again| (mending, again)) });
                let (mended, again) = round.await.and_then(|round| round).map_err(Trouble)?;
                mending = mended;
                if !again || self.permitted(visit, turn, mending.unpacked()).await?.refused.is_some() {
                    break;
                }
            }
            let mended = mending.mended();
            (draft.unpacked, draft.mended) = (mended.unpacked, mended.applied);
            return Ok(());
        }
        let found = self.found(visit, turn, &draft.unpacked).await?;
        let named = found.into_iter().enumerate().find(|(at, finding)| fix_name(*at, finding) == which);
        let (_, finding) = named.ok_or_else(|| Trouble(gone()))?;
        draft.unpacked = draft.unpacked.edited(&finding.edits).map_err(Trouble)?;
        draft.mended = vec![finding];
        Ok(())
    }

    pub(super) async fn judged(&self, visit: &Visit, turn: &Turn, draft: Draft) -> Result<Response, Trouble> {
        let mut permitted = self.permitted(visit, turn, &draft.unpacked).await?;
        let waived = &mut permitted.named.waived;
        self.catalog.tell_waivers(waived).await?;
        let waived = std::mem::take(waived);
        let findings = match &permitted.refused {
            // Whoever may not deploy it has none of it run: the gates look at it once it may be.
            Some(refused) => vec![refused.clone()],
            None => [self.found(visit, turn, &draft.unpacked).await?, waived].concat(),
        };
        let shown = (draft.unpacked.clone(), findings.clone());
        let shown = turn.work(move || Ok((packed(&shown.0)?, with_sources(&shown.1, &shown.0))));
        let (archive, seen) = shown.await.and_then(|shown| shown).map_err(Trouble)?;
        let carried = archive.map(|archive| self.carry(&visit.viewer.id, archive));
        let mut page = self.judgement(visit, &draft, &permitted, &findings).await?;
        page.findings = seen;
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
        Permitted { named: Named { manifest, digest, .. }, refused }: &Permitted,
        findings: &[Finding],
    ) -> Result<Judged, Trouble> {
        let manifest = manifest.as_ref();
        let name = manifest.map_or_else(|| "your app".to_owned(), |manifest| manifest.app.name.clone());
        let blocks = findings.iter().any(Finding::blocks);
        let asks = manifest.is_some_and(|manifest| manifest.tier() != Tier::Low);
        let fixes = findings.iter().filter(|finding| !finding.edits.is_empty()).count();
        let own = |team: &Group| manifest.is_some_and(|manifest| manifest.app.team == *team);
        let known = self.catalog.find(&name).is_ok_and(|(_, team)| own(&team));
        let (there, back) =
            if known && refused.is_none() { self.there(visit, &name, digest).await? } else { (None, None) };
        let same = there.as_ref().is_some_and(|there| there.same);
        let serves = there.as_ref().and_then(|there| there.serves);
        let lead = match (blocks, asks) {
            _ if refused.is_some() => {
                "Mend what blocks, then check it again: its code is looked at once it may be deployed. Nothing was deployed."
            }
            _ if same => {
                "These are the files that serve now. Change one, then check it: nothing is live before you say so."
            }
            (true, _) if fixes > 0 => "Mend what blocks: a button does it where it can. Nothing was deployed.",
            (true, _) => "Mend what blocks, then check it again. Nothing was deployed.",
            (false, _) if fixes > 0 => {
                "It may go live, but not all of it would work: look at what the gates found. A button mends what it can."
            }
            (false, true) => "It passed every gate. It needs a person's yes before it serves.",
            (false, false) => "It passed every gate, and can serve at once.",
        };
        let items = match manifest.filter(|_| refused.is_none()) {
            Some(manifest) => self.items(manifest, &name, findings).await?,
            None => vec![],
        };
        Ok(Judged {
            shell: visit.viewer.shell(if known { Here::Apps } else { Here::New }),
            title: title(&name, draft, there.as_ref(), findings),
            known: known.then(|| name.clone()),
            which: draft.opened.as_ref().and_then(|opened| opened.says.clone()),
            other: draft.opened.as_ref().and_then(|opened| opened.link.clone()),
            back,
            same,
            does: match serves {
                _ if asks => "Ask for a yes".to_owned(),
                Some(release) => format!("Replace release {release}"),
                None => "Go live".to_owned(),
            },
            there: there.filter(|there| !there.same).and_then(|there| there.says),
            state: match (same, blocks) {
                (true, _) => "live",
                (false, true) => "block",
                (false, false) => "pass",
            },
            lead: lead.to_owned(),
            mended: draft.mended.iter().map(mended).collect(),
            may: manifest.map(may).unwrap_or_default(),
            reasons: manifest.map(reasons).unwrap_or_default(),
            items,
            findings: vec![],
            fixes,
            blocks,
            try_it: manifest.is_some(),
            carried: None,
            files: lines(draft),
            open: opened(draft),
            // What was made in the page has no folder.
            command: "bailiwick deploy FOLDER",
        })
    }

    /// The app that has the name already, and what of it was sent back.
    async fn there(&self, visit: &Visit, name: &str, digest: &str) -> Result<(Option<There>, Option<Notice>), Trouble> {
        let app = self.look_at(visit, name).await?.app;
        Ok((Some(There::of(&app, digest)), self.back(&app, self.clock.now()).await?))
    }

    /// What a reviewer will look at.
    async fn items(&self, manifest: &Manifest, name: &str, findings: &[Finding]) -> Result<Vec<Item>, Trouble> {
        let mut standings = self.vault.standings(manifest, Env::Prod).await?;
        let app = self.catalog.find(name).ok().map(|(app, _)| app);
        // Of what other apps have, a draft is told no more than that it has none.
        for id in self.others_secrets(manifest, app.as_ref()).await.map_err(Trouble)?.into_keys() {
            standings.remove(&id);
        }
        Ok(seven(self, manifest, &Kept { standings, others: BTreeMap::new() }, findings))
    }
}

fn title(name: &str, draft: &Draft, there: Option<&There>, findings: &[Finding]) -> String {
    if draft.opened.is_some() || there.is_some_and(|there| there.same) {
        format!("Change {name}")
    } else if findings.iter().any(Finding::blocks) {
        format!("{name} is not ready")
    } else if there.is_some_and(|there| there.serves.is_some()) {
        format!("This replaces {name}, which serves now")
    } else {
        format!("{name} is ready")
    }
}

fn may(manifest: &Manifest) -> Vec<Said> {
    manifest.sentences().iter().map(|line| Said::sentence(&line.text)).collect()
}

fn reasons(manifest: &Manifest) -> Vec<Said> {
    manifest.tier_reasons().into_iter().map(|reason| Said::new(reason.why)).collect()
}

/// An app that has the name already.
struct There {
    says: Option<Said>,
    serves: Option<u32>,
    same: bool,
}

impl There {
    fn of(app: &AppView, digest: &str) -> Self {
        let env = app.environments.iter().find(|env| env.env == Env::Prod);
        let live = env.filter(|env| env.state == AppState::Live);
        let serves = live.and_then(|env| env.release).map(|release| release.0);
        let (name, team) = (&app.app, &app.team);
        let says = match (serves, env.map(|env| env.state)) {
            (Some(release), _) => Some(format!(
                "`{name}` of `{team}` is live: release {release} serves now. These files take its place, with the records that it keeps; release {release} can serve again from the page of its releases."
            )),
            (None, Some(AppState::Revoked)) => Some(format!(
                "`{name}` of `{team}` is switched off. Nothing of it can be deployed until it is restored."
            )),
            (None, Some(_)) if env.is_some_and(|env| env.request.is_some()) => {
                Some(format!("A release of `{name}` of `{team}` waits for a yes already. These files take its place."))
            }
            (None, _) => Some(format!("`{name}` of `{team}` is there already. These files become its next release.")),
        };
        let same = live.is_some_and(|env| env.digest.as_deref() == Some(digest));
        Self { says: says.map(Said::new), serves, same }
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

/// As people tell sizes.
fn size(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        _ => format!("{} kB", bytes.div_ceil(1_000)),
    }
}

fn lines(draft: &Draft) -> Vec<Line> {
    let line = |(path, bytes): (&str, &Bytes)| Line {
        path: path.to_owned(),
        size: size(bytes.len()),
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

/// Findings with the lines that they are about, and what their buttons would write.
fn with_sources(findings: &[Finding], unpacked: &Unpacked) -> Vec<Seen> {
    let mut credentials = BTreeMap::new();
    let seen = |(at, finding): (usize, &Finding)| {
        let mut seen = with_button(at, finding);
        let (Some(file), Some(line)) = (finding.file.as_deref(), finding.line) else { return seen };
        // A credential is not shown again, to nobody.
        let shown = unpacked.get(file).filter(|_| !finding.code.starts_with("secret.found"));
        if let Some(bytes) = shown {
            let known = credentials.entry(file.to_owned()).or_insert_with(|| scan::credentials(bytes));
            seen.source = around(bytes, line, known);
        }
        seen
    };
    findings.iter().enumerate().map(seen).collect()
}

/// Some lines of a file, without the credentials that stand in it: none where these cannot be told.
fn around(bytes: &[u8], line: u32, known: &scan::Credentials) -> Vec<(u32, String, bool)> {
    let first = line.saturating_sub(AROUND).max(1);
    let mut start = 0;
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').zip(1_u32..).map(|(text, number)| {
        let at = start..start + text.trim_ascii_end().len().min(4 * LINE_CHARS);
        start += text.len();
        (at, number)
    });
    let shown = lines.skip(first as usize - 1).take((line + AROUND + 1 - first) as usize);
    let cut = |text: String| text.chars().take(LINE_CHARS).collect();
    shown.map_while(|(at, number)| Some((number, cut(known.part(bytes, at)?), number == line))).collect()
}

/// A finding, and what its button would write.
fn with_button(at: usize, finding: &Finding) -> Seen {
    let mut seen = Seen::new(finding);
    if finding.edits.is_empty() {
        return seen;
    }
    seen.fix_it = Some(fix_name(at, finding));
    // The lines that the words would end with stand below them.
    seen.fix = Said::sentence(finding.fix.split("\n\n").next().unwrap_or_default().trim_end_matches(':'));
    let written = finding.edits.iter().filter(|edit| !edit.text.trim().is_empty()).map(|edit| {
        let text: Vec<&str> = edit.text.trim().lines().take(SHOWN_LINES).collect();
        (edit.file.clone(), text.join("\n"))
    });
    seen.writes = written.collect();
    seen.writes.dedup();
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
