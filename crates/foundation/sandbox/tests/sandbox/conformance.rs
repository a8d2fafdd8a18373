//! The engine's own tests: each file is an app whose `fetch` returns a list of named checks.

use crate::{echo::answer, support::*};
use sandbox::Stop;
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

#[derive(Deserialize)]
struct Check {
    name: String,
    ok: bool,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

fn scripts(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "js"));
    files.sort();
    files
}

fn named(dir: &Path, path: &Path) -> (String, String) {
    (path.strip_prefix(dir).unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap())
}

#[tokio::test]
async fn the_engines_interfaces_behave_as_their_standards_say() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../engine/tests");
    let support: Vec<_> = scripts(&dir.join("support")).iter().map(|path| named(&dir, path)).collect();
    let (mut failed, mut passed) = (Vec::new(), 0);
    for path in scripts(&dir) {
        let main = named(&dir, &path);
        let file = main.0.clone();
        let files: Vec<_> = [main].into_iter().chain(support.clone()).collect();
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let app = app_of(&files).await;
        let door = TestDoor::open(answer);
        let outcome = app.run(run("/?x=1", Some(r#"{"hello":"world"}"#), limits(), &door, Stop::never())).await;
        let (_, body) = text(outcome.unwrap_or_else(|why| panic!("{file}: {why}\n{}", door.log_text()))).await;
        let checks: Vec<Check> = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{file}: {error}: {body}"));
        assert!(!checks.is_empty(), "{file} checks nothing");
        for check in checks {
            if check.ok {
                passed += 1;
            } else {
                failed.push(format!("{file}: {}: {:?}", check.name, check.error));
            }
        }
    }
    assert!(failed.is_empty() && passed > 0, "{passed} passed\n{}", failed.join("\n"));
}
