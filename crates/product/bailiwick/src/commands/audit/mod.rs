//! `audit`: the record, read, verified, proved and exported. Verification happens here, not at the server.

mod export;
mod far;
mod list;
mod live;
mod prove;
mod queries;
mod show;
mod verify;

use crate::{client::Client, commands::Part, exit::Exit, invocation::Invocation, place::MEMORY};
use ledger::{Checkpoint, Options, Remembered, Verdict, VerifierKey};
use model::{Problem, ProblemKind};
use std::{
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
};

/// A signed note is a few hundred bytes; with many witnesses a few thousand.
const CHECKPOINT_MAX_BYTES: u64 = 64 << 10;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum AuditCommand {
    /// List events, newest first
    List(list::Args),
    /// List the searches that are kept under a name
    Queries(Part),
    /// Show one event
    Show(show::Args),
    /// Verify the server's record, or an export with no server at all
    Verify(verify::Args),
    /// Print the proof that an event is in the record
    Prove(prove::Args),
    /// Write the record into one file that anyone can verify
    Export(export::Args),
}

pub(crate) async fn run(command: AuditCommand, invocation: &Invocation) -> Result<Exit, Problem> {
    match command {
        AuditCommand::List(args) => list::run(args, invocation).await,
        AuditCommand::Queries(part) => queries::run(part, invocation).await,
        AuditCommand::Show(args) => show::run(args, invocation).await,
        AuditCommand::Verify(args) => verify::run(args, invocation).await,
        AuditCommand::Prove(args) => prove::run(args, invocation).await,
        AuditCommand::Export(args) => export::run(args, invocation).await,
    }
}

/// Verifies the record of a running server, as `audit verify` does.
///
/// # Errors
/// When it cannot be fetched.
pub(crate) async fn verify_live(client: &Client, invocation: &Invocation) -> Result<Verdict, Problem> {
    live::verify(client, Against::new(None, None, memory_of(client, invocation))?, &far::Far::default()).await
}

/// What a log is held against besides itself.
#[derive(Debug, Clone, Default)]
struct Against {
    key: Option<VerifierKey>,
    /// A signed note.
    since: Option<String>,
    memory: Option<Remembered>,
}

impl Against {
    fn new(key: Option<VerifierKey>, since: Option<&Path>, memory: Option<Remembered>) -> Result<Self, Problem> {
        Ok(Self { key, since: since.map(read_checkpoint).transpose()?, memory })
    }

    fn options(&self) -> Options<'_> {
        Options { key: self.key.clone(), since: self.since.clone(), remembered: self.memory.as_ref() }
    }
}

/// Where checkpoints are remembered; verifying goes on without.
fn memory(invocation: &Invocation) -> Option<Remembered> {
    memory_in(invocation.environment.remembered()?, invocation)
}

/// The same for a server: the demo calls its log as the real one does, and has a memory of its own.
fn memory_of(client: &Client, invocation: &Invocation) -> Option<Remembered> {
    let place = client.place();
    match place.data.as_ref().filter(|data| invocation.environment.demo_data().as_ref() == Some(*data)) {
        Some(demo) => memory_in(demo.join(MEMORY), invocation),
        None => memory(invocation),
    }
}

fn memory_in(folder: PathBuf, invocation: &Invocation) -> Option<Remembered> {
    let opened = Remembered::open(&folder);
    if opened.is_err() {
        let said = format!("note: `{}` cannot be written, so nothing that is seen now is remembered", folder.display());
        invocation.output.say(&said);
    }
    opened.ok()
}

fn read_checkpoint(path: &Path) -> Result<String, Problem> {
    let note = fs::metadata(path)
        .ok()
        .filter(|metadata| metadata.len() <= CHECKPOINT_MAX_BYTES)
        .and_then(|_| fs::read_to_string(path).ok());
    // Its signature is judged once the log's key is known.
    note.filter(|note| Checkpoint::read_unverified(note).is_ok()).ok_or_else(|| {
        Problem::new(
            ProblemKind::Invalid,
            "audit.checkpoint",
            format!("`{}` is not a checkpoint", path.display()),
            "it must be a signed note, as the server publishes it under `/log/main/checkpoint`",
            "give the file in which you kept one",
        )
    })
}

/// Verifies a file, on a thread that may block.
async fn verify_file(path: PathBuf, against: Against) -> Result<Verdict, Problem> {
    let work = move || {
        let file = File::open(&path).map_err(|_| unreadable(&path))?;
        ledger::verify_export(BufReader::new(file), &against.options()).map_err(|error| failed(&error))
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal())?
}

/// Why a log does not verify.
pub(crate) fn flaw(verdict: &Verdict) -> Problem {
    if let (Some(known), Some(found)) = (&verdict.remembered, &verdict.log) {
        return other_key(known, found);
    }
    let problem = Problem::new(
        ProblemKind::Unprocessable,
        "audit.flaw",
        verdict.what.clone(),
        "what is here is not what was signed, or not what was seen before",
        "keep it as it is, since it is evidence; hold it against an export or a checkpoint that you kept elsewhere",
    );
    match verdict.first_bad {
        Some(index) => problem.at(format!("entry {index}")),
        None => problem,
    }
}

fn other_key(known: &str, found: &str) -> Problem {
    Problem::new(
        ProblemKind::Unprocessable,
        "audit.other_key",
        "a log of this name was seen with another key before",
        format!("`{known}` is remembered, and this one is signed with `{found}`: it is another log"),
        format!(
            "ask the operator, by another way, which key is right; if it is the new one, give it once: `bailiwick audit verify --key \"{found}\"`"
        ),
    )
}

fn unreadable(path: &Path) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "audit.unreadable",
        format!("`{}` cannot be read", path.display()),
        "the file is missing, or not yours to read",
        "name an export, as `bailiwick audit export --out FILE` writes it",
    )
}

fn failed(error: &ledger::Error) -> Problem {
    let fix = if matches!(error, ledger::Error::MemoryDamaged { .. }) {
        "find out who changed the file; what it held is a witness against the log"
    } else if matches!(error, ledger::Error::Memory { .. }) {
        "make the folder writable for yourself, or choose another with `BAILIWICK_DATA`"
    } else {
        "try again; if it stays, copy the file to another disk and try there"
    };
    Problem::new(ProblemKind::Internal, "audit.unverified", "the record could not be verified", error.to_string(), fix)
}
