//! Whether the root key is there, can be read, and is the database's own.

use super::{Examined, Health};
use crate::{Config, Root, settings};
use seal::RootKey;
use std::path::Path;
use store::Inspection;

pub(super) fn root(data: &Path, config: &Config, inspection: Option<&Inspection>) -> Examined {
    let (path, locked) = settings::root_path(data, config);
    let credential = matches!(config.root, Root::Systemd(_));
    if !path.exists() {
        return absent(&path, config, inspection);
    }
    if locked {
        return sealed(&path, inspection);
    }
    let read = if credential { RootKey::load_credential(&path) } else { RootKey::load_file(&path) };
    match read {
        Ok(key) if inspection.is_none_or(|inspection| inspection.is_root(&key)) => {
            Examined::well("root key", "it is the database's own")
        }
        Ok(key) => another(&path, &key.id()),
        Err(error) => unusable(&path, &error),
    }
}

fn absent(path: &Path, config: &Config, inspection: Option<&Inspection>) -> Examined {
    if matches!(config.root, Root::Systemd(_)) {
        let what = "systemd hands it to the unit alone, while it runs: it is not to be seen from here";
        let fix = "look as root while the unit runs; else its start says whether the key fits (`systemctl status`)";
        return Examined::wrong("root key", Health::Doubtful, what, fix);
    }
    if inspection.is_none() && config.root == Root::DataFolder {
        return Examined::well("root key", "there is none yet; `bailiwick up` makes it with the database");
    }
    let what = format!("there is no root key at `{}`", path.display());
    let fix = "put the recovery copy of the key there: no other key opens what is in the database";
    Examined::wrong("root key", Health::Ill, what, fix)
}

/// What a locked key says of itself; only its passphrase shows whether that is true.
fn sealed(path: &Path, inspection: Option<&Inspection>) -> Examined {
    let own = inspection.and_then(Inspection::root_id);
    match RootKey::locked_id(path) {
        Ok(id) if own.is_none_or(|own| own == id) => {
            Examined::well("root key", "a passphrase opens it; whether it fits shows at the start")
        }
        Ok(id) => another(path, &id),
        Err(error) => unusable(path, &error),
    }
}

fn another(path: &Path, id: &str) -> Examined {
    let what = format!("the key at `{}` (id {id}) is not the one that the database was made with", path.display());
    Examined::wrong("root key", Health::Ill, what, "put the recovery copy of the right key there")
}

fn unusable(path: &Path, error: &seal::Error) -> Examined {
    Examined::wrong("root key", Health::Ill, error.to_string(), settings::key_fix(path, error))
}
