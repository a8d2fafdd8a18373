//! What can be wrong with a server, looked for from outside: beside a running one, or when none will start.
//!
//! Opens nothing for writing and changes nothing. Each line says what is wrong and how to mend it.

mod ways;

use crate::{
    Config, Overrides, Root,
    assembly::ROOMS,
    ready::CLOCK_BACK_MAX,
    settings::{self, place},
};
use model::{Clock, Problem, SystemClock};
use seal::RootKey;
use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
};
use store::{Database, Depot, Inspection};

/// Below this share or this much, somebody should look.
const FREE_SHARE_MIN: u64 = 20;
const FREE_WARN_BYTES: u64 = 1 << 30;
/// Twice the reserve below which nothing is written.
const FREE_FAIL_BYTES: u64 = store::RESERVE_BYTES * 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Well,
    /// It works, and should not stay so.
    Doubtful,
    Ill,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    pub check: &'static str,
    pub health: Health,
    pub what: String,
    /// How to mend it; empty where nothing is wrong.
    pub fix: String,
}

/// Who holds the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// A server that answers: ours.
    Serving,
    /// Nothing answers.
    Silent,
}

impl Examined {
    fn well(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, health: Health::Well, what: what.into(), fix: String::new() }
    }

    fn wrong(check: &'static str, health: Health, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, health, what: what.into(), fix: fix.into() }
    }

    fn of(check: &'static str, problem: &Problem) -> Self {
        Self::wrong(check, Health::Ill, format!("{}: {}", problem.what, problem.why), problem.fix.clone())
    }
}

/// Looks at configuration, port, disk, root key and database.
pub async fn examine(data: &Path, config: Option<&Path>, overrides: &Overrides, port: Port) -> Vec<Examined> {
    let mut found = vec![disk(data)];
    let file = config.map_or_else(|| data.join(place::CONFIG), Path::to_path_buf);
    let config = match Config::read(&file, overrides) {
        Ok(config) => config,
        Err(problems) => {
            found.extend(problems.iter().map(|problem| Examined::of("configuration", problem)));
            return found;
        }
    };
    found.push(Examined::well("configuration", "it can be used"));
    found.push(sites(&config));
    found.push(ways::ways(&config).await);
    found.extend(depots(&config).await);
    found.extend((port == Port::Silent).then(|| free_port(config.listen)));
    let database = settings::database(data, &config);
    match store::inspect(&database, &ROOMS).await {
        Ok(Some(inspection)) => {
            found.push(root(data, &config, Some(&inspection)));
            found.extend(judge(&database, &inspection));
        }
        Ok(None) => {
            found.push(root(data, &config, None));
            found.push(Examined::well("database", "there is none yet; `bailiwick up` makes it"));
        }
        Err(error) => found.push(Examined::of("database", &error.problem())),
    }
    found
}

/// Whether what lies outside can be reached, with the keys that are given.
async fn depots(config: &Config) -> Vec<Examined> {
    let places = [("storage", config.content.as_ref()), ("backup", config.backup.as_ref().map(|plan| &plan.to))];
    let mut found = Vec::new();
    for (check, place) in places {
        let Some(place) = place else { continue };
        let looked = async {
            let depot = Depot::open(place)?;
            depot.check().await.map(|()| depot.to_string())
        };
        found.push(match looked.await {
            Ok(place) => Examined::well(check, format!("`{place}` answers, and takes the keys")),
            Err(error) => Examined::of(check, &error.problem()),
        });
    }
    found
}

fn disk(data: &Path) -> Examined {
    let Some((free, total)) = settings::space(data) else {
        return Examined::wrong("disk", Health::Doubtful, "its free space cannot be seen", "look with `df`");
    };
    room(free, total, &format!("where `{}` lies", data.display()))
}

fn room(free: u64, total: u64, place: &str) -> Examined {
    let what = format!("{} MiB free of {} MiB {place}", free >> 20, total >> 20);
    let fix = "make room: below 16 MiB nothing is written, and requests are refused";
    if free < FREE_FAIL_BYTES {
        Examined::wrong("disk", Health::Ill, what, fix)
    } else if free < FREE_WARN_BYTES || free < total / FREE_SHARE_MIN {
        Examined::wrong("disk", Health::Doubtful, what, fix)
    } else {
        Examined::well("disk", what)
    }
}

/// Nothing rests on `SameSite`; still, a console beside its apps is within reach of what browsers share by site.
fn sites(config: &Config) -> Examined {
    let name = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
    let (console, apps) = (name(config.control_host()), name(&config.apps_domain));
    let site = |name: &str| {
        let labels: Vec<&str> = name.rsplit('.').take(2).collect();
        labels.into_iter().rev().collect::<Vec<_>>().join(".")
    };
    if console == "localhost" || site(&console) != site(&apps) {
        return Examined::well("sites", "console and apps are apart");
    }
    Examined::wrong(
        "sites",
        Health::Doubtful,
        format!("the console `{console}` and the apps under `{apps}` are one site to a browser"),
        "give the apps a domain that is registered for them alone, as `apps_domain`",
    )
}

fn free_port(listen: SocketAddr) -> Examined {
    match TcpListener::bind(listen) {
        Ok(_) => Examined::well("port", format!("`{listen}` is free")),
        Err(error) => Examined::wrong(
            "port",
            Health::Ill,
            format!("`{listen}` cannot be listened at: {error}"),
            format!(
                "find who holds it with `ss -ltnp 'sport = :{}'`, or choose another with `--listen`",
                listen.port()
            ),
        ),
    }
}

fn root(data: &Path, config: &Config, inspection: Option<&Inspection>) -> Examined {
    let (path, locked) = settings::root_path(data, config);
    if !path.exists() {
        if inspection.is_none() && config.root == Root::DataFolder {
            return Examined::well("root key", "there is none yet; `bailiwick up` makes it with the database");
        }
        let what = format!("there is no root key at `{}`", path.display());
        let fix = "put the recovery copy of the key there: no other key opens what is in the database";
        return Examined::wrong("root key", Health::Ill, what, fix);
    }
    if locked {
        return Examined::well("root key", "a passphrase opens it; whether it fits shows at the start");
    }
    let read = if matches!(config.root, Root::Systemd(_)) {
        RootKey::load_credential(&path)
    } else {
        RootKey::load_file(&path)
    };
    match read {
        Ok(key) if inspection.is_none_or(|inspection| inspection.is_root(&key)) => {
            Examined::well("root key", "it is the database's own")
        }
        Ok(key) => Examined::wrong(
            "root key",
            Health::Ill,
            format!("the key at `{}` (id {}) is not the one that the database was made with", path.display(), key.id()),
            "put the recovery copy of the right key there",
        ),
        Err(error) => Examined::wrong(
            "root key",
            Health::Ill,
            error.to_string(),
            format!("only the server's own user may read it: `chmod 600 {}`", path.display()),
        ),
    }
}

/// What a database says about itself.
fn judge(database: &Database, seen: &Inspection) -> Vec<Examined> {
    let mut found = Vec::new();
    if let Some((room, number, name)) = &seen.newer {
        let what =
            format!("a newer version made it: `{room}` has step {number} (`{name}`), which this one does not know");
        found.push(Examined::wrong(
            "database",
            Health::Ill,
            what,
            "run the newer version, or restore a backup from before it",
        ));
    }
    for (tenant, promised, there) in &seen.short_logs {
        let what = format!("the log of `{tenant}` promises {promised} entries, and there are {there}");
        let fix =
            "`bailiwick audit verify` names the first that is wrong; restore a backup, and find out who changed it";
        found.push(Examined::wrong("record", Health::Ill, what, fix));
    }
    // A server goes by the database's clock where that has one.
    let (whose, now) = seen.now.map_or_else(|| ("this machine's", SystemClock.now()), |now| ("the database's", now));
    if let Some(newest) = seen.newest_event.filter(|newest| newest.since(now) > CLOCK_BACK_MAX) {
        let what = format!("{whose} clock says {now}, and the newest event is of {newest}");
        let fix = format!(
            "set it by NTP, then start again; where it is right, it was ahead before, and a server says `clock.behind` until {newest}"
        );
        found.push(Examined::wrong("clock", Health::Ill, what, fix));
    }
    for setting in &seen.unsafe_settings {
        let what = format!("PostgreSQL runs with `{setting}`: what was acknowledged is lost when its machine crashes");
        found.push(Examined::wrong("durability", Health::Ill, what, "set it to `on` in `postgresql.conf`, and reload"));
    }
    if seen.asynchronous_standbys > 0 {
        let what = format!(
            "{} standby follows asynchronously: should it take over, what was acknowledged last is lost",
            seen.asynchronous_standbys
        );
        let fix =
            "name it in `synchronous_standby_names`; or take over only once it has caught up, and expect `recovering`";
        found.push(Examined::wrong("standby", Health::Doubtful, what, fix));
    }
    if found.is_empty() {
        let what = match database {
            Database::Sqlite { .. } => "SQLite, of this version, every commit on disk before it is acknowledged",
            Database::Postgres { .. } => "PostgreSQL, of this version, every commit on disk before it is acknowledged",
        };
        found.push(Examined::well("database", what));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ill(found: &[Examined]) -> Vec<&'static str> {
        // How full the disk of whoever runs this is, is their affair.
        let wrong = found.iter().filter(|line| line.health != Health::Well && line.check != "disk");
        wrong.map(|line| line.check).collect()
    }

    async fn look(data: &Path) -> Vec<Examined> {
        examine(data, None, &Overrides::default(), Port::Silent).await
    }

    fn config(data: &Path, text: &str) {
        std::fs::write(data.join(place::CONFIG), text).unwrap();
    }

    #[tokio::test]
    async fn a_taken_port_mistakes_and_one_site_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        config(folder.path(), &format!("[server]\nlisten = \"{}\"\n", taken.local_addr().unwrap()));
        let found = look(folder.path()).await;
        assert_eq!(ill(&found), ["port"], "{found:#?}");
        assert!(found.iter().any(|line| line.check == "port" && line.fix.contains("ss -ltnp")));
        let serving = examine(folder.path(), None, &Overrides::default(), Port::Serving).await;
        assert_eq!(ill(&serving), [""; 0], "the server itself holds it");

        config(
            folder.path(),
            "[server]\nlisten = \"127.0.0.1:1\"\npublic_url = \"https://console.corp.example\"\napps_domain = \"apps.corp.example\"\n",
        );
        assert!(ill(&look(folder.path()).await).contains(&"sites"));
        config(folder.path(), "[server]\nlisten = 5\n[nonsense]\nx = 1\n");
        assert_eq!(ill(&look(folder.path()).await), ["configuration", "configuration"]);
    }

    #[test]
    fn what_a_database_says_is_judged() {
        let sqlite = Database::Sqlite { path: "x".into() };
        let with = |change: fn(&mut Inspection)| {
            let mut seen = Inspection::default();
            change(&mut seen);
            ill(&judge(&sqlite, &seen))
        };
        assert_eq!(with(|_| {}), [""; 0]);
        assert_eq!(with(|seen| seen.newer = Some(("vault".to_owned(), 9, "leases".to_owned()))), ["database"]);
        assert_eq!(with(|seen| seen.short_logs = vec![(model::TenantId::main(), 9, 8)]), ["record"]);
        assert_eq!(
            with(|seen| seen.newest_event = Some(SystemClock.now().plus(Duration::from_secs(86_400)))),
            ["clock"]
        );
        // By the database's clock, where it has one: this machine's is a day behind that, then a day ahead.
        let behind = with(|seen| {
            seen.now = Some(SystemClock.now().plus(Duration::from_secs(86_400)));
            seen.newest_event = seen.now;
        });
        assert_eq!(behind, [""; 0]);
        let ahead = with(|seen| {
            seen.now = Some(SystemClock.now().minus(Duration::from_secs(86_400)));
            seen.newest_event = Some(SystemClock.now());
        });
        assert_eq!(ahead, ["clock"]);
        assert_eq!(with(|seen| seen.unsafe_settings = vec!["fsync = off".to_owned()]), ["durability"]);
        assert_eq!(with(|seen| seen.asynchronous_standbys = 1), ["standby"]);
    }

    #[test]
    fn a_disk_that_is_nearly_full_or_cannot_be_seen_is_said_so() {
        assert!(disk(Path::new("/nowhere/at/all")).what.contains("MiB free of"), "of the disk under `/`");
        assert_eq!(disk(Path::new("nowhere")).health, Health::Doubtful);
        assert_eq!(room(10 << 20, 100 << 30, "").health, Health::Ill);
        assert_eq!(room(4 << 30, 100 << 30, "").health, Health::Doubtful, "a share");
        assert_eq!(room(500 << 20, 2 << 30, "").health, Health::Doubtful);
        assert_eq!(room(50 << 30, 100 << 30, "").health, Health::Well);
    }
}
