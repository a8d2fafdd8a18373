//! `deploy`: packs a folder and sends it. Always prints its document, a refusal's too.

use crate::{
    client::Sent,
    exit::Exit,
    invocation::Invocation,
    output::Form,
    place::is_loopback,
    views::deployed::DeployedView,
};
use catalog::Unpacked;
use model::{Env, Manifest, Problem};
use reqwest::Method;
use serde_json::{Value, json};
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
    let document = match deploy(&args, invocation).await {
        Ok(document) => document,
        Err(problem) => refused(&args, invocation, &problem),
    };
    say(&document, invocation)
}

/// Shows what became of a release, and which exit that is.
pub(super) fn say(document: &Value, invocation: &Invocation) -> Result<Exit, Problem> {
    let output = &invocation.output;
    output.show::<DeployedView>(document)?;
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

/// What the server would have said, as far as it can be told from here.
fn refused(args: &Args, invocation: &Invocation, problem: &Problem) -> Value {
    let name = name(&args.folder);
    let url = name.as_deref().and_then(|name| address(name, args.env, invocation));
    json!({
        "app": name, "app_id": null, "env": args.env, "release": null, "digest": null, "tier": null, "status": "refused",
        "url": url, "findings": [], "request": null, "event": null, "problem": problem,
    })
}

fn name(folder: &Path) -> Option<String> {
    let text = std::fs::read(folder.join(MANIFEST)).ok()?;
    Some(Manifest::reread(&text).ok()?.manifest.app.name)
}

/// On this machine the address follows from the name; elsewhere only the server knows its apps' domain.
fn address(name: &str, env: Env, invocation: &Invocation) -> Option<String> {
    let url = invocation.place().ok()?.url;
    let port = url.port_or_known_default().filter(|_| is_loopback(&url))?;
    let label = match env {
        Env::Prod => name.to_owned(),
        Env::Staging => format!("{name}--staging"),
    };
    Some(format!("http://{label}.localhost:{port}"))
}
