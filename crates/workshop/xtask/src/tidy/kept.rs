//! Some libraries belong to one room: what is shipped from the others goes through it. Tests may look behind the wall.
//! Which libraries may come in at all is deny.toml's.

use super::manifests::{self, Need, Section};
use super::{Complaint, File, Weight};
use anyhow::Result;
use std::path::Path;

/// Libraries that only some of our crates may name.
struct Kept {
    /// The library's name; with `*` at the end, all that begin so.
    library: &'static str,
    by: &'static [&'static str],
    why: &'static str,
}

const KEPT: &[Kept] = &[
    Kept {
        library: "wasmtime*",
        // The benchmarks need it bare, to measure against.
        by: &["sandbox", "testkit"],
        why: "`sandbox` is the one crate that knows what runs the apps",
    },
    Kept { library: "aws-lc-rs", by: &["seal", "testkit"], why: "`seal` holds the only cryptography" },
    Kept { library: "webauthn-rs", by: &["identity"], why: "who a person is, is proven to `identity` alone" },
    Kept { library: "openidconnect", by: &["identity"], why: "who a person is, is proven to `identity` alone" },
    Kept {
        library: "rusqlite",
        by: &["store", "testkit"],
        why: "only `store` reaches a database: a permit opens each transaction",
    },
    Kept {
        library: "tokio-postgres",
        by: &["store", "testkit"],
        why: "only `store` reaches a database: a permit opens each transaction",
    },
    Kept {
        library: "deadpool-postgres",
        by: &["store"],
        why: "only `store` reaches a database: a permit opens each transaction",
    },
    Kept { library: "hickory-resolver", by: &["broker"], why: "names are resolved once, by what judges the addresses" },
    // `server` reaches the sign-in provider (`sign_in/reach.rs`) and the collector of traces (`telemetry.rs`) with it,
    // `watch` the operator's webhook (`channels/`), and nothing else.
    Kept {
        library: "reqwest",
        by: &["bailiwick", "server", "testkit", "watch"],
        why: "what leaves the server leaves through `broker`",
    },
    Kept { library: "lettre", by: &["watch"], why: "people are told by notices alone (`watch`)" },
];

pub(super) fn check(_root: &Path, files: &[File], complaints: &mut Vec<Complaint>) -> Result<()> {
    for (name, room) in &manifests::rooms(files)? {
        for need in room.needs.iter().filter(|need| need.section == Section::Shipped) {
            complaints.extend(kept(name, need).map(|(what, why, fix)| Complaint {
                file: room.manifest.clone(),
                line: room.line_of(need),
                what,
                why,
                fix,
                weight: Weight::Error,
            }));
        }
    }
    Ok(())
}

/// What is wrong, why, and what to do.
fn kept(name: &str, need: &Need) -> Option<(String, &'static str, String)> {
    let kept = KEPT.iter().find(|kept| match kept.library.strip_suffix('*') {
        Some(opening) => need.name.starts_with(opening),
        None => kept.library == need.name,
    })?;
    (!kept.by.contains(&name)).then(|| {
        let keepers = kept
            .by
            .iter()
            .filter(|keeper| **keeper != "testkit")
            .map(|keeper| format!("`{keeper}`"))
            .collect::<Vec<_>>();
        (format!("`{name}` may not use `{}`", need.name), kept.why, format!("go through {}", keepers.join(" or ")))
    })
}

#[cfg(test)]
mod tests {
    use super::super::said_of;

    fn said(room: &str, manifest: &str) -> Vec<String> {
        said_of(&[(&format!("crates/{room}/Cargo.toml"), manifest)])
    }

    fn uses(library: &str) -> String {
        format!("[dependencies]\n{library}.workspace = true\n")
    }

    #[test]
    fn kept_libraries_are_used_by_their_keepers() {
        for (room, library) in [
            ("foundation/sandbox", "wasmtime-wasi"),
            ("foundation/seal", "aws-lc-rs"),
            ("platform/store", "rusqlite"),
            ("workshop/testkit", "rusqlite"),
        ] {
            assert_eq!(said(room, &uses(library)), [""; 0], "{library}");
        }
        assert_eq!(
            said("surfaces/gateway", &uses("wasmtime-wasi")),
            ["crates/surfaces/gateway/Cargo.toml:2: `gateway` may not use `wasmtime-wasi`"]
        );
        assert_eq!(said("operations/catalog", &uses("reqwest")).len(), 1);
    }

    #[test]
    fn another_name_hides_nothing() {
        let renamed = "[dependencies]\ndb = { package = \"rusqlite\", version = \"1\" }\n";
        assert_eq!(
            said("surfaces/data", renamed),
            ["crates/surfaces/data/Cargo.toml:2: `data` may not use `rusqlite`"]
        );
    }

    #[test]
    fn tests_may_look_behind_the_wall() {
        assert_eq!(said("surfaces/data", "[dev-dependencies]\ntokio-postgres = \"1\"\n"), [""; 0]);
    }
}
