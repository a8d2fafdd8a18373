//! `requests`: what waits for a person.

use super::Part;
use crate::{exit::Exit, invocation::Invocation, output::Form, views::requests::RequestsView};
use model::Problem;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which ones
    #[arg(long, default_value = "waiting", value_parser = ["waiting", "approved", "rejected", "void", "all"])]
    state: String,
    #[command(flatten)]
    part: Part,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let route = args.part.of(client.api(&["requests"])?.query("state", Some(args.state)));
    let mut document = invocation.during("asking", client.get(route)).await?;
    // For the next command alone.
    let by_machine = client.login().is_none() && invocation.output.form() == Form::Text;
    if let Some(fields) = document.as_object_mut().filter(|_| by_machine) {
        fields.insert("sign_in_at".to_owned(), client.place().origin().into());
    }
    invocation.output.show::<RequestsView>(&document)?;
    Ok(Exit::Done)
}
