//! `recover`: accepts a database that does not continue the record. Everything stays off until somebody says why.

use super::reason;
use crate::{exit::Exit, invocation::Invocation, views::recovered::RecoveredView};
use model::Problem;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Why the database is not the one that was; the record keeps it
    #[arg(long, value_parser = reason)]
    why: String,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let asked = client.post(client.api(&["recover"])?, json!({ "why": args.why }));
    let document = invocation.during("accepting", asked).await?;
    invocation.output.show::<RecoveredView>(&document)?;
    Ok(Exit::Done)
}
