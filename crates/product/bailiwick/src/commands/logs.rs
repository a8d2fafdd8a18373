//! `logs`: what an app printed, and what was refused to it; with `-f`, as it happens.

use super::LIST_DEFAULT;
use crate::{
    client::Client,
    exit::Exit,
    invocation::Invocation,
    output::Form,
    views::lines::{LineView, LinesView},
};
use model::{Env, Problem};
use serde_json::Value;
use std::time::Duration;

/// Soon enough to feel live, seldom enough to cost nothing.
const POLL: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app's name
    name: String,
    /// Go on as lines come
    #[arg(short, long)]
    follow: bool,
    #[arg(long, default_value_t = Env::Prod)]
    env: Env,
    /// Lines after this one (`next` of an earlier answer)
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    #[arg(long, value_name = "N", default_value_t = LIST_DEFAULT)]
    limit: u32,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    if !args.follow {
        let mut document = invocation.during("asking", page(&client, &args, args.after)).await?;
        if invocation.output.form() == Form::Text {
            sort(&mut document);
        }
        invocation.output.show::<LinesView>(&document)?;
        return Ok(Exit::Done);
    }
    tokio::select! {
        followed = follow(&client, &args, invocation) => followed,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
    }
}

async fn follow(client: &Client, args: &Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let mut after = args.after;
    loop {
        let mut document = page(client, args, after).await?;
        sort(&mut document);
        let lines = document.get("lines").and_then(Value::as_array).cloned().unwrap_or_default();
        for line in &lines {
            invocation.output.show_line::<LineView>(line)?;
        }
        after = document.get("next").and_then(Value::as_u64).or(after);
        if lines.is_empty() {
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn page(client: &Client, args: &Args, after: Option<u64>) -> Result<Value, Problem> {
    let route = client.api(&["apps", &args.name, "logs"])?;
    client.get(route.query("env", Some(args.env)).query("after", after).query("limit", Some(args.limit))).await
}

/// Oldest first, as a terminal reads.
fn sort(document: &mut Value) {
    if let Some(lines) = document.get_mut("lines").and_then(Value::as_array_mut) {
        lines.sort_by_key(|line| line.get("seq").and_then(Value::as_u64));
    }
}
