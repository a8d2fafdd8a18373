//! A secret in a file of its own: `file:PATH`, relative to the configuration's folder.
//!
//! Refuses a file that others can read, as `server.tls` does of a key.

use super::Reader;
use seal::Zeroizing;
use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

/// Whoever is neither the file's owner nor in its group.
const OTHERS: u32 = 0o007;

/// Its text, without white space around it; none, and a mistake at `key`, when there is none that can be used.
pub(super) fn secret_file(reader: &mut Reader, folder: &Path, key: &str, path: &str) -> Option<Zeroizing<String>> {
    let Ok((mode, text)) = read(&folder.join(path)) else {
        let why = format!("the file `{path}` is missing, or not readable by the server");
        reader.wrong(key, why, "check its path and permissions");
        return None;
    };
    if mode & OTHERS != 0 {
        let why = format!("others can read the file `{path}`");
        let fix = "let its owner and group alone read it (`chmod o= FILE`); where it is mounted into a container, give the mount mode 0440 and the server's group";
        reader.wrong(key, why, fix);
        return None;
    }
    if text.is_empty() {
        reader.wrong(key, format!("the file `{path}` is empty"), "write the secret into it");
        return None;
    }
    Some(text)
}

fn read(path: &Path) -> io::Result<(u32, Zeroizing<String>)> {
    let mut file = File::open(path)?;
    // Of the open file, so that nobody can swap it in between.
    let mode = file.metadata()?.mode();
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)?;
    Ok((mode, Zeroizing::new(text.trim().to_owned())))
}

#[cfg(test)]
mod tests {
    use crate::{Config, Overrides};
    use std::{fs, os::unix::fs::PermissionsExt as _};

    const PLACES: [(&str, &str); 6] = [
        ("server.database", "[server]\ndatabase = \"file:secret\"\n[seal]\nroot = \"file:/k\"\n"),
        (
            "sign_in.oidc",
            "[sign_in]\noidc = { issuer = \"https://id.example\", client_id = \"b\", client_secret = \"file:secret\" }\n",
        ),
        ("metrics.token", "[metrics]\ntoken = \"file:secret\"\n"),
        ("notify.smtp_password", "[notify]\nsmtp_password = \"file:secret\"\n"),
        ("notify.webhook_secret", "[notify]\nwebhook_secret = \"file:secret\"\n"),
        (
            "storage.s3",
            "[storage]\nblobs = \"s3://bucket/x\"\ns3 = { endpoint = \"https://s3.example\", key = \"file:secret\", secret = \"file:secret\" }\n",
        ),
    ];

    #[test]
    fn no_secret_is_read_that_others_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let (file, secret) = (folder.path().join("config.toml"), folder.path().join("secret"));
        for (key, text) in PLACES {
            fs::write(&file, text).unwrap();
            let said = || {
                let problems = Config::read(&file, &Overrides::default()).err().unwrap_or_default();
                let of = problems.iter().filter(|problem| problem.at.as_deref() == Some(key));
                of.map(|problem| problem.why.clone()).collect::<String>()
            };
            assert!(said().contains("missing"), "{key}: {}", said());
            fs::write(&secret, "postgres://b@db.example/bailiwick\n").unwrap();
            for mode in [0o644, 0o604, 0o602, 0o440 | 0o001] {
                fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
                assert!(said().contains("others can read"), "{key} {mode:o}: {}", said());
            }
            for mode in [0o600, 0o640, 0o400, 0o440] {
                fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
                assert!(!said().contains("`secret`"), "{key} {mode:o}: {}", said());
            }
            fs::remove_file(&secret).unwrap();
        }
    }

    #[test]
    fn a_database_may_stand_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let (file, secret) = (folder.path().join("config.toml"), folder.path().join("secret"));
        fs::write(&file, PLACES[0].1).unwrap();
        let read = |text: &str| {
            fs::write(&secret, text).unwrap();
            fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
            Config::read(&file, &Overrides::default()).map(|config| config.database)
        };
        let url = "postgres://b:hush@db.example/bailiwick?sslmode=disable";
        assert_eq!(read(&format!("{url}\n")).unwrap().as_deref(), Some(url));
        for wrong in ["mysql://b:hush@db.example/x", ""] {
            let problems = read(wrong).unwrap_err();
            assert_eq!(problems[0].at.as_deref(), Some("server.database"), "{problems:?}");
            assert!(!problems[0].to_string().contains("hush"), "{problems:?}");
        }
    }
}
