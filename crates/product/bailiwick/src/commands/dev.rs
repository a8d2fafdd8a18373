//! `dev`: runs the app here, with mocks of everything outside; says what happens, one line for each thing.

use crate::{exit::Exit, gate, invocation::Invocation, output::Form, views::dev::HappenedView};
use model::Problem;
use serde_json::json;
use server::DevOptions;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};

/// Made up, at a domain that can be nobody's (RFC 6761).
const EMAIL: &str = "dev@example.test";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where to listen, on this machine [default: 127.0.0.1:7171, or a free port]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Who is signed in
    #[arg(long = "as", value_name = "EMAIL", default_value = EMAIL)]
    email: String,
    /// A group that they are in; may be given more than once [default: every group that the manifest names]
    #[arg(long = "group", value_name = "G")]
    groups: Vec<String>,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let output = invocation.output;
    // Compiled code is kept where `check` keeps it; a folder that others can write is not used.
    let code = invocation.environment.own_cache().map(|cache| cache.join("dev"));
    let code = code.filter(|code| gate::private(code).is_ok());
    let options = DevOptions { folder: args.folder, listen: args.listen, email: args.email, groups: args.groups, code };
    server::log_to_stderr();
    if output.form() == Form::Text {
        output.say("starting …");
    }
    let say = move |happened| {
        // What cannot be shown is a mistake of this program; the app goes on.
        drop(output.show_line::<HappenedView>(&json!(happened)));
    };
    match server::dev(options, Arc::new(say)).await {
        Ok(()) => Ok(Exit::Done),
        Err(problems) => {
            output.problems(&problems);
            Ok(Exit::Refused)
        }
    }
}
