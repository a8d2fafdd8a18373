//! Who the server takes the caller for, and which server that is.

use super::View;
use crate::{
    ink::Tone,
    page::{Cell, Page},
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct WhoamiView {
    caller: String,
    name: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    tenant: Option<String>,
    server: String,
    found: String,
    credential: String,
    data: Option<String>,
}

impl View for WhoamiView {
    fn show(&self, page: &mut Page) {
        let name = page.paint(Tone::Strong, self.name.as_deref().unwrap_or(&self.caller));
        page.line(format!("{name}  {}", self.caller));
        let found = match self.found.as_str() {
            "named" => "as named",
            "login" => "the newest login",
            "running" => "it runs from the data folder",
            "demo" => "the demo: nothing runs from the default data folder",
            _ => "the default address",
        };
        let groups = Some(self.groups.join(", ")).filter(|groups| !groups.is_empty());
        let facts = [
            ("groups", groups.map(Cell::from)),
            ("tenant", self.tenant.as_deref().map(Cell::from)),
            ("server", Some(format!("{} ({found})", self.server).into())),
            ("credential", Some(self.credential.as_str().into())),
            ("data folder", self.data.as_deref().map(Cell::from)),
        ];
        page.facts(facts.into_iter().filter_map(|(label, cell)| Some((label, cell?))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn the_machine_at_the_demo() {
        let document = json!({ "caller": "machine", "name": "root", "groups": [], "tenant": "main", "server": "http://localhost:7070",
            "found": "demo", "credential": "local", "data": "/home/ana/.local/share/bailiwick-demo" });
        insta::assert_snapshot!(shown::<WhoamiView>(&document), @"
        root  machine
          tenant        main
          server        http://localhost:7070 (the demo: nothing runs from the default data folder)
          credential    local
          data folder   /home/ana/.local/share/bailiwick-demo
        ");
    }
}
