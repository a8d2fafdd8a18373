//! What was accepted when a database did not continue the record: how far it was known, how far it goes now.

use super::View;
use crate::page::{Page, short};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct RecoveredView {
    event: String,
    logs: Vec<Log>,
    environments: u64,
}

#[derive(Debug, Deserialize)]
struct Log {
    tenant: String,
    kept: Option<Head>,
    #[serde(default)]
    restored: bool,
    found: Head,
}

#[derive(Debug, Deserialize)]
struct Head {
    size: u64,
    root: String,
}

impl Head {
    fn words(&self) -> String {
        format!("{} events, root {}", self.size, short(&self.root))
    }
}

impl View for RecoveredView {
    fn show(&self, page: &mut Page) {
        page.line("accepted: the record goes on from what the database holds");
        for log in &self.logs {
            let known = match &log.kept {
                Some(kept) if log.restored => format!("known here {}; filled from a backup", kept.words()),
                Some(kept) => format!("known here {}", kept.words()),
                None if log.restored => "nothing was known here, since it was filled from a backup".to_owned(),
                None => "what was known here cannot be read any more".to_owned(),
            };
            page.under(format!("log {}: {known}; found {}", log.tenant, log.found.words()));
        }
        page.blank();
        page.line(format!(
            "{} environments of apps are switched off; sessions, links and approvals are void",
            self.environments
        ));
        page.line("everything else is as it was then: who was disabled since, which role or passkey was taken away, which secret was revoked, which app ended");
        page.under("look before you restore apps: `bailiwick people list`, `bailiwick secret list`, `bailiwick apps`");
        page.next(format!("bailiwick audit show {}", self.event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn both_heads() {
        let document = json!({ "event": "e1", "environments": 3, "logs": [{ "tenant": "main",
            "kept": { "size": 58, "root": "aa" }, "found": { "size": 40, "root": "bb" } }] });
        insta::assert_snapshot!(shown::<RecoveredView>(&document), @"
        accepted: the record goes on from what the database holds
          log main: known here 58 events, root aa; found 40 events, root bb

        3 environments of apps are switched off; sessions, links and approvals are void
        everything else is as it was then: who was disabled since, which role or passkey was taken away, which secret was revoked, which app ended
          look before you restore apps: `bailiwick people list`, `bailiwick secret list`, `bailiwick apps`
        next: bailiwick audit show e1
        ");
        let document = json!({ "event": "e1", "environments": 0, "logs": [{ "tenant": "main", "restored": true,
            "kept": { "size": 58, "root": "aa" }, "found": { "size": 40, "root": "bb" } }] });
        let said = shown::<RecoveredView>(&document);
        assert!(said.contains("known here 58 events, root aa; filled from a backup; found 40 events"), "{said}");
    }
}
