//! `revoke`: switches an app off, everywhere, at once. Asks nothing: whoever runs this is in a hurry.

use super::reason;
use crate::{exit::Exit, invocation::Invocation, views::receipt::ReceiptView};
use model::Problem;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app's name
    name: String,
    /// Why; the receipt and the record keep it
    #[arg(long, value_parser = reason)]
    why: String,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let route = client.api(&["apps", &args.name, "revoke"])?;
    let receipt = invocation.during("revoking", client.post(route, json!({ "why": args.why }))).await?;
    invocation.output.show::<ReceiptView>(&receipt)?;
    Ok(Exit::Done)
}
