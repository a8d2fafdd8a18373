//! `app`: what one app may touch, what it holds, what it used.

use crate::{exit::Exit, invocation::Invocation, views::app::AppView};
use model::Problem;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app's name
    name: String,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let document = invocation.during("asking", client.get(client.api(&["apps", &args.name])?)).await?;
    invocation.output.show::<AppView>(&document)?;
    Ok(Exit::Done)
}
