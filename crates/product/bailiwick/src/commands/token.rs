//! `token`: a short-lived token with which a script may call an app, as whoever asked for it.

use crate::{exit::Exit, invocation::Invocation, views::lines::TokenView, when};
use model::{Env, Problem, Timestamp};
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app's name
    name: String,
    #[arg(long, default_value_t = Env::Prod)]
    env: Env,
    /// How long it lives [default: 600]
    #[arg(long, value_name = "N")]
    seconds: Option<u32>,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let route = client.api(&["apps", &args.name, "token"])?;
    let document = client.post(route, json!({ "env": args.env, "seconds": args.seconds })).await?;
    invocation.output.show::<TokenView>(&document)?;
    let expires = document.get("expires_at").and_then(Value::as_str).and_then(|at| at.parse::<Timestamp>().ok());
    if let Some(expires) = expires {
        let ends = when::relative(expires, invocation.now());
        invocation.output.say(&format!("ends {ends}; send it as `Authorization: Bearer`"));
    }
    Ok(Exit::Done)
}
