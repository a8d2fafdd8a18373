//! `[seal] root`: where the root key comes from.
//!
//! Refuses PostgreSQL without a named source: a node that made a key of its own could read nothing of the others'.

use super::Reader;
use std::path::PathBuf;

/// Where systemd puts the credentials of a unit (systemd.exec, CREDENTIALS).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Where they are while the unit runs: for whoever looks from outside. Nobody but root and the unit can.
const OF_THE_UNIT: &str = "/run/credentials/bailiwick.service";
const FORM: &str = "`\"file:/etc/bailiwick/root.key\"`, `\"systemd:NAME\"` or `\"passphrase\"`";

/// Where the root key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// A file in the data folder, made at the first start.
    DataFolder,
    File(PathBuf),
    /// A credential that systemd puts there for the unit alone, while it runs: elsewhere it is not to be seen.
    Systemd(PathBuf),
    /// A file that a passphrase opens; in the data folder, unless a path follows `passphrase:`.
    Passphrase(Option<PathBuf>),
}

pub(super) fn root(reader: &mut Reader, database: Option<&str>) -> Root {
    let text: Option<String> = reader.take("seal.root", FORM);
    let Some(text) = text else {
        if database.is_some() {
            let why = "many nodes share one PostgreSQL, and each needs the same root key";
            reader.wrong("seal.root", why, format!("write `root = ` under `[seal]`: {FORM}"));
        }
        return Root::DataFolder;
    };
    match text.split_once(':') {
        Some(("file", path)) if !path.is_empty() => Root::File(PathBuf::from(path)),
        Some(("passphrase", path)) if !path.is_empty() => Root::Passphrase(Some(PathBuf::from(path))),
        Some(("systemd", name)) => systemd(reader, name),
        None if text == "passphrase" => Root::Passphrase(None),
        Some(_) | None => {
            reader.wrong("seal.root", "it names no source of a key", format!("write it as {FORM}"));
            Root::DataFolder
        }
    }
}

fn systemd(reader: &mut Reader, name: &str) -> Root {
    let plain = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c));
    if !plain || name.starts_with('.') {
        reader.wrong("seal.root", "it is not the name of a credential", "write it as `\"systemd:root.key\"`");
        return Root::DataFolder;
    }
    let folder = std::env::var_os(CREDENTIALS).map_or_else(|| PathBuf::from(OF_THE_UNIT), PathBuf::from);
    Root::Systemd(folder.join(name))
}
