//! `apps`: the catalog.

use super::Part;
use crate::{exit::Exit, invocation::Invocation, views::apps::AppsView};
use model::Problem;

pub(crate) async fn run(part: Part, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let document = invocation.during("asking", client.get(part.of(client.api(&["apps"])?))).await?;
    invocation.output.show::<AppsView>(&document)?;
    Ok(Exit::Done)
}
