//! Which rules a person can take an exception from: the rules of policy, which an organisation made for itself, and what
//! a gate blocks although nothing could come of it but a fault of the app's own.
//!
//! Refuses all others, each with its reason: what could not run, what nobody could judge, and what a law would fall with.

use crate::Error;
use authority::Authority;
use model::{Problem, ProblemKind};

/// What gates block and a person may except. The worst that comes of each is said beside it.
const GATES: &[&str] = &[
    // A job fails each time that it is due, and the app's log says so.
    "job.no_handler",
];

/// What nobody can except: how its code begins, why, and what to do.
const NEVER: &[(&str, &str, &str)] = &[
    (
        "secret.",
        "code never holds a secret, and a waiver of one place could not be told from the next one: a real value would pass with it",
        "put the value into the vault and use its placeholder; what is no credential, write so that it does not look like one",
    ),
    (
        "manifest.",
        "all authority of an app is read from its manifest, and what is not understood cannot be judged or approved",
        "mend the manifest: the finding says how, and `bailiwick check --fix` does it where a machine can",
    ),
    (
        "bundle.",
        "what cannot be read whole cannot be searched, kept or run",
        "mend the files as the finding says, then deploy again",
    ),
    (
        "app.",
        "code that does not load, or asks for more than the sandbox has, cannot run within it",
        "mend the code as the finding says, then deploy again",
    ),
    ("profile.", "what runs elsewhere is not contained, whoever agrees to it", "use the profile `wasm` or `static`"),
    (
        "scan.",
        "files that nobody searched may hold anything",
        "tell your operator: the server must be mended, not the app",
    ),
];

/// Whether a gate, not policy, says it, and may be told to let it pass.
pub(super) fn is_gates(code: &str) -> bool {
    GATES.contains(&code)
}

/// Refuses what no person can except.
pub(super) fn judge(code: &str, authority: &Authority) -> Result<(), Error> {
    // It goes into the record as it is, and nothing that somebody thought up may stand there.
    if code.is_empty() || !code.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.')) {
        return Err(Error::Refused(no_code()));
    }
    if is_gates(code) {
        return Ok(());
    }
    if let Some((_, why, fix)) = NEVER.iter().find(|(begins, ..)| code.starts_with(begins)) {
        return Err(Error::Refused(never(code, why, fix)));
    }
    if authority.policy_names(code) { Ok(()) } else { Err(Error::Refused(unknown(code))) }
}

fn never(code: &str, why: &str, fix: &str) -> Problem {
    Problem::new(ProblemKind::Unprocessable, "waiver.never", format!("nobody can waive `{code}`"), why, fix)
}

fn no_code() -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "waiver.code",
        "that is not how a rule is called",
        "the code of a rule is small letters, digits, `_` and `.`",
        "take the code that the refusal says, as in `error[job.no_handler]`",
    )
}

fn unknown(code: &str) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "waiver.code",
        format!("`{code}` is no rule that can be waived"),
        "a waiver is of one rule: one that the policy in force refuses with, or one that a gate blocks with",
        "take the code that the refusal says, as in `error[job.no_handler]`; `bailiwick policy list` shows the policy",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use authority::Policy;
    use model::{ManualClock, Timestamp};
    use std::sync::Arc;

    #[test]
    fn what_could_break_a_law_or_not_run_is_nobodys_to_waive() {
        let policy = include_str!("../../../../../policies/limits.rego").to_owned();
        let policy = Policy::compile(&[("limits.rego".to_owned(), policy)]).unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_ms(0)));
        let authority = Authority::new(clock, Some(policy));
        let code = |code| judge(code, &authority).map_err(|error| Problem::from(&error).code);
        for may in ["job.no_handler", "policy.retention", "policy.broad_secret"] {
            assert_eq!(code(may), Ok(()), "{may}");
        }
        for never in
            ["secret.found", "manifest.syntax", "manifest.expires_late", "bundle.main", "app.import", "scan.broken"]
        {
            assert_eq!(code(never), Err("waiver.never".to_owned()), "{never}");
        }
        for none in [
            "policy.retentoin",
            "role.missing",
            "approval.own",
            "",
            "policy.retention\n",
            "secret. x",
            "policy.Retention",
            "policy.rétention",
        ] {
            assert_eq!(code(none), Err("waiver.code".to_owned()), "{none}");
        }
    }
}
