//! `audit prove`: the proof that an event is in the record, checked here before it is handed on.

use super::{failed, memory_of, other_key};
use crate::{exit::Exit, invocation::Invocation, views::verdict::proved};
use ledger::{EventProof, VerifierKey};
use model::{Problem, ProblemKind};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The event's id
    id: String,
    /// The key that the log must be signed with
    #[arg(long)]
    key: Option<VerifierKey>,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let client = invocation.client()?;
    let document = invocation.during("asking", client.get(client.api(&["events", &args.id, "proof"])?)).await?;
    let proof: EventProof =
        serde_json::from_value(document.clone()).map_err(|_| wrong("it is not in the form of a proof".to_owned()))?;
    let checkpoint = proof.verify(args.key.as_ref()).map_err(|error| wrong(error.to_string()))?;
    let memory = memory_of(&client, invocation);
    if let (Some(memory), None) = (&memory, &args.key) {
        let known = memory.key_of(proof.key.name()).map_err(|error| failed(&error))?;
        if let Some(known) = known.filter(|known| known.public() != proof.key.public()) {
            return Err(other_key(&known.to_string(), &proof.key.to_string()));
        }
    }
    // The document is the result in either form: others check it again.
    invocation.output.document(&document);
    invocation.output.say(&proved(&args.id, proof.index, checkpoint.size()));
    let known = memory.and_then(|memory| memory.recall(&proof.key).ok().flatten()).is_some();
    if args.key.is_none() && !known {
        invocation.output.say("the key came with the proof: compare it with one from elsewhere, or give `--key`");
    }
    Ok(Exit::Done)
}

fn wrong(why: String) -> Problem {
    Problem::new(
        ProblemKind::Upstream,
        "audit.proof",
        "the server's proof does not hold",
        why,
        "export the record with `bailiwick audit export --out FILE`, keep the file, and verify it",
    )
}
