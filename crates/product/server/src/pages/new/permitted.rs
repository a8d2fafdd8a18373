//! Whether files may be deployed as they are by whoever looks at them. What policy refuses of them, and a name that is
//! taken, is a finding beside them, so that they can be mended where they are; every other refusal is a page of its own.
//!
//! It gives nothing: deploying asks its permit as ever.

use super::MANIFEST;
use crate::{Bailiwick, api::Named, page::Trouble, pages::shell::Visit, turns::Turn};
use authority::{Denied, rules};
use catalog::{Error, Unpacked};
use model::{Env, Finding, Group, Problem, Severity};

/// What plan says of a name that these files cannot have.
const TAKEN: [&str; 2] = ["app.team", "app.retired"];

/// Files by their manifest, and what keeps them from being deployed, where they can be mended.
pub(super) struct Permitted {
    pub(super) named: Named,
    pub(super) refused: Option<Finding>,
}

impl Bailiwick {
    pub(super) async fn permitted(
        &self,
        visit: &Visit,
        turn: &Turn,
        unpacked: &Unpacked,
    ) -> Result<Permitted, Trouble> {
        let error = match self.may_deploy(&visit.asked.caller, turn, unpacked, Env::Prod).await {
            Ok(named) => return Ok(Permitted { named, refused: None }),
            Err(error) => error,
        };
        let (files, now) = (unpacked.clone(), self.clock.now());
        let named = move || (files.manifest(now), files.digest().to_string());
        let (manifest, digest) = turn.work(named).await.map_err(Trouble)?;
        let team = manifest.as_ref().map(|manifest| &manifest.app.team);
        let Some(refused) = self.to_mend(visit, team, &error) else { return Err(error.into()) };
        Ok(Permitted { named: Named { manifest, digest, waived: vec![] }, refused: Some(refused) })
    }

    /// The refusal as a finding, if the files can be mended of it.
    pub(super) fn to_mend(&self, visit: &Visit, team: Option<&Group>, error: &Error) -> Option<Finding> {
        match error {
            // Whoever the table of acts refuses is told no more than that.
            Error::Denied(denied) if visit.viewer.may(&rules::APP_DEPLOY, team) => {
                self.authority.policy_names(&denied.code).then(|| by_policy(denied))
            }
            Error::Refused(problem) if TAKEN.contains(&problem.code.as_str()) => Some(taken(problem)),
            Error::Denied(_) | Error::Refused(_) | Error::Store(_) | Error::Surface(_) | Error::Manifest => None,
        }
    }
}

fn by_policy(Denied { code, why, fix, .. }: &Denied) -> Finding {
    let fix = format!(
        "{fix}; where there is a good reason to break this rule, a reviewer or an operator can agree to a waiver of `{code}` for this app, until a day"
    );
    blocking(code, why, "a rule of your organisation's policy refuses it", &fix)
}

fn taken(Problem { code, what, why, fix, .. }: &Problem) -> Finding {
    blocking(code, what, why, fix)
}

fn blocking(code: &str, what: &str, why: &str, fix: &str) -> Finding {
    Finding {
        code: code.to_owned(),
        severity: Severity::Block,
        file: Some(MANIFEST.to_owned()),
        line: None,
        column: None,
        what: what.to_owned(),
        why: why.to_owned(),
        fix: fix.to_owned(),
        edits: vec![],
        waiver: None,
    }
}
