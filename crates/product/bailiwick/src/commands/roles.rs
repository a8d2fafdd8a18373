//! `roles`: ask for one until a day; give it to somebody else, or refuse it.

use super::reason;
use crate::{
    exit::Exit,
    invocation::Invocation,
    views::roles::{RefusedView, RoleView, RolesView},
};
use model::Problem;
use serde_json::json;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum RolesCommand {
    /// List the roles that somebody asks for
    List,
    /// Ask for a role until the end of a day
    Ask {
        #[arg(value_parser = ["builders", "reviewers", "operators", "auditors"])]
        role: String,
        /// The last day, `2026-12-01`, by UTC
        #[arg(long, value_name = "DAY")]
        until: String,
        /// What you need to do with it
        #[arg(long, value_parser = reason)]
        why: String,
    },
    /// Give a role that somebody else asks for
    Grant {
        /// The request's id
        id: String,
    },
    /// Refuse it
    Refuse {
        /// The request's id
        id: String,
    },
}

pub(crate) async fn run(command: RolesCommand, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let output = &invocation.output;
    match command {
        RolesCommand::List => {
            let roles = client.get(client.api(&["roles"])?);
            output.show::<RolesView>(&invocation.during("asking", roles).await?)?;
        }
        RolesCommand::Ask { role, until, why } => {
            let body = json!({ "role": role, "until": until, "why": why });
            let asked = client.post(client.api(&["roles"])?, body);
            output.show::<RoleView>(&invocation.during("asking", asked).await?)?;
            return Ok(Exit::Waiting);
        }
        RolesCommand::Grant { id } => {
            let granted = client.post(client.api(&["roles", &id, "grant"])?, json!({}));
            output.show::<RoleView>(&invocation.during("giving", granted).await?)?;
        }
        RolesCommand::Refuse { id } => {
            let refused = client.post(client.api(&["roles", &id, "refuse"])?, json!({}));
            output.show::<RefusedView>(&invocation.during("refusing", refused).await?)?;
        }
    }
    Ok(Exit::Done)
}
