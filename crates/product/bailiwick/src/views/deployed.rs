//! What became of a deploy, an approval or a rollback; and of a rejection.

use super::{View, findings};
use crate::{ink::Tone, page::Page};
use model::{Finding, Tier};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct DeployedView {
    app: Option<String>,
    env: Option<String>,
    release: Option<u32>,
    tier: Option<Tier>,
    status: String,
    url: Option<String>,
    #[serde(default)]
    findings: Vec<Finding>,
    request: Option<String>,
    approval: Option<Approval>,
    /// What was to be deployed; in text alone.
    #[serde(default)]
    folder: Option<String>,
    /// The caller is `machine`; in text alone.
    #[serde(default)]
    by_machine: bool,
}

#[derive(Debug, Deserialize)]
struct Approval {
    exception: Option<String>,
    #[serde(default)]
    dependence: Vec<String>,
}

impl View for DeployedView {
    fn show(&self, page: &mut Page) {
        findings::show(page, &self.findings);
        let state = page.state(&self.status);
        let app = page.paint(Tone::Strong, self.named());
        let env = self.env.clone();
        let release = self.release.map(|release| format!("release {release}"));
        let tier = self.tier.map(|tier| format!("{tier} tier"));
        let facts: Vec<String> = env.into_iter().chain(release).chain(tier).collect();
        page.line(format!("{state}  {app}  {}", facts.join(", ")));
        let approval = self.approval.as_ref();
        if let Some(exception) = approval.and_then(|approval| approval.exception.as_ref()) {
            let words = page.paint(Tone::Bad, &format!("EXCEPTION: {exception}"));
            page.under(words);
        }
        if let Some(approval) = approval.filter(|approval| !approval.dependence.is_empty()) {
            let shared = approval.dependence.join(", ");
            let words = format!("NOT INDEPENDENT: the approver has {shared} from whoever asked");
            let words = page.paint(Tone::Bad, &words);
            page.under(words);
        }
        match (self.status.as_str(), &self.url, &self.request) {
            ("live", Some(url), _) => {
                page.under(url);
                if let Some(app) = &self.app {
                    page.next(format!("bailiwick app {app}"));
                }
            }
            ("waiting", url, Some(request)) => {
                if self.by_machine {
                    page.under(
                        "a person has to agree first, in the console; or, by an exception that is shown for ever,",
                    );
                    page.under(format!("`bailiwick approve {request} --why \"…\" --break-glass`"));
                } else {
                    page.under("somebody else than who deployed has to agree first, in the console or with");
                    page.under(format!("`bailiwick approve {request} --why \"…\"`"));
                }
                if let Some(url) = url {
                    page.under(format!("then it serves at {url}"));
                }
                page.next("bailiwick requests");
            }
            ("refused", ..) => page.under("nothing was changed"),
            (_, Some(url), _) => page.under(url),
            _ => {}
        }
    }
}

impl DeployedView {
    /// The app; or the folder that was meant, where no manifest could be read there.
    fn named(&self) -> &str {
        let folder = self.folder.as_deref().filter(|folder| *folder != ".");
        self.app.as_deref().or(folder).unwrap_or("the app")
    }
}

/// A request that was turned down.
#[derive(Debug, Deserialize)]
pub(crate) struct RejectedView {
    request: String,
    state: String,
}

impl View for RejectedView {
    fn show(&self, page: &mut Page) {
        let state = page.state(&self.state);
        page.line(format!("{state}  request {}", self.request));
        page.under("nothing was changed: what served before still serves");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn live() {
        let document = json!({ "app": "tinypoll", "app_id": "a1", "env": "prod", "release": 3, "digest": "sha256:…", "tier": "low",
            "status": "live", "url": "http://tinypoll.localhost:7070", "findings": [], "request": null, "event": "e1" });
        insta::assert_snapshot!(shown::<DeployedView>(&document), @"
        ● live  tinypoll  prod, release 3, low tier
          http://tinypoll.localhost:7070
        next: bailiwick app tinypoll
        ");
    }

    #[test]
    fn waiting() {
        let mut document = json!({ "app": "poll-notify", "env": "prod", "release": 1, "tier": "medium", "status": "waiting",
            "url": "http://poll-notify.localhost:7070", "findings": [], "request": "0192f0c4a1b27c3d8e9f001122334455" });
        insta::assert_snapshot!(shown::<DeployedView>(&document), @r#"
        ◌ waiting  poll-notify  prod, release 1, medium tier
          somebody else than who deployed has to agree first, in the console or with
          `bailiwick approve 0192f0c4a1b27c3d8e9f001122334455 --why "…"`
          then it serves at http://poll-notify.localhost:7070
        next: bailiwick requests
        "#);
        document["by_machine"] = json!(true);
        insta::assert_snapshot!(shown::<DeployedView>(&document), @r#"
        ◌ waiting  poll-notify  prod, release 1, medium tier
          a person has to agree first, in the console; or, by an exception that is shown for ever,
          `bailiwick approve 0192f0c4a1b27c3d8e9f001122334455 --why "…" --break-glass`
          then it serves at http://poll-notify.localhost:7070
        next: bailiwick requests
        "#);
    }

    #[test]
    fn refused() {
        let document = json!({ "app": null, "env": "prod", "status": "refused", "findings": [
            { "code": "manifest.unknown_key", "severity": "block", "file": "bailiwick.toml", "line": 9, "column": 1,
              "what": "`profil` is not a key of `[runtime]`", "why": "unknown keys are refused", "fix": "write `profile`" }] });
        insta::assert_snapshot!(shown::<DeployedView>(&document), @"
        error[manifest.unknown_key]: `profil` is not a key of `[runtime]`
           at: bailiwick.toml:9:1
          why: unknown keys are refused
          fix: write `profile`

        ✕ refused  the app  prod
          nothing was changed
        ");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let mut document = json!({ "app": null, "env": "prod", "status": "refused", "folder": "luncj" });
        insta::assert_snapshot!(shown::<DeployedView>(&document), @"
        ✕ refused  luncj  prod
          nothing was changed
        ");
        document["folder"] = json!(".");
        assert!(shown::<DeployedView>(&document).starts_with("✕ refused  the app  prod"));
        document["app"] = json!("lunch");
        assert!(shown::<DeployedView>(&document).starts_with("✕ refused  lunch  prod"));
    }

    #[test]
    fn rejected() {
        insta::assert_snapshot!(shown::<RejectedView>(&json!({ "request": "0192", "state": "rejected" })), @"
        ✕ sent back  request 0192
          nothing was changed: what served before still serves
        ");
    }
}
