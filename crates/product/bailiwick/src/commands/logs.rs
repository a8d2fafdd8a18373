//! `logs`: what an app printed, and what was refused to it; with `-f`, as it happens.

use super::LIST_DEFAULT;
use crate::{
    client::Client,
    events::Event,
    exit::Exit,
    invocation::Invocation,
    output::Form,
    views::lines::{LineView, LinesView},
};
use model::{Env, Problem};
use serde_json::Value;
use std::time::Duration;

/// Before a stream that ended is asked for again: the server ends each after some minutes, or is stopping.
const AGAIN: Duration = Duration::from_secs(1);
/// A line of a stream is a line of a log, which is cut at far less.
const LINE_MAX_BYTES: usize = 4 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app's name
    name: String,
    /// Go on as lines come
    #[arg(short, long)]
    follow: bool,
    #[arg(long, default_value_t = Env::Prod)]
    env: Env,
    /// Where an earlier list ended
    #[arg(long, value_name = "CURSOR", conflicts_with = "follow")]
    after: Option<u64>,
    #[arg(long, value_name = "N", default_value_t = LIST_DEFAULT)]
    limit: u32,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    if args.follow {
        return Ok(following(&args, invocation).await.unwrap_or_else(|problem| {
            invocation.output.problem_line(&problem);
            Exit::Refused
        }));
    }
    let client = invocation.client()?;
    let mut document = invocation.during("asking", page(&client, &args, args.after)).await?;
    if invocation.output.form() == Form::Text {
        sort(&mut document);
    }
    invocation.output.show::<LinesView>(&document)?;
    Ok(Exit::Done)
}

async fn following(args: &Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    tokio::select! {
        followed = follow(&client, args, invocation) => followed,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
    }
}

/// The newest lines, then each as it comes.
async fn follow(client: &Client, args: &Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let mut document = page(client, args, None).await?;
    sort(&mut document);
    let lines = document.get("lines").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for line in lines {
        invocation.output.show_line::<LineView>(line)?;
    }
    // Without one: all that come after there was none.
    let mut after = lines.last().and_then(seq).or(Some(0));
    loop {
        let route = client.api(&["apps", &args.name, "logs", "follow"])?;
        let mut events = client.events(route.query("env", Some(args.env)).query("after", after)).await?;
        while let Some(Event { id, data }) = events.next(LINE_MAX_BYTES).await? {
            let line = serde_json::from_str(&data).map_err(|_| Problem::internal())?;
            invocation.output.show_line::<LineView>(&line)?;
            after = id.parse().ok().or(after);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn page(client: &Client, args: &Args, after: Option<u64>) -> Result<Value, Problem> {
    let route = client.api(&["apps", &args.name, "logs"])?;
    client.get(route.query("env", Some(args.env)).query("after", after).query("limit", Some(args.limit))).await
}

/// Oldest first, as a terminal reads.
fn sort(document: &mut Value) {
    if let Some(lines) = document.get_mut("lines").and_then(Value::as_array_mut) {
        lines.sort_by_key(seq);
    }
}

fn seq(line: &Value) -> Option<u64> {
    line.get("seq").and_then(Value::as_u64)
}
