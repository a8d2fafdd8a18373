//! Verification of a running server's record: everything is fetched, and judged here.
//!
//! Refuses a record that is shorter than what was seen before, and one that differs from the checkpoint that the server
//! publishes to everyone else.

use super::{Against, failed, far::Far, verify_file};
use crate::client::Client;
use ledger::{Checked, Checkpoint, SignedCheckpoint, Verdict, VerifierKey};
use model::{Problem, ProblemKind};
use std::{path::Path, time::Duration};
use tempfile::NamedTempFile;

const CHECKPOINT_WITHIN: Duration = Duration::from_secs(10);
/// A server that has just begun signs its first head within a second.
const FIRST_HEAD: (u32, Duration) = (8, Duration::from_millis(250));

pub(super) async fn verify(client: &Client, against: Against, far: &Far) -> Result<Verdict, Problem> {
    client.credential().await?;
    // Taken first, so that the export, which only grows, must hold at least as much.
    let published = published(client).await?;
    let mut file = NamedTempFile::new().map_err(|_| unwritable(Path::new("the temporary folder")))?;
    download(client, file.as_file_mut(), far).await?;
    let mut verdict = verify_file(file.path().to_owned(), against.clone()).await?;
    if verdict.ok {
        compare(&mut verdict, &published, file.path(), &against).await?;
    }
    verdict.checked = Checked::Live;
    Ok(verdict)
}

/// Fetches the export; how many bytes.
pub(super) async fn download(client: &Client, file: &mut std::fs::File, far: &Far) -> Result<u64, Problem> {
    client.download_seen(client.api(&["export"])?, file, &|piece| far.seen(piece)).await
}

async fn published(client: &Client) -> Result<String, Problem> {
    let (tries, pause) = FIRST_HEAD;
    let mut note = None;
    for again in 0..tries {
        if again > 0 {
            tokio::time::sleep(pause).await;
        }
        let response = client.open(client.route(&["log", "main", "checkpoint"])?, CHECKPOINT_WITHIN).await?;
        let answered = response.status().is_success();
        note = String::from_utf8(client.whole(response).await?).ok().filter(|_| answered);
        if note.is_some() {
            break;
        }
    }
    note.ok_or_else(|| {
        Problem::new(
            ProblemKind::Upstream,
            "audit.no_checkpoint",
            "the server publishes no checkpoint",
            "without one there is nothing that the record could be held against",
            "ask your operator; `bailiwick doctor` says more",
        )
    })
}

/// What an export alone cannot show: that it is not shorter than before, nor other than what is published.
async fn compare(verdict: &mut Verdict, note: &str, file: &Path, against: &Against) -> Result<(), Problem> {
    let Some(key) = verdict.log.as_deref().and_then(|key| key.parse::<VerifierKey>().ok()) else {
        return Ok(());
    };
    if let Some(memory) = &against.memory {
        let seen = memory.recall(&key).map_err(|error| failed(&error))?.map_or(0, |seen| seen.checkpoint().size());
        if seen > verdict.size {
            bad(
                verdict,
                Some(verdict.size),
                format!(
                    "{seen} entries were seen before, and now there are {}: the record was cut, or an old copy put in its place",
                    verdict.size
                ),
            );
            return Ok(());
        }
    }
    let Ok(signed) = SignedCheckpoint::open(note, &key) else {
        bad(verdict, None, "the published checkpoint is not signed by the key of the exported record".to_owned());
        return Ok(());
    };
    let published: Checkpoint = signed.checkpoint().clone();
    if published.size() > verdict.size {
        let what = format!("the server publishes {} entries, and exported {}", published.size(), verdict.size);
        bad(verdict, Some(verdict.size), what);
    } else if published.size() < verdict.size || Some(published.root()) != verdict.root {
        let since = Against { key: Some(key), since: Some(note.to_owned()), memory: None };
        let continued = verify_file(file.to_owned(), since).await?;
        if !continued.ok {
            bad(
                verdict,
                continued.first_bad,
                format!("the record does not continue what the server publishes: {}", continued.what),
            );
        }
    }
    Ok(())
}

fn bad(verdict: &mut Verdict, first_bad: Option<u64>, what: String) {
    verdict.ok = false;
    verdict.first_bad = first_bad;
    verdict.what = what;
}

pub(super) fn unwritable(path: &Path) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "audit.unwritable",
        format!("`{}` cannot be written", path.display()),
        "the folder is missing, full, or not yours to write to",
        "choose another place with `--out FILE`",
    )
}
