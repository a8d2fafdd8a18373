//! `notices`: what was sent to whom, warnings that somebody takes on, and a test.

use super::Part;
use crate::{
    exit::Exit,
    invocation::Invocation,
    typed::Typed,
    views::notices::{NoticesView, TestedView, WarningView},
};
use model::{NoticeKind, Problem};
use serde_json::{Value, json};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum NoticesCommand {
    /// List what was sent to whom, and what nobody has taken on
    List {
        /// Only those that wait, were sent or failed
        #[arg(long, value_parser = ["waiting", "sent", "failed"])]
        state: Option<String>,
        /// Only those about this
        #[arg(long, value_parser = NoticeKind::ALL.map(NoticeKind::as_str))]
        kind: Option<String>,
        #[command(flatten)]
        part: Part,
    },
    /// Take on what you were warned of, so that nobody else is asked
    Ack {
        /// The event that a warning names
        event: String,
    },
    /// Send yourself one, by every way that there is
    Test,
}

pub(crate) async fn run(command: NoticesCommand, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let output = &invocation.output;
    match command {
        NoticesCommand::List { state, kind, part } => {
            let typed = Typed::new("notices list").with("state", state.as_ref()).with("kind", kind.as_ref());
            let typed = typed.limit(part.limit);
            let route = client.api(&["notices"])?.query("state", state).query("kind", kind);
            let mut document = invocation.during("asking", client.get(part.of(route))).await?;
            typed.within(&mut document, invocation);
            output.show::<NoticesView>(&document)?;
        }
        NoticesCommand::Ack { event } => {
            let route = client.api(&["notices", &event, "ack"])?;
            let document = invocation.during("asking", client.post(route, json!({}))).await?;
            output.show::<WarningView>(&document)?;
        }
        NoticesCommand::Test => {
            let route = client.api(&["notices", "test"])?;
            let document = invocation.during("sending", client.post(route, json!({}))).await?;
            output.show::<TestedView>(&document)?;
            let tested = document.get("tested").and_then(Value::as_array);
            let works = |one: &Value| one.get("ok") == Some(&Value::Bool(true));
            if !tested.is_some_and(|tested| !tested.is_empty() && tested.iter().all(works)) {
                return Ok(Exit::Refused);
            }
        }
    }
    Ok(Exit::Done)
}
