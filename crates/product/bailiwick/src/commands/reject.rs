//! `reject`: a person's no to a request.

use super::reason;
use crate::{exit::Exit, invocation::Invocation, views::deployed::RejectedView};
use model::Problem;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The request's id
    id: String,
    /// Why; whoever asked reads it
    #[arg(long, value_parser = reason)]
    why: String,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let route = client.api(&["requests", &args.id, "reject"])?;
    let document = invocation.during("rejecting", client.post(route, json!({ "why": args.why }))).await?;
    invocation.output.show::<RejectedView>(&document)?;
    Ok(Exit::Done)
}
