//! `backup key`: a new recovery key. The recipient that it prints is public; the key belongs where the server is not.

use super::file_problem;
use crate::{exit::Exit, invocation::Invocation, views::backup::KeyView};
use model::Problem;
use seal::RecoveryKey;
use serde_json::json;
use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to write the key; nothing is written over
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let key = RecoveryKey::generate();
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.out);
    let written = opened.and_then(|mut file| file.write_all(key.to_file().as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            return file_problem(&args.out, "it is there already", "name a file that does not exist yet");
        }
        file_problem(&args.out, error.kind(), "name a file in a folder that you can write to")
    })?;
    let document = json!({ "file": args.out.display().to_string(), "recipient": key.recipient().to_string() });
    invocation.output.show::<KeyView>(&document)?;
    Ok(Exit::Done)
}
