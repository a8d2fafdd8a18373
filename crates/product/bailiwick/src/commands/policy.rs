//! `policy`: what is in force. Testing and explaining come later.

use super::later;
use crate::{exit::Exit, invocation::Invocation, views::policy::PolicyView};
use model::Problem;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum PolicyCommand {
    /// List the files in force
    List,
    /// Try a policy on recorded acts
    Test,
    /// Say why an act was allowed or denied
    Explain,
}

pub(crate) async fn run(command: PolicyCommand, invocation: &Invocation) -> Result<Exit, Problem> {
    match command {
        PolicyCommand::List => {
            let client = invocation.client()?;
            let document = invocation.during("asking", client.get(client.api(&["policy"])?)).await?;
            invocation.output.show::<PolicyView>(&document)?;
            Ok(Exit::Done)
        }
        PolicyCommand::Test => Err(later(
            "policy.later",
            "policies cannot be tried yet",
            "try it on a server of its own, with `up --data DIR`",
        )),
        PolicyCommand::Explain => Err(later(
            "policy.later",
            "decisions cannot be explained yet",
            "each refusal names its rule; `bailiwick audit show ID` has it",
        )),
    }
}
