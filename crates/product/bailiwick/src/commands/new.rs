//! `new`: a folder that passes every gate as it stands.
//!
//! Refuses to write into a folder that has anything in it.

use crate::{exit::Exit, invocation::Invocation, views::made::MadeView};
use jiff::{ToSpan as _, tz::TimeZone};
use model::{Problem, ProblemKind, manifest::EXPIRES_AHEAD_DAYS_MAX};
use serde_json::json;
use server::template::{self, Filling, NewFile};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

/// The team of someone who is in none: the one that the samples are of.
const TEAM_DEFAULT: &str = "people-ops";
/// Groups that carry roles; none is a team.
const BUILT_IN: [&str; 4] = ["auditors", "builders", "operators", "reviewers"];
/// Making a folder does not wait for a server.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The app's name: part of its address, and the name of the folder
    name: String,
    /// What to begin from
    #[arg(long, value_name = "T", default_value = "blank")]
    template: String,
    /// Whose it is [default: your first group]
    #[arg(long, value_name = "GROUP")]
    team: Option<String>,
}

pub(crate) async fn run(args: Args, invocation: &Invocation) -> Result<Exit, Problem> {
    let today = invocation.now().to_jiff().to_zoned(TimeZone::UTC).date();
    let (team, chosen) = match args.team {
        Some(team) => (team, "given"),
        None => match own_team(invocation).await {
            Some(team) => (team, "own"),
            None => (TEAM_DEFAULT.to_owned(), "sample"),
        },
    };
    let expires = today.saturating_add(EXPIRES_AHEAD_DAYS_MAX.days());
    let filling = Filling { name: &args.name, team: &team, expires };
    let files = template::files(&args.template, &filling, today)?;
    write(Path::new(&args.name), &files)?;
    let document = json!({
        "name": args.name,
        "folder": args.name,
        "template": args.template,
        "team": team,
        // `given` on the command line, `own` as the caller's first group, or the `sample`s' when nothing is known.
        "team_is": chosen,
        "expires": expires.to_string(),
        "files": files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(),
    });
    invocation.output.show::<MadeView>(&document)?;
    Ok(Exit::Done)
}

/// The caller's first group that is a team; none when the server cannot be asked.
async fn own_team(invocation: &Invocation) -> Option<String> {
    let client = invocation.client().ok().filter(|client| client.has_credential())?;
    let asked = tokio::time::timeout(PATIENCE, client.get(client.api(&["whoami"]).ok()?));
    let document = asked.await.ok()?.ok()?;
    let groups = document.get("groups")?.as_array()?;
    groups.iter().filter_map(|group| group.as_str()).find(|group| !BUILT_IN.contains(group)).map(str::to_owned)
}

fn write(folder: &Path, files: &[NewFile]) -> Result<(), Problem> {
    match fs::read_dir(folder) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(taken(folder));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => return Err(taken(folder)),
    }
    let written = files.iter().try_for_each(|file| {
        let path = folder.join(&file.path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        File::create_new(path)?.write_all(&file.bytes)
    });
    written.map_err(|error: io::Error| {
        Problem::new(
            ProblemKind::Invalid,
            "new.unwritable",
            format!("`{}` could not be written", folder.display()),
            error.kind().to_string(),
            "go to a folder that is yours to write to, and run it there",
        )
    })
}

fn taken(folder: &Path) -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "new.taken",
        format!("`{}` is there already", folder.display()),
        "a new app gets a new folder: nothing is written over",
        "choose another name, or move the folder away",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let files = [NewFile { path: "a/b.js".into(), bytes: b"x".to_vec() }];
        let own = folder.path().join("own");
        fs::create_dir(&own).unwrap();
        write(&own, &files).unwrap();
        assert_eq!(fs::read(own.join("a/b.js")).unwrap(), b"x");
        assert_eq!(write(&own, &files).unwrap_err().code, "new.taken");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(write(&file, &files).unwrap_err().code, "new.taken");
        assert_eq!(write(&file.join("below"), &files).unwrap_err().code, "new.taken");
    }
}
