//! Gates: every problem at once where that is possible, each finding with code, place, reason and way out.

use crate::house::{APP, House, Kind, manifest};
use catalog::{CheckDocument, Checked, Verdict};
use std::sync::Arc;

async fn check(files: &[(&str, &str)]) -> Result<Arc<Checked>, CheckDocument> {
    // The gates need no database; the house brings the clock.
    House::new(Kind::Sqlite).await.checked(files).await
}

fn codes(document: &CheckDocument) -> Vec<String> {
    assert_eq!(document.verdict, Verdict::Block);
    for finding in &document.findings {
        assert!(!finding.what.is_empty() && !finding.why.is_empty() && !finding.fix.is_empty(), "{finding:?}");
    }
    document.findings.iter().map(|finding| finding.code.clone()).collect()
}

#[tokio::test]
async fn an_app_without_its_parts_is_blocked_with_what_is_missing() {
    let text = manifest("poll", "");
    for (files, code) in [
        (&[("app.js", APP)][..], "manifest.missing"),
        (&[("bailiwick.toml", &text[..])], "bundle.main"),
        (&[("bailiwick.toml", &text), ("app.js", "export default { fetch() {")], "app.syntax"),
        (&[("bailiwick.toml", &text), ("app.js", "\u{feff} <!doctype html><script>fetch('/x')</script>")], "code.page"),
        (&[("bailiwick.toml", &text), ("app.js", "export const x = 1;")], ""),
        (&[("bailiwick.toml", &text), ("app.js", "import x from 'left-pad'; export default { fetch() {} };")], ""),
    ] {
        let document = check(files).await.unwrap_err();
        let found = codes(&document);
        assert_eq!(found.len(), 1, "{document:?}");
        assert!(code.is_empty() || code == "app.syntax" || found[0] == code, "{document:?}");
        assert!(document.findings[0].file.is_some(), "{document:?}");
    }
}

#[tokio::test]
async fn credentials_and_mistakes_of_the_manifest_are_told_together() {
    let token = format!("ghp_{}", "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5");
    let code = format!("const token = '{token}';\n{APP}");
    let text = manifest("Poll!", "[conect.x]\n[data.votes]\nretain = \"soon\"\n");
    let document = check(&[("bailiwick.toml", &text), ("lib/keys.js", &code), ("app.js", APP)]).await.unwrap_err();
    let found = codes(&document);
    assert!(found.iter().filter(|code| code.starts_with("manifest.")).count() >= 3, "{found:?}");
    let secret = document.findings.iter().find(|finding| finding.code == "secret.found").expect("the token");
    assert_eq!((secret.file.as_deref(), secret.line), (Some("lib/keys.js"), Some(1)));
    assert!(secret.fix.contains("secret put"), "{secret:?}");
    let said = serde_json::to_string(&document).unwrap();
    assert!(!said.contains(&token) && !said.contains(&token[8..24]), "{said}");
}

#[tokio::test]
async fn no_gate_quotes_a_credential() {
    let token = format!("ghp_{}", "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5");
    for more in [
        format!("[secrets.TOKEN]\nid = \"{token}\"\n"),
        format!("[secrets.{token}]\nid = \"staff/bot\"\n"),
        format!("[connect.x]\nhost = \"{token}\"\nmethods = [\"{token}\"]\npaths = [\"{token}\"]\nwhy = \"x\"\n"),
        format!("[jobs.x]\nschedule = \"{token}\"\nzone = \"{token}\"\n"),
        format!("{token} = 1\n"),
        format!("[limits]\nrows = \"{token}\"\nrequests = \"{token}\"\n"),
        format!("x = {token}\n"),
    ] {
        let document = check(&[("bailiwick.toml", &manifest("poll", &more)), ("app.js", APP)]).await.unwrap_err();
        let found = codes(&document);
        assert!(found.len() >= 2 && found.contains(&"secret.found".to_owned()), "{document:?}");
        let said = serde_json::to_string(&document).unwrap().to_ascii_lowercase();
        assert!(!said.contains(&token.to_ascii_lowercase()[..12]), "{more}: {said}");
    }
}

#[tokio::test]
async fn a_job_needs_its_handler_and_assets_their_folder() {
    let text = manifest("poll", "[jobs.remind]\nschedule = \"0 8 * * *\"\n");
    let document = check(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap_err();
    assert_eq!(codes(&document), ["job.no_handler"]);
    let handles = "export default { fetch() {}, scheduled() {} };";
    check(&[("bailiwick.toml", &text), ("app.js", handles)]).await.unwrap();
    let text = manifest("poll", "").replace("main = \"app.js\"\n", "main = \"app.js\"\nassets = \"public\"\n");
    let checked = check(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap();
    assert_eq!(checked.findings()[0].code, "bundle.assets");
    let files = [("bailiwick.toml", &text[..]), ("app.js", APP), ("public/a.css", "a{}"), ("publicity.txt", "x")];
    let checked = check(&files).await.unwrap();
    assert_eq!(checked.assets().map(|(path, _)| path.to_owned()).collect::<Vec<_>>(), ["a.css"]);
    assert!(checked.findings().is_empty(), "{:?}", checked.findings());
}
