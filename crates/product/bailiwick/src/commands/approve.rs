//! `approve`: a person's yes to a request.

use super::{deploy, reason};
use crate::{exit::Exit, invocation::Invocation};
use model::Problem;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The request's id, as `requests` and `deploy` show it
    id: String,
    /// Why; the record keeps it
    #[arg(long, value_parser = reason)]
    why: String,
    /// With the local credential alone: shown as EXCEPTION for ever
    #[arg(long)]
    break_glass: bool,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let route = client.api(&["requests", &args.id, "approve"])?;
    let body = json!({ "why": args.why, "break_glass": args.break_glass });
    let document = invocation.during("approving", client.post(route, body)).await?;
    deploy::say(&document, invocation)
}
