//! `people`: who is here, in which groups.

use super::Part;
use crate::{
    exit::Exit,
    invocation::Invocation,
    typed::Typed,
    views::people::{AddedView, DisabledView, GroupsView, PeopleView, PersonView},
};
use model::Problem;
use serde_json::json;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum PeopleCommand {
    /// List who is here
    List(Part),
    /// Add someone; prints the one-time link that signs them in
    Add {
        email: String,
        /// A group that they join; may be given more than once
        #[arg(long = "group", value_name = "G")]
        groups: Vec<String>,
    },
    /// List the groups, or change someone's
    Groups {
        email: Option<String>,
        /// A group to join; may be given more than once
        #[arg(long, value_name = "G", requires = "email")]
        join: Vec<String>,
        /// A group to leave; may be given more than once
        #[arg(long, value_name = "G", requires = "email")]
        leave: Vec<String>,
        #[command(flatten)]
        part: Part,
    },
    /// Switch an account off for good: its sessions, tokens and links end at once, and its address stays taken
    Disable { email: String },
}

pub(crate) async fn run(command: PeopleCommand, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let output = &invocation.output;
    match command {
        PeopleCommand::List(part) => {
            let typed = Typed::new("people list").limit(part.limit);
            let people = client.get(part.of(client.api(&["people"])?));
            let mut document = invocation.during("asking", people).await?;
            typed.within(&mut document, invocation);
            output.show::<PeopleView>(&document)?;
        }
        PeopleCommand::Add { email, groups } => {
            let added = client.post(client.api(&["people"])?, json!({ "email": email, "groups": groups }));
            output.show::<AddedView>(&invocation.during("adding", added).await?)?;
        }
        PeopleCommand::Groups { email: None, part, .. } => {
            let people = client.get(part.of(client.api(&["people"])?));
            output.show::<GroupsView>(&invocation.during("asking", people).await?)?;
        }
        PeopleCommand::Groups { email: Some(email), join, leave, .. } => {
            let body = json!({ "email": email, "join": join, "leave": leave });
            let changed = client.post(client.api(&["people", "groups"])?, body);
            output.show::<PersonView>(&invocation.during("changing", changed).await?)?;
        }
        PeopleCommand::Disable { email } => {
            invocation.confirm_if_there(&format!("switch the account of `{email}` off for good"))?;
            let disabled = client.post(client.api(&["people", "disable"])?, json!({ "email": email }));
            output.show::<DisabledView>(&invocation.during("disabling", disabled).await?)?;
        }
    }
    Ok(Exit::Done)
}
