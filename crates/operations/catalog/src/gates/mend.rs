//! Mends what a machine can: takes the edits that findings carry, checks again, until none is left that helps.
//!
//! Nothing is guessed here: each edit comes from the gate that found the fault, and every gate judges the result.

use super::check;
use crate::Unpacked;
use model::{Edit, Finding, Problem, Timestamp};
use sandbox::Sandbox;
use std::sync::Arc;

/// One mended fault can show another, as a section that was added needs its keys; more rounds than this go in circles.
const ROUNDS_MAX: usize = 12;

/// Files after the fixes, and the findings that were fixed, in their order.
#[derive(Debug, Clone)]
pub struct Mended {
    pub unpacked: Unpacked,
    pub applied: Vec<Finding>,
}

/// Applies every fix that can be made by machine, as of `now`. Each round's files are shown to `may` first: a manifest that
/// was mended can be read, and the gates run code of an app whose manifest they can read.
///
/// # Errors
/// Files that an app may not hold, once edited; what `may` refuses.
pub async fn mend<E: From<Problem>>(
    mut unpacked: Unpacked,
    sandbox: &Arc<Sandbox>,
    now: Timestamp,
    may: impl AsyncFn(&Unpacked) -> Result<(), E>,
) -> Result<Mended, E> {
    let mut applied = Vec::new();
    for _ in 0..ROUNDS_MAX {
        may(&unpacked).await?;
        let findings = match check(unpacked.clone(), sandbox, now).await {
            Ok(checked) => checked.findings().to_vec(),
            Err(document) => document.findings,
        };
        let mut edits: Vec<Edit> = Vec::new();
        for finding in findings.into_iter().filter(|finding| !finding.edits.is_empty()) {
            // What stands at one place is mended one after the other: the second fix is another one then.
            if !finding.edits.iter().any(|edit| edits.iter().any(|made| made.meets(edit))) {
                edits.extend(finding.edits.iter().cloned());
                applied.push(finding);
            }
        }
        if edits.is_empty() {
            break;
        }
        unpacked = unpacked.edited(&edits)?;
    }
    Ok(Mended { unpacked, applied })
}
