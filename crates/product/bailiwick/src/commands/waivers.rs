//! `waivers`: agree to an exception to one rule for one app, until a day; see which there are, and end one.

use super::{Part, reason};
use crate::{
    exit::Exit,
    invocation::Invocation,
    typed::Typed,
    views::waivers::{WaiverView, WaiversView},
};
use model::Problem;
use serde_json::json;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum WaiversCommand {
    /// List what is waived, and what was
    List {
        /// Only those of this app
        #[arg(long, value_name = "NAME")]
        app: Option<String>,
        #[command(flatten)]
        part: Part,
    },
    /// Agree to an exception to one rule for one app
    Grant {
        /// The app's name
        app: String,
        /// The rule, as a refusal names it: `policy.retention`
        rule: String,
        /// The last day, `2026-12-01`, by UTC; within 90 days
        #[arg(long, value_name = "DAY")]
        until: String,
        /// Why the app may break the rule; shown with the exception
        #[arg(long, value_parser = reason)]
        why: String,
        /// Whose the app will be, while nothing of that name was deployed
        #[arg(long)]
        team: Option<String>,
        /// With the local credential alone: shown as EXCEPTION for ever
        #[arg(long)]
        break_glass: bool,
    },
    /// End a waiver before its day
    End {
        /// The waiver's id, as `list` shows it
        id: String,
        /// Why; the record keeps it
        #[arg(long, value_parser = reason)]
        why: String,
    },
}

pub(crate) async fn run(command: WaiversCommand, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let output = &invocation.output;
    match command {
        WaiversCommand::List { app, part } => {
            let typed = Typed::new("waivers list").with("app", app.as_ref()).limit(part.limit);
            let route = part.of(client.api(&["waivers"])?).query("app", app);
            let mut document = invocation.during("asking", client.get(route)).await?;
            typed.within(&mut document, invocation);
            output.show::<WaiversView>(&document)?;
        }
        WaiversCommand::Grant { app, rule, until, why, team, break_glass } => {
            let body = json!({
                "app": app, "code": rule, "until": until, "why": why, "team": team, "break_glass": break_glass,
            });
            let granted = client.post(client.api(&["waivers"])?, body);
            output.show::<WaiverView>(&invocation.during("agreeing", granted).await?)?;
        }
        WaiversCommand::End { id, why } => {
            let ended = client.post(client.api(&["waivers", &id, "end"])?, json!({ "why": why }));
            output.show::<WaiverView>(&invocation.during("ending it", ended).await?)?;
        }
    }
    Ok(Exit::Done)
}
