//! `audit show`: one event in full.

use crate::{exit::Exit, invocation::Invocation, views::events::EventView};
use model::Problem;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The event's id
    id: String,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let document = invocation.during("asking", client.get(client.api(&["events", &args.id])?)).await?;
    invocation.output.show::<EventView>(&document)?;
    Ok(Exit::Done)
}
