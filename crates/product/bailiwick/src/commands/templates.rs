//! `templates`: what `new` can begin from.

use crate::{exit::Exit, invocation::Invocation, views::templates::TemplatesView};
use jiff::tz::TimeZone;
use model::Problem;
use serde_json::{Value, json};
use server::template;

pub(crate) fn run(invocation: &Invocation) -> Result<Exit, Problem> {
    let today = invocation.now().to_jiff().to_zoned(TimeZone::UTC).date();
    let one =
        |name: String| json!({ "name": name, "tier": template::tier(&name, today), "says": template::says(&name) });
    let templates: Vec<Value> = template::names().into_iter().map(one).collect();
    invocation.output.show::<TemplatesView>(&json!({ "templates": templates }))?;
    Ok(Exit::Done)
}
