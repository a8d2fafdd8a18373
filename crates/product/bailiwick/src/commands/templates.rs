//! `templates`: what `new` can begin from.

use crate::{commands::Part, exit::Exit, invocation::Invocation, views::templates::TemplatesView};
use jiff::tz::TimeZone;
use model::{Problem, ProblemKind};
use serde_json::{Value, json};
use server::template;

pub(crate) fn run(part: Part, invocation: &Invocation) -> Result<Exit, Problem> {
    let today = invocation.now().to_jiff().to_zoned(TimeZone::UTC).date();
    let one =
        |name: String| json!({ "name": name, "tier": template::tier(&name, today), "says": template::says(&name) });
    let mut names: Vec<String> = template::names().into_iter().collect();
    if let Some(after) = &part.after {
        let from = names.iter().position(|name| name == after).ok_or_else(|| unknown(after))?;
        names.drain(..=from);
    }
    let limit = usize::try_from(part.limit.max(1)).unwrap_or(usize::MAX);
    let more = names.len() > limit;
    names.truncate(limit);
    let next = names.last().filter(|_| more).cloned();
    let templates: Vec<Value> = names.into_iter().map(one).collect();
    invocation.output.show::<TemplatesView>(&json!({ "templates": templates, "next": next }))?;
    Ok(Exit::Done)
}

fn unknown(after: &str) -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "template.after",
        format!("there is no template `{after}`"),
        "a list goes on after an entry that it has",
        "begin again without `--after`",
    )
}
