//! `backup create`: two files in a folder, one with the data, one with the configuration of this machine; older ones are
//! deleted once the new ones are whole.

use super::{CONFIGURATION, DATA, ENDING, file_problem};
use crate::{client::Client, exit::Exit, invocation::Invocation, views::backup::CreatedView};
use model::{Problem, Timestamp};
use seal::Recipient;
use serde_json::json;
use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder for the backups
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// For whom: `age1…`, as `backup key` printed it
    #[arg(long)]
    recipient: Recipient,
    /// How many to keep; all, unless said
    #[arg(long, value_name = "N")]
    keep: Option<NonZeroUsize>,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let Args { to, recipient, keep } = args;
    let unwritable = |error: std::io::Error| file_problem(&to, error, "name a folder that you can write to");
    fs::create_dir_all(&to).map_err(unwritable)?;
    let place = invocation.place()?;
    let data = place.data.clone();
    let client = Client::new(place, &invocation.environment)?;
    let stamp = stamp(invocation.now());
    let mut file = NamedTempFile::new_in(&to).map_err(unwritable)?;
    let route = client.api(&["backup"])?.query("recipient", Some(&recipient));
    let bytes = invocation.during("backing up", client.download(route, file.as_file_mut())).await?;
    let named = keep_as(file, &to.join(format!("{DATA}{stamp}{ENDING}"))).map_err(unwritable)?;
    // Configuration lies beside the server: on another machine there is none to take.
    let configuration = match data.filter(|data| data.join("config.toml").is_file() || data.join("policies").is_dir()) {
        Some(data) => {
            let file = NamedTempFile::new_in(&to).map_err(unwritable)?;
            server::config_archive(&data, &recipient, file.as_file())?;
            Some(keep_as(file, &to.join(format!("{CONFIGURATION}{stamp}{ENDING}"))).map_err(unwritable)?)
        }
        None => None,
    };
    let deleted = keep.map_or(Ok(Vec::new()), |keep| prune(&to, keep.get())).map_err(unwritable)?;
    let shown = |path: &PathBuf| path.display().to_string();
    let document = json!({
        "file": shown(&named), "bytes": bytes, "configuration": configuration.as_ref().map(shown),
        "recipient": recipient.to_string(), "deleted": deleted.iter().map(shown).collect::<Vec<_>>(),
    });
    invocation.output.show::<CreatedView>(&document)?;
    Ok(Exit::Done)
}

/// `20261128T023800Z`: sorts by time, and stands in a file's name anywhere.
fn stamp(now: Timestamp) -> String {
    let text = now.to_string();
    let whole = text.split('.').next().unwrap_or(&text).trim_end_matches('Z');
    format!("{}Z", whole.replace(['-', ':'], ""))
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

/// Deletes all but the newest, of each kind. Only files that are named as ours.
fn prune(folder: &Path, keep: usize) -> std::io::Result<Vec<PathBuf>> {
    let mut deleted = Vec::new();
    for kind in [DATA, CONFIGURATION] {
        let mut found: Vec<PathBuf> = fs::read_dir(folder)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                name.starts_with(kind) && name.ends_with(ENDING)
            })
            .collect();
        found.sort();
        for path in found.iter().rev().skip(keep) {
            fs::remove_file(path)?;
            deleted.push(path.clone());
        }
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time() {
        assert_eq!(stamp("2026-11-28T02:38:00.123Z".parse().unwrap()), "20261128T023800Z");
    }

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
        let deleted = prune(folder.path(), 2).unwrap();
        assert_eq!(deleted, [folder.path().join("bailiwick-20261101T000000Z.backup")]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
    }
}
