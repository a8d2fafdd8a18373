//! `audit list`: events, newest first.

use super::queries::filter_of;
use crate::{
    commands::LIST_DEFAULT, exit::Exit, invocation::Invocation, typed::Typed, views::events::EventsView, when,
};
use model::Problem;
use serde_json::{Map, Value, json};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Of this app
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// By this person, or about them
    #[arg(long, value_name = "EMAIL")]
    person: Option<String>,
    /// Of this kind, such as `app.revoke`
    #[arg(long)]
    action: Option<String>,
    /// On this secret, in any environment
    #[arg(long, value_name = "TEAM/NAME")]
    secret: Option<String>,
    /// Of one request, wherever it went
    #[arg(long, value_name = "TRACE_ID")]
    trace: Option<String>,
    /// Not before: a day, or a moment (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = when::typed)]
    since: Option<model::Timestamp>,
    /// Before: a day, or a moment (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = when::typed)]
    until: Option<model::Timestamp>,
    /// How it ended
    #[arg(long, value_parser = ["allowed", "denied", "failed"])]
    outcome: Option<String>,
    /// What a kept search asks for; what else is given goes before it
    #[arg(long, value_name = "NAME")]
    kept: Option<String>,
    /// Keep this search under a name
    #[arg(long, value_name = "NAME")]
    keep: Option<String>,
    /// Keep it for everyone who reads the record
    #[arg(long, requires = "keep")]
    shared: bool,
    #[arg(long, value_name = "N", default_value_t = LIST_DEFAULT)]
    limit: u32,
    /// Where an earlier list ended
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

impl Args {
    /// What is asked for, by the names of the parameters.
    fn filter(&self) -> Map<String, Value> {
        let fields = [
            ("app", self.app.clone()),
            ("person", self.person.clone()),
            ("action", self.action.clone()),
            ("secret", self.secret.clone()),
            ("trace", self.trace.clone()),
            ("since", self.since.map(|at| at.to_string())),
            ("until", self.until.map(|at| at.to_string())),
            ("outcome", self.outcome.clone()),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?)))).collect()
    }

    /// What asks for the same again; it is kept once.
    fn typed(&self) -> Typed {
        let kept = Typed::new("audit list").with("kept", self.kept.as_ref());
        let filter = self.filter();
        let typed = filter.iter().fold(kept, |typed, (name, value)| typed.with(name, value.as_str()));
        typed.limit(self.limit)
    }
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let mut filter = match &args.kept {
        Some(name) => filter_of(&client, name).await?,
        None => Map::new(),
    };
    filter.extend(args.filter());
    if let Some(name) = &args.keep {
        let body = json!({ "name": name, "shared": args.shared, "filter": filter });
        client.post(client.api(&["queries"])?, body).await?;
    }
    let typed = args.typed();
    let mut route = client.api(&["events"])?;
    for (name, value) in &filter {
        route = route.query(name, value.as_str());
    }
    let route = route.query("limit", Some(args.limit)).query("after", args.after);
    let mut document = invocation.during("asking", client.get(route)).await?;
    typed.within(&mut document, invocation);
    invocation.output.show::<EventsView>(&document)?;
    Ok(Exit::Done)
}
