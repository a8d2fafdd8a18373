//! The engine's own tests: each file is an app whose `fetch` returns a list of named checks.

use crate::support::*;
use serde::Deserialize;
use std::{fs, path::Path};

#[derive(Deserialize)]
struct Check {
    name: String,
    ok: bool,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

#[tokio::test]
async fn the_engines_interfaces_behave_as_their_standards_say() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../engine/tests");
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "js"));
    files.sort();
    let mut failed = Vec::new();
    let mut passed = 0;
    for path in &files {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let app = app_of(&[("app.js", &fs::read_to_string(path).unwrap())]).await;
        let (_, body) = get(&app, "/").await;
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
