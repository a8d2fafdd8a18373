//! Kept searches of the record.

use super::View;
use crate::{
    ink::Tone,
    page::{Cell, Page},
};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
pub(crate) struct QueriesView {
    queries: Vec<Query>,
}

#[derive(Debug, Deserialize)]
struct Query {
    name: String,
    shared: bool,
    own: bool,
    owner: String,
    filter: BTreeMap<String, String>,
}

impl View for QueriesView {
    fn show(&self, page: &mut Page) {
        let Some(first) = self.queries.first() else {
            page.line("no search is kept yet");
            page.next("bailiwick audit list --outcome denied --keep NAME");
            return;
        };
        let row = |query: &Query| {
            let asks: Vec<String> = query.filter.iter().map(|(field, value)| format!("{field} {value}")).collect();
            let whose = match (query.own, query.shared) {
                (true, true) => "yours, shared".to_owned(),
                (true, false) => "yours".to_owned(),
                (false, _) => format!("shared by {}", query.owner),
            };
            vec![Cell::new(Tone::Strong, query.name.as_str()), asks.join(", ").into(), whose.into()]
        };
        page.table(&["name", "asks for", "whose"], self.queries.iter().map(row).collect());
        page.next(format!("bailiwick audit list --kept '{}'", first.name.replace('\'', r"'\''")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn what_is_kept() {
        let document = json!({ "queries": [
            { "id": "q1", "name": "refused", "shared": true, "own": true, "owner": "ana@example.test", "filter": { "outcome": "denied" } },
            { "id": "q2", "name": "lunch", "shared": true, "own": false, "owner": "bo@example.test", "filter": { "app": "lunch", "action": "app.revoke" } },
        ] });
        insta::assert_snapshot!(shown::<QueriesView>(&document), @"
          name      asks for                       whose
          refused   outcome denied                 yours, shared
          lunch     action app.revoke, app lunch   shared by bo@example.test
        next: bailiwick audit list --kept 'refused'
        ");
        insta::assert_snapshot!(shown::<QueriesView>(&json!({ "queries": [] })), @"
        no search is kept yet
        next: bailiwick audit list --outcome denied --keep NAME
        ");
    }
}
