//! A page that was sent as code: what an assistant often writes when it is asked for an app. It is served as it is, by the
//! profile `static`, and a machine can put it there.

use super::{MANIFEST, finding};
use crate::{MOCK_FOLDER, Unpacked};
use bytes::Bytes;
use model::{Edit, Finding, Manifest, Severity, manifest::Profile};

const ASSETS: &str = "public";
const INDEX: &str = "index.html";
/// What is left of the file: nothing runs it.
const LEFT: &str = "// Nothing runs here: the page is in PLACE.\n";

/// No module of JavaScript or TypeScript begins with `<`, and every page does.
pub(super) fn instead_of_code(manifest: &Manifest, unpacked: &Unpacked) -> Option<Finding> {
    let main = &manifest.runtime.main;
    if manifest.runtime.profile != Profile::Wasm || main.ends_with(".wasm") {
        return None;
    }
    let text = std::str::from_utf8(unpacked.get(main)?).ok()?;
    if !text.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
        return None;
    }
    let folder = manifest.runtime.assets.as_deref().unwrap_or(ASSETS).trim_end_matches('/');
    let place = format!("{folder}/{INDEX}");
    let found = finding(
        "code.page",
        Severity::Block,
        main,
        format!("`{main}` is a page, not code"),
        "`main` answers requests, in JavaScript or TypeScript; a page of HTML is served as it is, and needs none",
        format!(
            "move it to `{place}`, and write `profile = \"static\"` and `assets = \"{folder}\"` under `[runtime]` in `{MANIFEST}`"
        ),
    );
    let edits = edits(manifest, unpacked, text, &place).unwrap_or_default();
    Some(Finding { line: Some(1), column: Some(1), edits, ..found })
}

/// None where a page is there already or could not be, where a credential would be written anew, and where the manifest is not as most are.
fn edits(manifest: &Manifest, unpacked: &Unpacked, text: &str, place: &str) -> Option<Vec<Edit>> {
    const WASM: &str = "\"wasm\"";
    let main = &manifest.runtime.main;
    // Where the command leaves things out, something may stand that nobody saw.
    let unseen = place.split('/').any(Unpacked::is_left_out) || place.starts_with(&format!("{MOCK_FOLDER}/"));
    let fits = unpacked.with(place, Bytes::copy_from_slice(text.as_bytes())).is_ok();
    if unpacked.get(place).is_some() || unseen || !fits || scan::credentials(text.as_bytes()).hide(text) != text {
        return None;
    }
    let written = std::str::from_utf8(unpacked.get(MANIFEST)?).ok()?;
    let runtime = written.find("[runtime]")?;
    let key = runtime + written.get(runtime..)?.find("\nprofile")? + 1;
    let end = key + written.get(key..)?.find('\n')?;
    let value = key + written.get(key..end)?.find(WASM)?;
    let mut edits = vec![
        Edit::insert(place, 0, text),
        Edit::replace(main.as_str(), 0..text.len(), LEFT.replace("PLACE", place)),
        Edit::replace(MANIFEST, value..value + WASM.len(), "\"static\""),
    ];
    if manifest.runtime.assets.is_none() {
        edits.push(Edit::insert(MANIFEST, end + 1, format!("assets = \"{ASSETS}\"\n")));
    }
    Some(edits)
}
