//! `[storage]` and `[backup]`: where bundles lie, where backups go, for whom, when, and how many are kept.
//!
//! Refuses keys that stand in the configuration itself, a store that is spoken to in the clear unless that is said, and
//! backups that nobody could open.

use super::{Reader, secret_file::secret_file};
use crate::backup::Keep;
use broker::EgressConfig;
use model::manifest::Job;
use seal::{Recipient, Zeroizing};
use serde::Deserialize;
use std::path::Path;
use store::{DepotPlace, S3Place};

const PLACE_FORM: &str = "`\"s3://bucket/prefix\"` or `\"file:/srv/bailiwick\"`";
const S3_FORM: &str = "`{ endpoint = \"https://s3.corp.example\", region = \"eu-central-1\", key = \"file:s3.key\", secret = \"file:s3.secret\" }`";
const REGION: &str = "us-east-1";

/// Backups that the server makes by itself.
#[derive(Debug, Clone)]
pub(crate) struct BackupPlan {
    pub(crate) to: DepotPlace,
    pub(crate) recipient: Recipient,
    /// Never by itself, if not said.
    pub(crate) schedule: Option<Job>,
    pub(crate) keep: Keep,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct S3Keys {
    endpoint: Option<String>,
    region: Option<String>,
    key: String,
    secret: String,
    #[serde(default)]
    ca: Vec<String>,
    tls: Option<bool>,
}

/// Where bundles and full tiles lie, if not in the database.
pub(super) fn content(reader: &mut Reader, folder: &Path) -> Option<DepotPlace> {
    let text: Option<String> = reader.take("storage.blobs", PLACE_FORM);
    place(reader, folder, "storage", "blobs", text)
}

pub(super) fn backup(reader: &mut Reader, folder: &Path) -> Option<BackupPlan> {
    let to: Option<String> = reader.take("backup.to", PLACE_FORM);
    let recipient: Option<String> = reader.take("backup.recipient", "`\"age1…\"`");
    let schedule: Option<String> = reader.take("backup.schedule", "`\"0 2 * * *\"`");
    let zone: Option<String> = reader.take("backup.zone", "`\"Europe/Berlin\"`");
    let keep: Option<Keep> = reader.take("backup.keep", "`{ last = 3, daily = 7, weekly = 5, monthly = 12 }`");
    let said = to.is_some();
    let to = place(reader, folder, "backup", "to", to);
    let schedule = schedule.and_then(|schedule| {
        let job = Job { schedule, zone: zone.unwrap_or_else(|| "UTC".to_owned()), line: 0 };
        if catalog::next_time(&job, model::Timestamp::from_ms(0)).is_none() {
            let fix = "five fields as cron has them, such as `\"0 2 * * *\"`, and a zone such as `\"Europe/Berlin\"`";
            reader.wrong("backup.schedule", "it never comes, or `backup.zone` is not known", fix);
            return None;
        }
        Some(job)
    });
    if !said {
        for (key, there) in [("backup.recipient", recipient.is_some()), ("backup.schedule", schedule.is_some())] {
            if there {
                reader.wrong(key, "`backup.to` is missing", format!("say where backups go: {PLACE_FORM}"));
            }
        }
        return None;
    }
    let recipient = match recipient.map(|text| text.parse::<Recipient>()) {
        Some(Ok(recipient)) => recipient,
        Some(Err(error)) => {
            reader.wrong("backup.recipient", error.to_string(), "write what `bailiwick backup key` printed");
            return None;
        }
        None => {
            let fix =
                "make a recovery key with `bailiwick backup key --out FILE`, and write the recipient that it prints";
            reader.wrong("backup.recipient", "there is nobody who could open the backups", fix);
            return None;
        }
    };
    Some(BackupPlan { to: to?, recipient, schedule, keep: keep.unwrap_or_default() })
}

fn place(
    reader: &mut Reader,
    folder: &Path,
    section: &'static str,
    key: &'static str,
    text: Option<String>,
) -> Option<DepotPlace> {
    let (key, keys) = (format!("{section}.{key}"), format!("{section}.s3"));
    let given: Option<S3Keys> = reader.take(&keys, S3_FORM);
    let Some(text) = text else {
        if given.is_some() {
            reader.wrong(&keys, format!("`{key}` does not name a bucket"), format!("say where: {PLACE_FORM}"));
        }
        return None;
    };
    let path = text.strip_prefix("file:").unwrap_or(&text);
    if path.starts_with('/') {
        return Some(DepotPlace::Folder(path.into()));
    }
    let Some((bucket, prefix)) = text
        .strip_prefix("s3://")
        .map(|rest| rest.split_once('/').unwrap_or((rest, "")))
        .filter(|(name, _)| is_bucket(name))
    else {
        reader.wrong(&key, "it is neither a bucket nor a folder", format!("write {PLACE_FORM}"));
        return None;
    };
    let Some(given) = given else {
        reader.wrong(&keys, "a bucket needs keys", format!("write {S3_FORM}"));
        return None;
    };
    let (bucket, prefix) = (bucket.to_owned(), prefix.trim_matches('/').to_owned());
    s3(reader, folder, &keys, given).map(|s3| DepotPlace::S3(S3Place { bucket, prefix, ..s3 }))
}

fn is_bucket(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.'))
}

fn s3(reader: &mut Reader, folder: &Path, keys: &str, given: S3Keys) -> Option<S3Place> {
    let S3Keys { endpoint, region, key, secret, ca, tls } = given;
    if let Some(endpoint) = &endpoint {
        let plain = endpoint.strip_prefix("http://");
        let near = ["localhost", "127.0.0.1", "[::1]"];
        let is_near = plain.is_some_and(|host| {
            near.iter().any(|near| host.strip_prefix(near).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')))
        });
        if plain.is_some() && !is_near && tls != Some(false) {
            let why = "bundles would cross the network in the clear";
            reader.wrong(keys, why, "give an `https://` endpoint, or say `tls = false` if that is meant");
            return None;
        }
        if plain.is_none() && !endpoint.starts_with("https://") {
            reader.wrong(keys, "`endpoint` is no address", "write it as `\"https://s3.corp.example\"`");
            return None;
        }
    }
    let key_id = from_file(reader, folder, keys, "key", &key)?;
    let secret = from_file(reader, folder, keys, "secret", &secret)?;
    let mut trusted = Vec::new();
    for file in ca {
        let read = std::fs::read(folder.join(&file)).ok();
        match read.and_then(|pem| EgressConfig::parse_ca(&file, &pem).ok()) {
            Some(certificates) => trusted.extend(certificates.iter().map(|one| one.as_ref().to_vec())),
            None => {
                reader.wrong(
                    keys,
                    format!("`{file}` holds no certificates that can be read"),
                    "name PEM files in `ca`",
                );
                return None;
            }
        }
    }
    let region = region.unwrap_or_else(|| REGION.to_owned());
    Some(S3Place { bucket: String::new(), prefix: String::new(), endpoint, region, key_id, secret, ca: trusted })
}

fn from_file(reader: &mut Reader, folder: &Path, keys: &str, name: &str, text: &str) -> Option<Zeroizing<String>> {
    let Some(path) = text.strip_prefix("file:") else {
        let fix = format!("put it into a file for the server's user, and write `{name} = \"file:PATH\"`");
        reader.wrong(keys, format!("`{name}` does not stand in the configuration itself"), fix);
        return None;
    };
    secret_file(reader, folder, keys, path)
}
