//! The templates that are built into the program, and how a new app's files are made from one.
//!
//! Refuses a name, team or template that would not pass the gates.

use jiff::civil::Date;
use model::{Manifest, Problem, ProblemKind, Tier};
use rust_embed::Embed;
use std::{borrow::Cow, collections::BTreeSet};

/// Files that every new app gets, beside those of its template.
const SHARED: [&str; 2] = ["AGENTS.md", "bailiwick.d.ts"];
const SHARED_FOLDER: &str = "shared";
const MANIFEST: &str = "bailiwick.toml";
/// Where `{{name}}` is replaced.
const NAMED: [&str; 3] = [MANIFEST, "README.md", GUIDE];
const GUIDE: &str = "AGENTS.md";
/// Where `{{team}}` and `{{expires}}` are too (`templates/shared/README.md`).
const FILLED: [&str; 2] = [MANIFEST, GUIDE];

#[derive(Embed)]
#[folder = "../../../templates"]
struct Embedded;

/// What a new app is called, and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Filling<'a> {
    pub name: &'a str,
    pub team: &'a str,
    pub expires: Date,
}

/// One file of a new app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// With `/`, below the app's folder.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// The templates' names, in order.
#[must_use]
pub fn names() -> BTreeSet<String> {
    Embedded::iter()
        .filter_map(|path| path.split_once('/').map(|(folder, _)| folder.to_owned()))
        .filter(|folder| folder != SHARED_FOLDER)
        .collect()
}

/// What a template makes, in a sentence of its README.
#[must_use]
pub fn says(template: &str) -> String {
    let readme = Embedded::get(&format!("{template}/README.md"));
    let readme = readme.map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default();
    let mut lines = readme.lines().skip_while(|line| line.is_empty() || line.starts_with('#'));
    let paragraph: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    paragraph.join(" ")
}

/// Which tier an app is of as the template makes it.
#[must_use]
pub fn tier(template: &str, today: Date) -> Option<Tier> {
    let filling = Filling { name: "sample", team: "people-ops", expires: today };
    let files = files(template, &filling, today).ok()?;
    let manifest = files.iter().find(|file| file.path == MANIFEST)?;
    Some(Manifest::parse(&manifest.bytes, today).ok()?.manifest.tier())
}

/// The files of a new app.
///
/// # Errors
/// No such template; or a name or team that a manifest may not have.
pub fn files(template: &str, filling: &Filling<'_>, today: Date) -> Result<Vec<NewFile>, Problem> {
    let files = made(template, filling)?;
    judge(&files, filling, today)?;
    Ok(files)
}

/// The same for a page that shows next what the gates find in them: a name that a manifest may not have is changed there.
///
/// # Errors
/// No such template; or a name or team that would change the manifest around it.
pub(crate) fn drafted(template: &str, filling: &Filling<'_>) -> Result<Vec<NewFile>, Problem> {
    let stays = |text: &str| !text.chars().any(|c| c.is_control() || matches!(c, '"' | '\\'));
    if !(stays(filling.name) && stays(filling.team)) {
        return Err(bad_name("it would change the manifest around it", "choose another name"));
    }
    made(template, filling)
}

fn made(template: &str, filling: &Filling<'_>) -> Result<Vec<NewFile>, Problem> {
    let names = names();
    if !names.contains(template) {
        return Err(unknown(template, &names));
    }
    let own = Embedded::iter().filter_map(|path| {
        let below = path.strip_prefix(template)?.strip_prefix('/')?.to_owned();
        Some((below, path))
    });
    let shared = SHARED.into_iter().map(|name| (name.to_owned(), Cow::from(format!("{SHARED_FOLDER}/{name}"))));
    let mut files: Vec<NewFile> = own
        .chain(shared)
        .filter_map(|(path, from)| {
            let bytes = Embedded::get(&from)?.data.into_owned();
            let bytes = if NAMED.contains(&path.as_str()) { filled(&path, &bytes, filling) } else { bytes };
            Some(NewFile { path, bytes })
        })
        .collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

fn filled(path: &str, bytes: &[u8], filling: &Filling<'_>) -> Vec<u8> {
    let mut text = String::from_utf8_lossy(bytes).replace("{{name}}", filling.name);
    if FILLED.contains(&path) {
        text = text.replace("{{team}}", filling.team).replace("{{expires}}", &filling.expires.to_string());
    }
    text.into_bytes()
}

/// The manifest judges name and team: one rule, in one place.
fn judge(files: &[NewFile], filling: &Filling<'_>, today: Date) -> Result<(), Problem> {
    let manifest =
        files.iter().find(|file| file.path == MANIFEST).map(|file| file.bytes.as_slice()).unwrap_or_default();
    match Manifest::parse(manifest, today) {
        Ok(parsed) if parsed.manifest.app.name == filling.name && parsed.manifest.app.team.as_str() == filling.team => {
            Ok(())
        }
        Ok(_) => Err(bad_name("it would change the manifest around it", "choose another name")),
        Err(findings) => Err(findings.into_iter().next().map_or_else(
            || bad_name("a manifest cannot have it", "choose another name"),
            |finding| Problem::new(ProblemKind::Invalid, finding.code, finding.what, finding.why, finding.fix),
        )),
    }
}

fn bad_name(why: &str, fix: &str) -> Problem {
    Problem::new(ProblemKind::Invalid, "manifest.bad_name", "that cannot be a name", why, fix)
}

/// A name that somebody typed, without what a terminal would act on.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && *c != '`').collect()
}

fn unknown(template: &str, names: &BTreeSet<String>) -> Problem {
    let all: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    Problem::new(
        ProblemKind::NotFound,
        "template.unknown",
        format!("there is no template `{}`", plain(template)),
        format!("there are {}", all.join(", ")),
        "`bailiwick templates` says what each is",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filling<'a>(name: &'a str, team: &'a str) -> Filling<'a> {
        Filling { name, team, expires: jiff::civil::date(2027, 1, 31) }
    }

    const TODAY: Date = jiff::civil::date(2026, 11, 3);

    #[test]
    fn the_templates_that_the_product_promises() {
        assert_eq!(names().into_iter().collect::<Vec<_>>(), ["blank", "poll-notify", "tinypoll"]);
        for name in names() {
            assert!(says(&name).contains(' '), "{name} says nothing of itself");
        }
        assert_eq!(tier("tinypoll", TODAY), Some(Tier::Low));
        assert_eq!(tier("poll-notify", TODAY), Some(Tier::Medium));
    }

    #[test]
    fn a_new_app_is_whole_and_filled_in() {
        for template in names() {
            let files = files(&template, &filling("lunch", "it"), TODAY).unwrap();
            let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
            for needed in ["AGENTS.md", "README.md", "app.js", "bailiwick.d.ts", "bailiwick.toml", "public/style.css"] {
                assert!(paths.contains(&needed), "{template} lacks {needed}");
            }
            for file in &files {
                let text = String::from_utf8_lossy(&file.bytes);
                assert!(
                    !text.contains("{{name}}") && !text.contains("{{team}}") && !text.contains("{{expires}}"),
                    "{template}: {}",
                    file.path
                );
            }
        }
    }

    #[test]
    fn a_second_app_asks_for_a_secret_of_its_own() {
        let secrets = |name: &str| {
            let files = files("poll-notify", &filling(name, "it"), TODAY).unwrap();
            let manifest = files.iter().find(|file| file.path == MANIFEST).unwrap();
            let parsed = Manifest::parse(&manifest.bytes, TODAY).unwrap();
            parsed.manifest.secrets.into_values().map(|used| used.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            (secrets("lunch"), secrets("rooms")),
            (vec!["it/lunch-slack".into()], vec!["it/rooms-slack".into()])
        );
    }

    #[test]
    fn names_are_judged_as_the_manifest_judges_them() {
        for (name, team, code) in [
            ("Lunch", "it", "manifest.bad_name"),
            ("admin", "it", "manifest.reserved"),
            ("lunch--x", "it", "manifest.bad_name"),
            ("lünch", "it", "manifest.lookalike"),
            ("lunch", "everyone", "manifest.reserved"),
        ] {
            assert_eq!(files("blank", &filling(name, team), TODAY).unwrap_err().code, code, "{name} {team}");
        }
        for hostile in ["x\"\npurpose = \"y", "../x", "", "a\"]\n[connect.x]\nhost=\"evil.example"] {
            assert!(files("tinypoll", &filling(hostile, "it"), TODAY).is_err(), "{hostile}");
        }
        // A draft shows where it stands, as long as it stands in its own line.
        let draft = drafted("blank", &filling("admin", "it")).unwrap();
        let text = draft.iter().find(|file| file.path == MANIFEST).map(|file| file.bytes.clone()).unwrap();
        assert!(String::from_utf8(text).unwrap().contains("\"admin\""));
        assert_eq!(drafted("blank", &filling("x\"\npurpose = \"y", "it")).unwrap_err().code, "manifest.bad_name");
        assert_eq!(files("nope", &filling("lunch", "it"), TODAY).unwrap_err().code, "template.unknown");
        assert_eq!(files("shared", &filling("lunch", "it"), TODAY).unwrap_err().code, "template.unknown");
    }
}
