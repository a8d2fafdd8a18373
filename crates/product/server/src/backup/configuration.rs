//! Configuration and policies of one machine: kept apart from the data, without keys and without what they name; and the
//! way back into an empty place.
//!
//! Refuses to write over what is there, and any name but those that it packs.

use super::{
    archive, failed,
    maker::{self, Chain, Maker, PROOF, Proof, Unproven},
};
use crate::settings::place;
use model::Problem;
use seal::{Recipient, RecoveryKey, RootKey};
use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

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

/// Puts configuration and policies into a data folder. What was written, in order.
///
/// # Errors
/// When something is there already, for whatever is not such a backup, and for what this root key's server did not make;
/// then nothing is written.
pub fn config_restore(
    file: &Path,
    key: &RecoveryKey,
    root: &RootKey,
    unproven: Unproven,
    data: &Path,
) -> Result<Vec<String>, Problem> {
    const WHAT: &str = "the configuration cannot be restored";
    const FIX: &str = "give a whole backup, and a folder without configuration";
    let bad = |error: &dyn std::fmt::Display| failed(WHAT, error, FIX);
    let read = read(file, key, &Maker::new(root), unproven);
    let all = read.map_err(|error| maker::problem(WHAT, &error, FIX))?;
    for (name, _) in &all {
        if data.join(name).exists() {
            return Err(bad(&format!("`{name}` is there already")));
        }
    }
    let write = |name: &str, bytes: &[u8]| -> io::Result<()> {
        let path = data.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    for (name, bytes) in &all {
        write(name, bytes).map_err(|error| bad(&error))?;
    }
    Ok(all.into_iter().map(|(name, _)| name).collect())
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
