//! Compiled code that nothing uses any more: files of the cache that were neither opened nor mapped for a long time, and
//! what an interrupted write left. A release that is used again is compiled again.
//!
//! Ages are told by the file system's own clock, on which the files were written.

use std::{
    fs::{self, File},
    io,
    path::Path,
    time::{Duration, SystemTime},
};

/// How often the time of last use is written down.
const NOTED_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// What is opened now was used now. Only a note: what cannot be noted is compiled again some day.
pub(crate) fn used(file: &File, dir: &Path) {
    let noted = || -> io::Result<()> {
        let (now, last) = (now(dir)?, file.metadata()?.modified()?);
        if now.duration_since(last).unwrap_or_default() >= NOTED_EVERY {
            file.set_modified(now)?;
        }
        Ok(())
    };
    if let Err(error) = noted() {
        tracing::debug!(%error, "when compiled code was used last could not be noted");
    }
}

/// Deletes what was not used for so long; how many files. Those that begin with a name in `kept` stay.
pub(crate) fn prune(dir: &Path, unused: Duration, kept: &dyn Fn(&str) -> bool) -> io::Result<usize> {
    let now = now(dir)?;
    let mut gone = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| is_ours(name)) else { continue };
        // A tag lives as long as the code that it is of.
        let of = entry.path().with_extension("cwasm");
        let last = fs::metadata(&of).or_else(|_| entry.metadata())?.modified()?;
        let age = now.duration_since(last).unwrap_or_default();
        if age >= unused && !kept(name) {
            fs::remove_file(entry.path())?;
            gone += 1;
        }
    }
    Ok(gone)
}

fn is_ours(name: &str) -> bool {
    name.ends_with(".cwasm") || name.ends_with(".tag") || name.starts_with("new-")
}

/// The moment, as the file system tells it.
fn now(dir: &Path) -> io::Result<SystemTime> {
    let marker = dir.join("now");
    fs::write(&marker, b"")?;
    fs::metadata(&marker)?.modified()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn what_was_not_used_for_long_goes_and_what_is_used_stays() {
        let dir = tempfile::tempdir().unwrap();
        let old = now(dir.path()).unwrap() - DAY * 40;
        File::create(dir.path().join("p-a.cwasm")).unwrap().set_modified(old).unwrap();
        for name in ["p-a.tag", "p-b.cwasm", "p-b.tag", "new-1-2", "p-engine.cwasm", "somebody-elses"] {
            let file = File::create(dir.path().join(name)).unwrap();
            file.set_modified(old).unwrap();
        }
        used(&File::options().write(true).open(dir.path().join("p-b.cwasm")).unwrap(), dir.path());
        let gone = prune(dir.path(), DAY * 30, &|name| name.contains("engine")).unwrap();
        assert_eq!(gone, 3);
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["now", "p-b.cwasm", "p-b.tag", "p-engine.cwasm", "somebody-elses"]);
    }
}
