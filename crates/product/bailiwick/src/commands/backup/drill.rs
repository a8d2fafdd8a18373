//! `backup drill`: a restore into a scratch folder, checked row by row and entry by entry, timed, and recorded at the
//! running server: a backup that nobody ever restored is a hope.

use super::{file_problem, local, recovery_key, root_key, unproven};
use crate::{exit::Exit, invocation::Invocation, views::backup::RestoredView};
use model::{Problem, ProblemKind};
use seal::DigestWriter;
use serde_json::{Value, json};
use server::{Contents, Drill, Overrides, Scratch};
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The backup: a file, or a name of `backup list`, or `latest`
    backup: String,
    /// The recovery key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The recovery copy of the root key: rehearse with the one that you would use
    #[arg(long, value_name = "FILE")]
    root_key: PathBuf,
    /// Configuration, if the backup lies where it says [default: that of the running server]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the scratch folder is made, and deleted again [default: beside the backup]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Take a backup that does not prove that a server of this root key made it: of an older version, say
    #[arg(long)]
    accept_unproven: bool,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let key = recovery_key(&args.key)?;
    let root = root_key(&args.root_key)?;
    let unproven = unproven(args.accept_unproven, invocation);
    // Before the work: a drill that cannot be recorded is not one.
    let client = invocation.client()?;
    client.credential().await?;
    let given = Path::new(&args.backup);
    let beside = given.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let scratch = args.scratch.unwrap_or_else(|| if given.exists() { beside.to_owned() } else { ".".into() });
    let room = |error| file_problem(&scratch, error, "name a folder that can be written with `--scratch`");
    let fetched = Scratch::within(&scratch).map_err(room)?;
    let data = client.place().data.clone().unwrap_or_default();
    let configuration = args.config.unwrap_or_else(|| server::configuration_file(&data));
    let overrides = Overrides::default();
    let found = local(&args.backup, &configuration, &overrides, fetched.path());
    let file = match invocation.during("fetching", found).await {
        Ok(file) => file,
        Err(problems) => {
            invocation.output.problems(&problems);
            return Ok(Exit::Refused);
        }
    };
    // What cannot be opened is found by the drill itself, which puts it on record.
    if matches!(server::contents(&file, &key), Ok(Contents::Configuration)) {
        return Err(of_configuration(&args.backup));
    }
    let digest = digest(&file).map_err(|error| file_problem(&file, error, "give a file that `backup create` wrote"))?;
    let drill = Drill { file, key, root, unproven, scratch };
    let drilled = match invocation.during("rehearsing", drill.run()).await {
        // Nothing was learnt of the backup.
        Err(problem) if problem.code == server::BACKUP_PLACE => return Err(problem),
        drilled => drilled,
    };
    let told = match &drilled {
        Ok(restored) => json!({ "ok": true, "file": digest, "restored": restored, "code": null }),
        Err(problem) => json!({ "ok": false, "file": digest, "restored": null, "code": problem.code }),
    };
    let recorded = client.post(client.api(&["backup", "drills"])?, told).await;
    let restored = drilled?;
    let recorded = recorded.map_err(unrecorded)?;
    let mut document = json!(restored);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("drill".to_owned(), Value::Bool(true));
        fields.insert("event".to_owned(), recorded.get("event").cloned().unwrap_or(Value::Null));
    }
    invocation.output.show::<RestoredView>(&document)?;
    Ok(Exit::Done)
}

fn digest(path: &Path) -> io::Result<String> {
    let (mut file, mut digest) = (File::open(path)?, DigestWriter::new());
    let mut piece = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(digest.finish().to_string());
        }
        digest.update(piece.get(..read).unwrap_or_default());
    }
}

fn of_configuration(backup: &str) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "backup.configuration",
        format!("`{backup}` is a backup of the configuration"),
        "a drill rehearses the way back of the data; this one opens, and holds configuration and policies",
        "give a backup of the data: its name begins with `bailiwick-`",
    )
}

fn unrecorded(problem: Problem) -> Problem {
    let what = "the rehearsal went well, and could not be recorded";
    Problem::new(ProblemKind::Upstream, "backup.unrecorded", what, problem.what, problem.fix)
}
