//! Imports run strictly downward: held in each crate's `Cargo.toml`. An arrow along a floor needs a page that gives its reason.

use super::manifests::{self, Need, Room, Section};
use super::{Complaint, File, Weight};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::Path;

/// Top first: a crate may stand on those of lower floors.
const FLOORS: &[&str] = &["product", "operations", "surfaces", "platform", "foundation"];

/// May stand on everything; nothing stands on it but tests.
const WORKSHOP: &str = "workshop";

/// The crate with which any crate's tests may be written.
const TESTKIT: &str = "testkit";

/// An arrow between two crates of one floor, and the page that gives the reason.
struct Arrow {
    from: Option<&'static str>,
    to: &'static str,
    page: &'static str,
}

const ARROWS_PAGE: &str = "docs/adr/arrows-on-a-floor.md";

const ARROWS: &[Arrow] = &[
    // The nouns are everybody's.
    Arrow { from: None, to: "model", page: ARROWS_PAGE },
    // A permit opens a transaction.
    Arrow { from: Some("store"), to: "authority", page: ARROWS_PAGE },
    // Checkpoints are signed, leaves are hashed, and seal holds the only cryptography.
    Arrow { from: Some("ledger"), to: "seal", page: ARROWS_PAGE },
    // The binary is commands; what they run is the server.
    Arrow { from: Some("bailiwick"), to: "server", page: ARROWS_PAGE },
];

pub(super) fn check(root: &Path, files: &[File], complaints: &mut Vec<Complaint>) -> Result<()> {
    let rooms = manifests::rooms(files)?;
    for (name, room) in &rooms {
        for need in &room.needs {
            let Some(other) = rooms.get(&need.name) else {
                continue;
            };
            let wrong = downward(name, room, need, other);
            complaints.extend(wrong.map(|(what, why, fix)| Complaint {
                file: room.manifest.clone(),
                line: room.line_of(need),
                what,
                why,
                fix,
                weight: Weight::Error,
            }));
        }
    }
    complaints.extend(pages(root, &rooms));
    Ok(())
}

/// What is wrong, why, and what to do.
type Wrong = Option<(String, &'static str, String)>;

fn downward(name: &str, room: &Room, need: &Need, other: &Room) -> Wrong {
    if room.floor == WORKSHOP || (need.name == TESTKIT && need.section == Section::Tests) {
        return None;
    }
    let height = |floor: &str| FLOORS.iter().rev().position(|known| *known == floor);
    let on_one_floor = room.floor == other.floor;
    let named = ARROWS.iter().any(|arrow| arrow.to == need.name && arrow.from.is_none_or(|from| from == name));
    match (height(&room.floor), height(&other.floor)) {
        (Some(from), Some(to)) if from > to => None,
        (Some(_), Some(_)) if on_one_floor && named => None,
        (None, _) => Some((
            format!("`{}` is no floor of the house", room.floor),
            "imports run downward, so each crate stands on a known floor",
            format!("move the crate to one of: {}, {WORKSHOP}", FLOORS.join(", ")),
        )),
        (Some(_), None) => Some((
            format!("`{name}` stands on `{}`, which is for tests", need.name),
            "what is shipped holds nothing that only tests need",
            "move what it needs down a floor, or the arrow to `[dev-dependencies]`".to_owned(),
        )),
        (Some(_), Some(_)) => Some((
            format!("`{name}` ({}) may not stand on `{}` ({})", room.floor, need.name, other.floor),
            "imports run strictly downward; rooms of one floor meet through `model`, `authority` and `server`",
            format!(
                "let `server` bring them together, or move what both need down; a new arrow on a floor needs a page like {ARROWS_PAGE}"
            ),
        )),
    }
}

/// An exception whose page is gone has no reason any more; one that nobody uses is none.
fn pages(root: &Path, rooms: &BTreeMap<String, Room>) -> Vec<Complaint> {
    let used = |arrow: &&Arrow| {
        rooms.iter().any(|(name, room)| {
            arrow.from.is_none_or(|from| from == name) && room.needs.iter().any(|need| need.name == arrow.to)
        })
    };
    ARROWS
        .iter()
        .filter(used)
        .filter(|arrow| !root.join(arrow.page).exists())
        .take(1)
        .map(|arrow| Complaint {
            file: arrow.page.to_owned(),
            line: 1,
            what: format!("the page that gives the reason for the arrow to `{}` is missing", arrow.to),
            why: "an exception without a reason is a hole",
            fix: "write the page, or take the arrow away".to_owned(),
            weight: Weight::Error,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::said_of;
    use super::ARROWS_PAGE;

    fn said(manifests: &[(&str, &str)]) -> Vec<String> {
        let mut tree: Vec<(String, &str)> =
            manifests.iter().map(|(room, text)| (format!("crates/{room}/Cargo.toml"), *text)).collect();
        tree.push((ARROWS_PAGE.to_owned(), "# Arrows\n"));
        let tree: Vec<(&str, &str)> = tree.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        said_of(&tree)
    }

    #[test]
    fn downward_is_free_and_everything_else_is_not() {
        let vault = ("surfaces/vault", "[dependencies]\nserde = \"1\"\nstore.workspace = true\n");
        let store = ("platform/store", "[dependencies]\nvault = { path = \"x\" }\n");
        assert!(said(&[vault, ("platform/store", "")]).is_empty());
        assert_eq!(
            said(&[vault, store]),
            ["crates/platform/store/Cargo.toml:2: `store` (platform) may not stand on `vault` (surfaces)"]
        );
        let data =
            ("surfaces/data", "[dependencies]\n\n[target.'cfg(unix)'.build-dependencies]\nvault.workspace = true\n");
        assert_eq!(
            said(&[("surfaces/vault", ""), data]),
            ["crates/surfaces/data/Cargo.toml:4: `data` (surfaces) may not stand on `vault` (surfaces)"]
        );
        assert_eq!(said(&[("attic/old", "[dependencies]\nmodel = \"1\"\n"), ("foundation/model", "")]).len(), 1);
    }

    #[test]
    fn the_named_arrows_stand_and_no_others_on_their_floors() {
        let on = |name: &str| format!("[dependencies]\n{name}.workspace = true\n");
        assert!(said(&[("platform/store", &on("authority")), ("platform/authority", "")]).is_empty());
        assert_eq!(said(&[("platform/store", ""), ("platform/authority", &on("store"))]).len(), 1);
        assert!(
            said(&[("foundation/ledger", &on("seal")), ("foundation/seal", &on("model")), ("foundation/model", "")])
                .is_empty()
        );
        assert_eq!(said(&[("foundation/scan", &on("seal")), ("foundation/seal", "")]).len(), 1);
        assert_eq!(said(&[("foundation/model", &on("seal")), ("foundation/seal", "")]).len(), 1);
        assert!(said(&[("product/bailiwick", &on("server")), ("product/server", "")]).is_empty());
    }

    #[test]
    fn the_workshop_is_for_tests() {
        let testkit = ("workshop/testkit", "[dependencies]\nserver.workspace = true\nrusqlite.workspace = true\n");
        let server = ("product/server", "");
        let tests = "[dev-dependencies]\ntestkit.workspace = true\n";
        let shipped = "[dependencies]\ntestkit.workspace = true\n";
        assert!(said(&[testkit, server, ("surfaces/vault", tests)]).is_empty());
        assert_eq!(
            said(&[testkit, server, ("surfaces/vault", shipped)]),
            ["crates/surfaces/vault/Cargo.toml:2: `vault` stands on `testkit`, which is for tests"]
        );
    }

    #[test]
    fn an_arrow_needs_its_page() {
        let tree = [
            ("crates/platform/store/Cargo.toml", "[dependencies]\nauthority.workspace = true\n"),
            ("crates/platform/authority/Cargo.toml", ""),
        ];
        assert_eq!(
            said_of(&tree),
            [format!("{ARROWS_PAGE}:1: the page that gives the reason for the arrow to `authority` is missing")]
        );
    }
}
