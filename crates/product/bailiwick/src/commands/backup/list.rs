//! `backup list`: what lies where `[backup]` of the server's configuration says.

use crate::{commands::Part, exit::Exit, invocation::Invocation, views::backup::ListView};
use model::Problem;

pub(crate) async fn run(part: Part, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let document = client.get(part.of(client.api(&["backups"])?)).await?;
    invocation.output.show::<ListView>(&document)?;
    Ok(Exit::Done)
}
