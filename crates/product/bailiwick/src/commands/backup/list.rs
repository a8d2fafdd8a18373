//! `backup list`: what lies where `[backup]` of the server's configuration says.

use crate::{exit::Exit, invocation::Invocation, views::backup::ListView};
use model::Problem;

pub(crate) async fn run(invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let document = client.get(client.api(&["backups"])?).await?;
    invocation.output.show::<ListView>(&document)?;
    Ok(Exit::Done)
}
