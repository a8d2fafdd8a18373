//! `restore`: an app serves again, with new credentials; or waits for a person who agrees to it once more.

use super::reason;
use crate::{exit::Exit, invocation::Invocation, views::app::RestoredView};
use model::Problem;
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app's name
    name: String,
    /// Why; the record keeps it
    #[arg(long, value_parser = reason)]
    why: String,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let route = client.api(&["apps", &args.name, "restore"])?;
    let document = invocation.during("restoring", client.post(route, json!({ "why": args.why }))).await?;
    invocation.output.show::<RestoredView>(&document)?;
    let waits = document.get("status").and_then(Value::as_str) == Some("waiting");
    Ok(if waits { Exit::Waiting } else { Exit::Done })
}
