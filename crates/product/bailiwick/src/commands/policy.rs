//! `policy`: what is in force, whether its own tests hold, and why somebody may do something or may not.

use crate::{
    commands::Part,
    exit::Exit,
    invocation::Invocation,
    views::policy::{ExplanationView, PolicyView, RehearsalView},
};
use authority::{RehearsalOutcome, Rehearsed};
use model::{Env, Problem, ProblemKind};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The folder of the operator's own policy, in a data folder.
const OWN: &str = "policies";
/// One file of policy; what is larger is something else.
const FILE_BYTES_MAX: u64 = 4 << 20;
const FILES_MAX: usize = 1_000;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum PolicyCommand {
    /// List the files in force
    List(Part),
    /// Run the tests of a bundle: every rule whose name begins with `test_`, beside the shipped policy
    Test {
        /// A folder of `.rego` files [default: `policies` in the data folder]
        folder: Option<PathBuf>,
    },
    /// Say whether somebody may do something, and why
    Explain(Explain),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// An act as the record names it, such as `app.revoke`
    act: String,
    /// On this app
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// In this environment of it
    #[arg(long, value_name = "E", requires = "app")]
    env: Option<Env>,
    /// Who would do it: a person's address, `machine`, `app` or `stranger`
    #[arg(long = "as", value_name = "WHO", default_value = "machine")]
    who: String,
    /// With `--break-glass`
    #[arg(long)]
    break_glass: bool,
}

pub(crate) async fn run(command: PolicyCommand, invocation: &Invocation) -> Result<Exit, Problem> {
    match command {
        PolicyCommand::List(part) => {
            let client = invocation.client()?;
            let document = invocation.during("asking", client.get(part.of(client.api(&["policy"])?))).await?;
            invocation.output.show::<PolicyView>(&document)?;
            Ok(Exit::Done)
        }
        PolicyCommand::Test { folder } => test(folder, invocation).await,
        PolicyCommand::Explain(Explain { act, app, env, who, break_glass }) => {
            let client = invocation.client()?;
            let body = json!({ "act": act, "app": app, "env": env, "as": who, "break_glass": break_glass });
            let asked = client.post(client.api(&["policy", "explain"])?, body);
            let mut document = invocation.during("asking", asked).await?;
            if let Some(fields) = document.as_object_mut() {
                fields.insert("as".into(), who.into());
                fields.insert("app".into(), json!(app));
            }
            invocation.output.show::<ExplanationView>(&document)?;
            Ok(Exit::Done)
        }
    }
}

async fn test(folder: Option<PathBuf>, invocation: &Invocation) -> Result<Exit, Problem> {
    let own = match folder {
        Some(folder) => read(&folder)?,
        None => match invocation.environment.data().map(|data| data.join(OWN)).filter(|own| own.is_dir()) {
            Some(own) => read(&own)?,
            None => Vec::new(),
        },
    };
    let files = [server::shipped_policy(), own].concat();
    let trying = tokio::task::spawn_blocking(move || authority::rehearse(&files));
    let tried =
        invocation.during("trying", trying).await.map_err(|_| Problem::internal())?.map_err(|error| broken(&error))?;
    let failed = tried.iter().any(|one| matches!(one.outcome, RehearsalOutcome::Failed | RehearsalOutcome::Error(_)));
    let tests: Vec<Value> = tried.iter().map(document).collect();
    invocation.output.show::<RehearsalView>(&json!({ "ok": !failed, "tests": tests }))?;
    Ok(if failed { Exit::Refused } else { Exit::Done })
}

fn document(tried: &Rehearsed) -> Value {
    let (outcome, why) = match &tried.outcome {
        RehearsalOutcome::Passed => ("passed", None),
        RehearsalOutcome::Failed => ("failed", Some("it is not true")),
        RehearsalOutcome::Error(error) => ("error", Some(error.as_str())),
        RehearsalOutcome::Skipped => ("skipped", None),
    };
    json!({ "name": tried.name, "file": tried.file, "line": tried.line, "outcome": outcome, "why": why, "said": tried.said })
}

/// The `.rego` files of a folder and those below, in order.
fn read(folder: &Path) -> Result<Vec<(String, String)>, Problem> {
    let walk =
        ignore::WalkBuilder::new(folder).standard_filters(false).hidden(true).sort_by_file_name(Ord::cmp).build();
    let mut files = Vec::new();
    for entry in walk {
        let entry = entry.map_err(|_| unreadable(folder))?;
        let path = entry.path();
        if path.extension().is_none_or(|ending| ending != "rego")
            || !entry.file_type().is_some_and(|kind| kind.is_file())
        {
            continue;
        }
        let small = entry.metadata().is_ok_and(|about| about.len() <= FILE_BYTES_MAX);
        let text = std::fs::read_to_string(path).ok().filter(|_| small).ok_or_else(|| unreadable(path))?;
        files.push((path.display().to_string(), text));
        if files.len() > FILES_MAX {
            return Err(unreadable(folder));
        }
    }
    if files.is_empty() {
        return Err(Problem::new(
            ProblemKind::NotFound,
            "policy.none",
            format!("there is no policy in `{}`", folder.display()),
            "policy is written in files that end in `.rego`",
            "name the folder that has them",
        ));
    }
    Ok(files)
}

fn broken(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        ProblemKind::Unprocessable,
        "policy.broken",
        "the policy cannot be tried",
        error.to_string(),
        "mend the file that is named: a server with it would not start",
    )
}

fn unreadable(path: &Path) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "policy.unreadable",
        format!("`{}` cannot be read", path.display()),
        "it is missing, not text, not yours to read, or far larger than any policy",
        "check the path and its permissions",
    )
}
