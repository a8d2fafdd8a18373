//! Configuration and policies of one machine: kept apart from the data, without keys and without what they name; and the
//! way back into an empty place.
//!
//! Refuses to write over what is there, and any name but those that it packs.

use super::{
    archive, failed,
    maker::{self, Chain, Maker, PROOF, Proof, Unproven},
    no_place,
};
use crate::{Config, Overrides, settings::place};
use model::Problem;
use seal::{Recipient, RecoveryKey, RootKey};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

const POLICIES: &str = "policies";
/// No configuration is larger.
const FILE_MAX_BYTES: u64 = 8 << 20;

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    Data,
    Configuration,
}

fn is_policy(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "rego")
}

/// Writes configuration and policies of a data folder, encrypted. `file`: the configuration, if it lies elsewhere.
///
/// # Errors
/// When they cannot be read, or `to` cannot be written.
pub(crate) fn config_archive<W: Write>(
    data: &Path,
    file: &Path,
    recipient: &Recipient,
    maker: &Maker,
    to: W,
) -> Result<W, Problem> {
    let pack = || -> io::Result<W> {
        let mut packed = archive::Packed::new(recipient, to)?;
        if file.is_file() {
            packed.entry(place::CONFIG, &fs::read(file)?)?;
        }
        for path in policies(data)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            packed.entry(&format!("{POLICIES}/{name}"), &fs::read(&path)?)?;
        }
        packed.finish(maker)
    };
    pack().map_err(|error| {
        failed("the configuration could not be backed up", error, "look whether the folder can be read and written")
    })
}

/// The operator's own, in order; none where there is no folder of them.
fn policies(data: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(data.join(POLICIES)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut own = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if is_policy(&path) && fs::metadata(&path)?.is_file() {
            own.push(path);
        }
    }
    own.sort();
    Ok(own)
}

/// Looks at the beginning of a backup.
///
/// # Errors
/// For what is none, or was made for another key.
pub fn contents(file: &Path, key: &RecoveryKey) -> Result<Contents, Problem> {
    let first = || -> io::Result<Contents> {
        let plain = key.decrypt(fs::File::open(file)?).map_err(io::Error::other)?;
        let mut archive = tar::Archive::new(zstd::Decoder::new(plain)?);
        // Whatever it says, the restore that follows looks at who made it.
        let first = archive.entries()?.next().transpose()?;
        let is_data = match first {
            Some(entry) => entry.path()?.as_ref() == Path::new(archive::HEAD),
            None => false,
        };
        Ok(if is_data { Contents::Data } else { Contents::Configuration })
    };
    first().map_err(|error| {
        failed(
            "the backup cannot be opened",
            error,
            "check the path, and whether the recovery key is the one it was made for",
        )
    })
}

const WHAT: &str = "the configuration cannot be restored";
const FIX: &str = "give a whole backup, and a place without another configuration";

/// Configuration and policies out of a backup that was read to its end. Nothing of it is written yet.
pub struct Configuration {
    files: Vec<(String, Vec<u8>)>,
}

impl Configuration {
    /// # Errors
    /// For whatever is not such a backup, and for what this root key's server did not make.
    pub fn open(file: &Path, key: &RecoveryKey, root: &RootKey, unproven: Unproven) -> Result<Self, Problem> {
        let read = read(file, key, &Maker::new(root), unproven);
        read.map(|files| Self { files }).map_err(|error| maker::problem(WHAT, &error, FIX))
    }

    /// What a start will read once this is restored to `file`.
    ///
    /// # Errors
    /// Every mistake in it, such as a file that it names and that is not there: backups hold none of those.
    pub fn config(&self, file: &Path, overrides: &Overrides) -> Result<Config, Vec<Problem>> {
        match self.files.iter().find(|(name, _)| name == place::CONFIG) {
            Some((_, bytes)) => Config::read_text(&String::from_utf8_lossy(bytes), file, overrides),
            None => Config::read(file, overrides),
        }
    }

    /// Puts the configuration where `file` says, and policies into the data folder. What there is of it now, in order.
    /// What is there already, to the letter, is taken as it is: from an attempt before this one, say.
    ///
    /// # Errors
    /// When something else is there already; then nothing is written. When something cannot be written: nothing half stands
    /// under a name.
    pub fn restore(self, data: &Path, file: &Path) -> Result<Vec<String>, Problem> {
        let bad = |error: &dyn std::fmt::Display| failed(WHAT, error, FIX);
        let (mut all, mut new) = (Vec::new(), Vec::new());
        for (name, bytes) in self.files {
            let own = data.join(&name);
            let path = if name == place::CONFIG { file.to_owned() } else { own.clone() };
            all.push(if path == own { name } else { path.display().to_string() });
            match fs::read(&path) {
                Ok(there) if there == bytes => {}
                Ok(_) => return Err(bad(&format!("`{}` is there already, and says something else", path.display()))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => new.push((path, bytes)),
                Err(error) => return Err(bad(&format!("`{}`: {error}", path.display()))),
            }
        }
        let written = new.iter().map(|(path, bytes)| written(path, bytes).map(|file| (path, file)));
        let written = written.collect::<io::Result<Vec<_>>>();
        for (path, file) in written.map_err(|error| no_place(WHAT, error))? {
            named(path, file).map_err(|error| no_place(WHAT, error))?;
        }
        Ok(all)
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// For its owner alone, without its name.
fn written(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn named(path: &Path, file: NamedTempFile) -> io::Result<()> {
    file.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(folder_of(path))?.sync_all()
}

fn read(file: &Path, key: &RecoveryKey, maker: &Maker, unproven: Unproven) -> io::Result<Vec<(String, Vec<u8>)>> {
    let plain = key.decrypt(fs::File::open(file)?).map_err(io::Error::other)?;
    let mut packed = zstd::Decoder::new(plain)?;
    let mut all = Vec::new();
    let (mut chain, mut proof) = (Chain::default(), None::<Proof>);
    {
        let mut archive = tar::Archive::new(&mut packed);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = entry.path()?.to_string_lossy().into_owned();
            let plain = |name: &str| !name.is_empty() && !name.contains('/') && is_policy(Path::new(name));
            if proof.is_some() {
                return Err(io::Error::other("something follows its end"));
            }
            if name != PROOF && name != place::CONFIG && !name.strip_prefix("policies/").is_some_and(plain) {
                return Err(io::Error::other(format!("it holds `{name}`, which is no configuration")));
            }
            if entry.size() > FILE_MAX_BYTES {
                return Err(io::Error::other(format!("`{name}` is larger than any configuration")));
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            if name == PROOF {
                proof = Some(serde_json::from_slice(&bytes)?);
            } else {
                chain.entry(&name, &bytes);
                all.push((name, bytes));
            }
        }
    }
    // To its end: what was cut or altered behind the last file shows here.
    io::copy(&mut packed, &mut io::sink())?;
    if unproven == Unproven::Refused {
        maker.check(chain, proof.as_ref())?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_that_cannot_be_read_are_not_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let (data, own) = (folder.path(), folder.path().join(POLICIES));
        assert!(policies(data).unwrap().is_empty(), "no folder is no policy");
        fs::write(&own, "").unwrap();
        assert!(policies(data).is_err(), "no folder of that name can be read");
        fs::remove_file(&own).unwrap();
        fs::create_dir(&own).unwrap();
        for name in ["b.rego", "a.rego", "notes.txt"] {
            fs::write(own.join(name), "").unwrap();
        }
        assert_eq!(policies(data).unwrap(), [own.join("a.rego"), own.join("b.rego")]);
        std::os::unix::fs::symlink(own.join("gone"), own.join("c.rego")).unwrap();
        assert!(policies(data).is_err(), "one that leads nowhere");
    }
}
