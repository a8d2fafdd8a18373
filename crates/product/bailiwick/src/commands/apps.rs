//! `apps`: the catalog.

use crate::{exit::Exit, invocation::Invocation, views::apps::AppsView};
use model::Problem;

pub(crate) async fn run(invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let document = invocation.during("asking", client.get(client.api(&["apps"])?)).await?;
    invocation.output.show::<AppsView>(&document)?;
    Ok(Exit::Done)
}
