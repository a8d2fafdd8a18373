//! `audit queries`: searches that are kept under a name; `audit list --kept NAME` asks one again.

use crate::{client::Client, commands::Part, exit::Exit, invocation::Invocation, views::queries::QueriesView};
use model::{Problem, ProblemKind};
use serde_json::{Map, Value};

/// As many as the server gives at once.
const KEPT_MAX: u32 = 1_000;

pub(crate) async fn run(part: Part, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let document = invocation.during("asking", client.get(part.of(client.api(&["queries"])?))).await?;
    invocation.output.show::<QueriesView>(&document)?;
    Ok(Exit::Done)
}

/// What a kept search asks for: one's own goes before another's of the same name.
pub(super) async fn filter_of(client: &Client, name: &str) -> Result<Map<String, Value>, Problem> {
    let document = client.get(client.api(&["queries"])?.query("limit", Some(KEPT_MAX))).await?;
    let queries = document.get("queries").and_then(Value::as_array).cloned().unwrap_or_default();
    let named = |query: &&Value| query.get("name").and_then(Value::as_str) == Some(name);
    let own = |query: &Value| query.get("own") == Some(&Value::Bool(true));
    let found = queries.iter().filter(named).max_by_key(|query| own(query));
    let filter = found.and_then(|query| query.get("filter")).and_then(Value::as_object).cloned();
    filter.ok_or_else(|| {
        Problem::new(
            ProblemKind::NotFound,
            "query.unknown",
            format!("no search is kept as `{name}`"),
            "names are as they were written, and only your own and shared ones are yours to ask",
            "`bailiwick audit queries` lists them",
        )
    })
}
