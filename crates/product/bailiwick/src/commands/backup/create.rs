//! `backup create`: where the server's `[backup]` says, made by the server; or two files in a folder here, one with the
//! data, one with the server's configuration. Older ones are deleted once the new ones are whole.

use super::file_problem;
use crate::{exit::Exit, invocation::Invocation, views::backup::CreatedView};
use model::{Problem, Timestamp};
use seal::Recipient;
use serde_json::json;
use server::{CONFIGURATION, DATA, ENDING, Keep, Scratch};
use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for the backups, on this machine [default: where the server's `[backup]` says]
    #[arg(long, value_name = "DIR", requires = "recipient")]
    to: Option<PathBuf>,
    /// For whom: `age1…`, as `backup key` printed it
    #[arg(long, requires = "to")]
    recipient: Option<Recipient>,
    /// How many to keep; all, unless said
    #[arg(long, value_name = "N", requires = "to")]
    keep: Option<NonZeroUsize>,
    /// One part alone
    #[arg(long, value_name = "PART")]
    only: Option<Only>,
}

/// Which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    /// Configuration and policies
    Config,
    /// Everything in the database
    Data,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    match (args.to, args.recipient) {
        (Some(to), Some(recipient)) => {
            // As the configuration writes a folder.
            let to = match to.to_str().and_then(|to| to.strip_prefix("file:")) {
                Some(path) if path.starts_with('/') => PathBuf::from(path),
                _ => to,
            };
            let folder = Folder { to, recipient, keep: args.keep, only: args.only };
            folder.fill(invocation).await
        }
        _ => at_the_server(args.only, invocation).await,
    }
}

/// The server makes it, where it is told to.
async fn at_the_server(only: Option<Only>, invocation: &Invocation) -> Result<Exit, Problem> {
    let parts = match only {
        None => "both",
        Some(Only::Config) => "config",
        Some(Only::Data) => "data",
    };
    let client = invocation.client()?;
    let asked = client.post(client.api(&["backups"])?, json!({ "parts": parts }));
    let document = invocation.during("backing up", asked).await?;
    invocation.output.show::<CreatedView>(&document)?;
    Ok(Exit::Done)
}

struct Folder {
    to: PathBuf,
    recipient: Recipient,
    keep: Option<NonZeroUsize>,
    only: Option<Only>,
}

impl Folder {
    async fn fill(self, invocation: &Invocation) -> Result<Exit, Problem> {
        let Self { to, recipient, keep, only } = self;
        let unwritable = |error: std::io::Error| file_problem(&to, error, "name a folder that you can write to");
        fs::create_dir_all(&to).map_err(unwritable)?;
        let scratch = Scratch::within(&to).map_err(unwritable)?;
        let client = invocation.client()?;
        let stamp = server::stamp(invocation.now());
        let named = |kind: &str| to.join(format!("{kind}{stamp}{ENDING}"));
        let (mut file, mut bytes) = (None, 0);
        if only != Some(Only::Config) {
            let mut new = NamedTempFile::new_in(scratch.path()).map_err(unwritable)?;
            let route = client.api(&["backup"])?.query("recipient", Some(&recipient));
            bytes = invocation.during("backing up", client.download(route, new.as_file_mut())).await?;
            file = Some(keep_as(new, &named(DATA)).map_err(unwritable)?);
        }
        let mut configuration = None;
        if only != Some(Only::Data) {
            let mut new = NamedTempFile::new_in(scratch.path()).map_err(unwritable)?;
            let route = client.api(&["backup"])?.query("recipient", Some(&recipient)).query("only", Some("config"));
            invocation.during("backing up", client.download(route, new.as_file_mut())).await?;
            configuration = Some(keep_as(new, &named(CONFIGURATION)).map_err(unwritable)?);
        }
        // What was made is whole and there, whatever becomes of this.
        let pruned = keep.map_or_else(Pruned::default, |keep| prune(&to, keep.get(), invocation.now()));
        let shown = |path: &PathBuf| path.display().to_string();
        let document = json!({
            "file": file.as_ref().map(shown), "bytes": bytes, "configuration": configuration.as_ref().map(shown),
            "recipient": recipient.to_string(), "deleted": pruned.deleted.iter().map(shown).collect::<Vec<_>>(),
            "undeleted": pruned.undeleted.iter().map(shown).collect::<Vec<_>>(), "code": pruned.failed.then_some("backup.file"),
        });
        invocation.output.show::<CreatedView>(&document)?;
        Ok(Exit::Done)
    }
}

/// Gives a whole file its name; it is on disk under it when this returns.
fn keep_as(file: NamedTempFile, path: &Path) -> std::io::Result<PathBuf> {
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(path.to_owned())
}

/// What became of older ones.
#[derive(Default)]
struct Pruned {
    deleted: Vec<PathBuf>,
    undeleted: Vec<PathBuf>,
    /// Something is still there, or nobody knows what is.
    failed: bool,
}

/// Deletes all but the newest, of each kind. Only files that are named as ours.
fn prune(folder: &Path, keep: usize, now: Timestamp) -> Pruned {
    let mut pruned = Pruned::default();
    let Ok(entries) = fs::read_dir(folder) else { return Pruned { failed: true, ..pruned } };
    let there: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let names: Vec<&str> = there.iter().map(String::as_str).collect();
    let keep = Keep { last: keep, ..Keep::default() };
    for kind in [DATA, CONFIGURATION] {
        for name in keep.surplus(&names, kind, now) {
            let path = folder.join(name);
            if fs::remove_file(&path).is_ok() {
                pruned.deleted.push(path);
            } else {
                pruned.undeleted.push(path);
                pruned.failed = true;
            }
        }
    }
    pruned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_backups_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "bailiwick-20261101T000000Z.backup",
            "bailiwick-20261103T000000Z.backup",
            "bailiwick-20261102T000000Z.backup",
            "configuration-20261101T000000Z.backup",
            "bailiwick-notes.txt",
            "other.backup",
        ] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        // One that cannot be deleted, which holds up no other.
        let stays = folder.path().join("bailiwick-20261031T000000Z.backup");
        fs::create_dir(&stays).unwrap();
        let pruned = prune(folder.path(), 2, "2026-11-28T00:00:00Z".parse().unwrap());
        assert_eq!(pruned.deleted, [folder.path().join("bailiwick-20261101T000000Z.backup")]);
        assert!(pruned.failed && pruned.undeleted == [stays.clone()]);
        fs::remove_dir(&stays).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
    }
}
