//! `apps`: the catalog.

use super::Part;
use crate::{exit::Exit, invocation::Invocation, typed::Typed, views::apps::AppsView};
use model::Problem;

pub(crate) async fn run(part: Part, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let typed = Typed::new("apps").limit(part.limit);
    let mut document = invocation.during("asking", client.get(part.of(client.api(&["apps"])?))).await?;
    typed.within(&mut document, invocation);
    invocation.output.show::<AppsView>(&document)?;
    Ok(Exit::Done)
}
