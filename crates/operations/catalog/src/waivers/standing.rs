//! What stands, and for whom: waivers in memory, what they make of findings and of refusals, and what a yes was told of.

use super::{rules, sql};
use crate::{Catalog, Error, gates::MANIFEST};
use authority::{HeldOff, Waiver};
use model::{Finding, Group, Manifest, PersonId, Severity, Timestamp, Waived, WaiverId, WaiverState};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
};
use store::{Row, params};

/// One waiver, as lists show it.
#[derive(Debug, Clone, Serialize)]
pub struct WaiverView {
    pub id: WaiverId,
    pub app: String,
    pub team: Group,
    pub code: String,
    pub state: WaiverState,
    pub until: Timestamp,
    /// Who agreed: `person:ID`, `machine:USER`.
    pub by: String,
    /// The same as people know them.
    pub user: String,
    /// `break-glass`, when nobody but the local credential agreed. Shown for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    /// What whoever agreed has from who deploys the app: `account`, `role`, `link`. Shown for ever.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependence: Vec<String>,
    /// Filled in by `Catalog::worded`; none when whoever said it was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    pub granted_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl WaiverView {
    /// It holds before this moment.
    fn over_at(&self) -> Timestamp {
        self.ended_at.map_or(self.until, |ended| ended.min(self.until))
    }

    pub(super) fn state_at(&self, now: Timestamp) -> WaiverState {
        match self.ended_at {
            Some(_) => WaiverState::Ended,
            None if now < self.until => WaiverState::Active,
            None => WaiverState::Lapsed,
        }
    }

    pub(super) fn known(&self) -> Waiver {
        Waiver { id: self.id.clone(), code: self.code.clone(), by: self.by.clone(), until: self.over_at() }
    }

    pub(super) fn on_finding(&self, now: Timestamp) -> Waived {
        Waived {
            id: self.id.clone(),
            state: self.state_at(now),
            by: self.by.clone(),
            user: None,
            why: None,
            until: self.over_at(),
        }
    }
}

/// Every waiver in memory, newest first; replaced as a whole.
#[derive(Debug, Default)]
pub(crate) struct InMemory(RwLock<Arc<[WaiverView]>>);

/// The waivers that count for whoever sends files, sent them, or would have them serve again: all but those that one of
/// these agreed to. Offline there are none.
#[derive(Debug, Clone, Default)]
pub struct Waivers {
    all: Arc<[WaiverView]>,
    /// Who agreed for themself: `person:ID`.
    own: BTreeSet<String>,
}

impl Waivers {
    /// The newest of a rule: there is one that holds at most.
    pub(super) fn newest(&self, app: &str, team: &Group, code: &str) -> Option<&WaiverView> {
        self.of(app, team).find(|waiver| waiver.code == code)
    }

    fn of(&self, app: &str, team: &Group) -> impl Iterator<Item = &WaiverView> {
        self.all.iter().filter(move |known| known.app == app && known.team == *team && !self.own.contains(&known.by))
    }

    /// As authority hears of them.
    pub(crate) fn for_policy(&self, app: &str, team: &Group) -> Arc<[Waiver]> {
        let mut said = BTreeSet::new();
        self.of(app, team).filter(|waiver| said.insert(&waiver.code)).map(WaiverView::known).collect()
    }

    /// Marks what is waived, or was: what holds lets the finding pass, and is shown with it.
    pub(crate) fn mark(&self, findings: &mut [Finding], manifest: &Manifest, now: Timestamp) {
        let app = &manifest.app;
        let blocking = |finding: &&mut Finding| finding.severity == Severity::Block && rules::is_gates(&finding.code);
        for finding in findings.iter_mut().filter(blocking) {
            finding.waiver = self.newest(&app.name, &app.team, &finding.code).map(|waiver| waiver.on_finding(now));
        }
    }
}

/// The waivers that a release goes live by: a yes is to these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Exceptions(pub(super) BTreeSet<WaiverId>);

impl Exceptions {
    /// From a row; one of before there were any has none.
    pub(crate) fn read(text: Option<&str>) -> Result<Self, Error> {
        text.map_or_else(|| Ok(Self::default()), |text| serde_json::from_str(text).map_err(|_| Error::Manifest))
    }

    pub(crate) fn write(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|_| Error::Manifest)
    }

    /// Whether a yes that was told of these covers what is needed now.
    pub(crate) fn cover(&self, needed: &Self) -> bool {
        needed.0.is_subset(&self.0)
    }

    /// With those that another release needs.
    pub(crate) fn extend(&mut self, others: &Self) {
        self.0.extend(others.0.iter().cloned());
    }

    pub(crate) fn of(findings: &[Finding]) -> Self {
        Self(findings.iter().filter_map(|finding| finding.waiver.as_ref()).map(|waiver| waiver.id.clone()).collect())
    }
}

/// What policy refused and a waiver held off, as findings of a gate.
#[must_use]
pub fn held_off(held_off: &[HeldOff]) -> Vec<Finding> {
    let finding = |HeldOff { waiver, why, fix }: &HeldOff| Finding {
        code: waiver.code.clone(),
        severity: Severity::Block,
        file: Some(MANIFEST.to_owned()),
        line: None,
        column: None,
        what: why.clone(),
        why: "a rule of your organisation's policy refuses it".to_owned(),
        fix: fix.clone(),
        edits: Vec::new(),
        waiver: Some(Waived {
            id: waiver.id.clone(),
            state: WaiverState::Active,
            by: waiver.by.clone(),
            user: None,
            why: None,
            until: waiver.until,
        }),
    };
    held_off.iter().map(finding).collect()
}

impl Catalog {
    /// Those that count for what these people bring to life; for nobody's but the local credential's, all.
    #[must_use]
    pub fn waivers_for<'p>(&self, people: impl IntoIterator<Item = &'p PersonId>) -> Waivers {
        let own = people.into_iter().map(|person| format!("person:{person}")).collect();
        Waivers { all: self.known_waivers(), own }
    }

    pub(super) fn known_waivers(&self) -> Arc<[WaiverView]> {
        Arc::clone(&self.waivers.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads all waivers into memory: at start, and when the feed names them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn load_waivers(&self) -> Result<(), Error> {
        let _reading = self.apps.reading().await;
        let rows = self.store.read(sql::ALL, params![&self.tenant]).await?;
        let read: Arc<[WaiverView]> = rows.iter().map(view).collect::<Result<_, _>>()?;
        *self.waivers.0.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }
}

fn view(row: &Row) -> Result<WaiverView, Error> {
    Ok(WaiverView {
        id: WaiverId::new(row.text(0)?),
        app: row.text(1)?.to_owned(),
        team: Group::new(row.text(2)?),
        code: row.text(3)?.to_owned(),
        state: WaiverState::Active,
        until: row.time(4)?,
        by: row.text(5)?.to_owned(),
        user: String::new(),
        exception: row.opt_text(6)?.map(str::to_owned),
        dependence: serde_json::from_str(row.text(7)?).map_err(|_| Error::Manifest)?,
        why: None,
        granted_at: row.time(8)?,
        ended_by: row.opt_text(9)?.map(str::to_owned),
        ended_at: row.opt_time(10)?,
    })
}
