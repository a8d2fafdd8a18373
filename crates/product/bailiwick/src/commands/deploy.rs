//! `deploy`: packs a folder and sends it. Always prints its document, a refusal's too.

use crate::{
    client::{Client, Sent},
    exit::Exit,
    invocation::Invocation,
    output::Form,
    views::deployed::DeployedView,
};
use catalog::Unpacked;
use model::{Env, Manifest, Problem};
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

const MANIFEST: &str = "bailiwick.toml";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where to: `staging` has an address, secrets and data of its own
    #[arg(long, default_value_t = Env::Prod)]
    env: Env,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let mut document = deploy(&args, invocation).await.unwrap_or_else(|problem| refused(args.env, &problem));
    fill(&mut document, &args, invocation).await;
    // For a person alone, where no manifest names the app.
    if let Some(fields) = document.as_object_mut().filter(|_| invocation.output.form() == Form::Text) {
        fields.insert("folder".to_owned(), json!(args.folder.display().to_string()));
    }
    say(&document, invocation)
}

/// Shows what became of a release, and which exit that is.
pub(super) fn say(document: &Value, invocation: &Invocation) -> Result<Exit, Problem> {
    let output = &invocation.output;
    let mut shown = document.clone();
    // For the next command alone: `machine` agrees only by an exception.
    let by_machine = output.form() == Form::Text && invocation.client().is_ok_and(|client| client.login().is_none());
    if let Some(fields) = shown.as_object_mut().filter(|_| by_machine) {
        fields.insert("by_machine".to_owned(), Value::Bool(true));
    }
    output.show::<DeployedView>(&shown)?;
    let problem = document.get("problem").cloned().and_then(|problem| serde_json::from_value::<Problem>(problem).ok());
    if let Some(problem) = problem.filter(|_| output.form() == Form::Text) {
        output.problem(&problem);
    }
    Ok(match document.get("status").and_then(Value::as_str) {
        Some("live") => Exit::Done,
        Some("waiting") => Exit::Waiting,
        _ => Exit::Refused,
    })
}

async fn deploy(args: &Args, invocation: &Invocation) -> Result<Value, Problem> {
    let archive = Unpacked::from_folder(&args.folder)?.pack()?;
    let client = invocation.client()?;
    let route = client.api(&["deploy"])?.query("env", Some(args.env));
    let answer = invocation.during("deploying", client.send(Method::POST, route, Sent::Archive(archive))).await?;
    // A refused release is a document too; its `status` is a word, where a problem's is a number.
    if answer.document.get("status").is_some_and(Value::is_string) { Ok(answer.document) } else { answer.accepted() }
}

/// The document of a deploy that went no further than this.
fn refused(env: Env, problem: &Problem) -> Value {
    json!({
        "app": null, "app_id": null, "env": env, "release": null, "digest": null, "tier": null, "status": "refused",
        "url": null, "findings": [], "request": null, "event": null, "problem": problem,
    })
}

/// What was refused here never reached the server, which names app and address: the name is read here, and the server is
/// asked where an app of that name serves. It alone knows.
async fn fill(document: &mut Value, args: &Args, invocation: &Invocation) {
    let Some(fields) = document.as_object_mut() else { return };
    let missing = |fields: &Map<String, Value>, field: &str| fields.get(field).is_none_or(Value::is_null);
    if missing(fields, "app") {
        fields.insert("app".to_owned(), json!(name(&args.folder)));
    }
    let name = fields.get("app").and_then(Value::as_str).filter(|_| missing(fields, "url"));
    if let Some(name) = name {
        let url = address(name, args.env, invocation).await;
        fields.insert("url".to_owned(), json!(url));
    }
}

fn name(folder: &Path) -> Option<String> {
    Manifest::name_in(&std::fs::read(folder.join(MANIFEST)).ok()?)
}

async fn address(name: &str, env: Env, invocation: &Invocation) -> Option<String> {
    let client = invocation.client().ok().filter(Client::has_credential)?;
    let apps = client.get(client.api(&["whoami"]).ok()?).await.ok()?;
    let label = match env {
        Env::Prod => name.to_owned(),
        Env::Staging => format!("{name}--staging"),
    };
    Some(apps.get("apps")?.as_str()?.replacen("NAME", &label, 1))
}
