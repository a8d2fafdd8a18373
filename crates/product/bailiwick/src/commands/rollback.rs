//! `rollback`: an earlier release serves again.

use super::deploy;
use crate::{exit::Exit, invocation::Invocation};
use model::{Env, Problem};
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app's name
    name: String,
    /// The release that is to serve [default: the one before]
    #[arg(long, value_name = "RELEASE")]
    to: Option<u32>,
    #[arg(long, default_value_t = Env::Prod)]
    env: Env,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let route = client.api(&["apps", &args.name, "rollback"])?;
    let body = json!({ "to": args.to, "env": args.env });
    let document = invocation.during("rolling back", client.post(route, body)).await?;
    deploy::say(&document, invocation)
}
