//! `deploy`: packs a folder and sends it. Always prints its document, a refusal's too.

use crate::{
    client::Sent, exit::Exit, invocation::Invocation, output::Form, place::is_loopback, views::deployed::DeployedView,
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
    let mut document = deploy(&args, invocation).await.unwrap_or_else(|problem| refused(args.env, &problem));
    fill(&mut document, &args, invocation);
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

/// The document of a deploy that went no further than this.
fn refused(env: Env, problem: &Problem) -> Value {
    json!({
        "app": null, "app_id": null, "env": env, "release": null, "digest": null, "tier": null, "status": "refused",
        "url": null, "findings": [], "request": null, "event": null, "problem": problem,
    })
}

/// Whoever refuses early has not read the manifest: name and address are always there, as far as they can be told.
fn fill(document: &mut Value, args: &Args, invocation: &Invocation) {
    let Some(fields) = document.as_object_mut() else { return };
    if fields.get("app").is_none_or(Value::is_null) {
        fields.insert("app".to_owned(), json!(name(&args.folder)));
    }
    if fields.get("url").is_none_or(Value::is_null) {
        let name = fields.get("app").and_then(Value::as_str);
        let url = name.and_then(|name| address(name, args.env, invocation));
        fields.insert("url".to_owned(), json!(url));
    }
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
