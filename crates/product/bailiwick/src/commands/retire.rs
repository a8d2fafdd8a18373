//! `retire`: an app's end. Its data goes, its record stays.

use crate::{exit::Exit, invocation::Invocation, views::app::RetiredView};
use model::Problem;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app's name
    name: String,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let route = client.api(&["apps", &args.name, "retire"])?;
    invocation.confirm(&format!("end `{}` for good and delete its data", args.name))?;
    let document = invocation.during("retiring", client.post(route, json!({}))).await?;
    invocation.output.show::<RetiredView>(&document)?;
    Ok(Exit::Done)
}
