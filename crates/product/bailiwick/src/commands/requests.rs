//! `requests`: what waits for a person.

use super::Part;
use crate::{exit::Exit, invocation::Invocation, output::Form, typed::Typed, views::requests::RequestsView};
use model::Problem;

/// What is listed unless something else is asked for.
const WAITING: &str = "waiting";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which ones
    #[arg(long, default_value = WAITING, value_parser = [WAITING, "approved", "rejected", "void", "all"])]
    state: String,
    #[command(flatten)]
    part: Part,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let state = Some(args.state.as_str()).filter(|state| *state != WAITING);
    let typed = Typed::new("requests").with("state", state).limit(args.part.limit);
    let route = args.part.of(client.api(&["requests"])?.query("state", Some(args.state)));
    let mut document = invocation.during("asking", client.get(route)).await?;
    // For the next command alone.
    let by_machine = client.login().is_none() && invocation.output.form() == Form::Text;
    if let Some(fields) = document.as_object_mut().filter(|_| by_machine) {
        fields.insert("sign_in_at".to_owned(), client.place().origin().into());
    }
    typed.within(&mut document, invocation);
    invocation.output.show::<RequestsView>(&document)?;
    Ok(Exit::Done)
}
