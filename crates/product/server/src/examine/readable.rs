//! Whether others can read a configuration that holds a password itself.

use super::{Examined, Health};
use std::{fs, os::unix::fs::MetadataExt as _, path::Path};
use toml::{Table, Value};
use url::Url;

/// Whoever is neither the file's owner nor in its group.
const OTHERS: u32 = 0o007;
/// The one key that takes a secret itself; the others take it within an address.
const CLIENT_SECRET: &str = "client_secret";

pub(super) fn readable(file: &Path) -> Option<Examined> {
    if fs::metadata(file).ok()?.mode() & OTHERS == 0 {
        return None;
    }
    let table: Table = toml::from_str(&fs::read_to_string(file).ok()?).ok()?;
    if !table.iter().any(|(key, value)| holds_secret(key, value)) {
        return None;
    }
    let name = file.display();
    Some(Examined::wrong(
        "configuration",
        Health::Doubtful,
        format!("`{name}` holds a password, and others can read it"),
        format!(
            "give it to the server's group and run `chmod o= {name}`, or put the password into a file of its own and write `\"file:PATH\"`"
        ),
    ))
}

fn holds_secret(key: &str, value: &Value) -> bool {
    match value {
        Value::String(text) if key == CLIENT_SECRET => !text.starts_with("file:"),
        Value::String(text) => Url::parse(text).is_ok_and(|url| {
            url.password().is_some() || url.query_pairs().any(|(parameter, _)| parameter == "password")
        }),
        Value::Table(table) => table.iter().any(|(key, value)| holds_secret(key, value)),
        Value::Array(all) => all.iter().any(|value| holds_secret(key, value)),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_password_is_for_the_servers_eyes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        let found = |mode: u32, text: &str| {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            readable(&file)
        };
        for text in [
            "[server]\ndatabase = \"postgres://b:hush@db.example/b\"\n",
            "[server]\ndatabase = \"postgres://db.example/b?user=b&password=hush\"\n",
            "[notify]\nsmtp = \"smtps://b:hush@mail.example\"\n",
            "[sign_in]\noidc = { issuer = \"https://id.example\", client_id = \"b\", client_secret = \"hush\" }\n",
        ] {
            let line = found(0o644, text).unwrap();
            assert!(line.fix.contains("chmod o=") && !format!("{line:?}").contains("hush"), "{line:?}");
            assert_eq!(found(0o640, text), None, "{text}");
        }
        let none = "[server]\nlisten = \"127.0.0.1:7070\"\ndatabase = \"postgres://b@db.example/b\"\n[sign_in]\n\
                    oidc = { issuer = \"https://id.example\", client_id = \"b\", client_secret = \"file:s\" }\n";
        assert_eq!(found(0o644, none), None);
    }
}
