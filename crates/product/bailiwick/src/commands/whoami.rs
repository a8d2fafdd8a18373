//! `whoami`: which server is meant, with which credential, and who that is there.

use crate::{exit::Exit, invocation::Invocation, place::Found, views::whoami::WhoamiView};
use model::Problem;
use serde_json::json;

pub(crate) async fn run(invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let mut document = invocation.during("asking", client.get(client.api(&["whoami"])?)).await?;
    let place = client.place();
    let found = match place.found {
        Found::Named => "named",
        Found::Login => "login",
        Found::Running => "running",
        Found::Demo => "demo",
        Found::Default => "default",
    };
    if let Some(fields) = document.as_object_mut() {
        fields.insert("server".into(), place.origin().into());
        fields.insert("found".into(), found.into());
        let credential = if client.login().is_some() { "login" } else { "local" };
        fields.insert("credential".into(), credential.into());
        fields.insert("data".into(), json!(place.data.as_ref().map(|data| data.display().to_string())));
    }
    invocation.output.show::<WhoamiView>(&document)?;
    Ok(Exit::Done)
}
