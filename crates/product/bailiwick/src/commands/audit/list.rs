//! `audit list`: events, newest first.

use crate::{commands::LIST_DEFAULT, exit::Exit, invocation::Invocation, views::events::EventsView};
use model::Problem;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Of this app
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// By this person
    #[arg(long, value_name = "EMAIL")]
    person: Option<String>,
    /// Of this kind, such as `app.revoke`
    #[arg(long)]
    action: Option<String>,
    /// Of one request, wherever it went
    #[arg(long, value_name = "TRACE_ID")]
    trace: Option<String>,
    /// Not before (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<model::Timestamp>,
    /// Before (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<model::Timestamp>,
    /// How it ended
    #[arg(long, value_parser = ["allowed", "denied", "failed"])]
    outcome: Option<String>,
    #[arg(long, value_name = "N", default_value_t = LIST_DEFAULT)]
    limit: u32,
    /// Where an earlier list ended
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let route = client
        .api(&["events"])?
        .query("app", args.app)
        .query("person", args.person)
        .query("action", args.action)
        .query("trace", args.trace)
        .query("since", args.since)
        .query("until", args.until)
        .query("outcome", args.outcome)
        .query("limit", Some(args.limit))
        .query("after", args.after);
    let document = invocation.during("asking", client.get(route)).await?;
    invocation.output.show::<EventsView>(&document)?;
    Ok(Exit::Done)
}
