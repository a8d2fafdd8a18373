//! What can be wrong with a server, looked for from outside: beside a running one, or when none will start.
//!
//! Opens nothing for writing and changes nothing. Each line says what is wrong and how to mend it.

mod certificate;
mod depots;
mod durability;
mod ports;
mod readable;
mod root;
mod ways;

pub(crate) use ports::serving;
pub use ports::{Readiness, ReadyPart};

use crate::{
    Config, Overrides, Root, Settings,
    assembly::ROOMS,
    ready::CLOCK_BACK_MAX,
    settings::{self, Space, place},
};
use model::{Clock, Problem, SystemClock};
use serde::{Deserialize, Serialize, Serializer};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
use store::{Database, Inspection, StoreError};

/// Below this share or this much, somebody should look.
const FREE_SHARE_MIN: u64 = 20;
const FREE_WARN_BYTES: u64 = 1 << 30;
/// Twice the reserve below which nothing is written.
const FREE_FAIL_BYTES: u64 = store::RESERVE_BYTES * 2;
/// A start makes some dozens: logs of the database, compiled code, what is fetched.
const FREE_FAIL_FILES: u64 = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Health {
    #[serde(rename = "ok")]
    Well,
    /// It works, and should not stay so.
    #[serde(rename = "warn")]
    Doubtful,
    #[serde(rename = "fail")]
    Ill,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examined {
    pub check: &'static str,
    #[serde(rename = "state")]
    pub health: Health,
    pub what: String,
    /// How to mend it; empty where nothing is wrong.
    #[serde(serialize_with = "unless_empty")]
    pub fix: String,
}

fn unless_empty<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    Some(text).filter(|text| !text.is_empty()).serialize(to)
}

impl Examined {
    #[must_use]
    pub fn well(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, health: Health::Well, what: what.into(), fix: String::new() }
    }

    pub fn wrong(check: &'static str, health: Health, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, health, what: what.into(), fix: fix.into() }
    }

    fn of(check: &'static str, problem: &Problem) -> Self {
        Self::wrong(check, Health::Ill, format!("{}: {}", problem.what, problem.why), problem.fix.clone())
    }
}

/// What a server that runs from a data folder said there when it began to serve.
#[derive(Default, Deserialize)]
struct Announced {
    config: Option<PathBuf>,
    listen: Option<SocketAddr>,
}

/// Looks at configuration, ports, disk, root key and database.
pub async fn examine(data: &Path, config: Option<&Path>, overrides: &Overrides) -> Vec<Examined> {
    // Another provider may have been installed by whoever embeds us; it is as good.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let mut found = vec![disk(data)];
    let overrides = as_running(data, config, overrides).await;
    let (file, config) = match configured(data, config, &overrides) {
        Ok(read) => read,
        Err(problems) => {
            found.extend(problems.iter().map(|problem| Examined::of("configuration", problem)));
            return found;
        }
    };
    let what = if file.exists() { "can be used" } else { "is not there: all is as it is unless said" };
    found.push(Examined::well("configuration", format!("`{}` {what}", file.display())));
    found.extend(readable::readable(&file));
    found.push(sites(&config));
    found.extend(certificate::certificate(&config, SystemClock.now()));
    found.push(ways::ways(&config).await);
    found.extend(depots::depots(&config).await);
    found.extend(ports::ports(&config).await);
    let database = settings::database(data, &config);
    match store::inspect(&database, &ROOMS).await {
        Ok(Some(inspection)) => {
            found.push(root::root(data, &config, Some(&inspection)));
            found.extend(judge(&database, &inspection));
        }
        Ok(None) => {
            found.push(root::root(data, &config, None));
            let serves = has_run(data) && ports::answers(config.listen).await;
            found.push(if serves { removed() } else { no_database(data) });
        }
        Err(error) => found.push(out_of_reach(&database, &error)),
    }
    found
}

/// Where the server of a data folder is to be reached, as its configuration says.
#[must_use]
pub fn configured_url(data: &Path, config: Option<&Path>, overrides: &Overrides) -> Option<String> {
    configured(data, config, overrides).ok().map(|(_, config)| config.public_url)
}

/// Where the configuration of a data folder lies: where the server that runs from it was told, or in the folder.
#[must_use]
pub fn configuration_file(data: &Path) -> PathBuf {
    announced(data).config.unwrap_or_else(|| data.join(place::CONFIG))
}

/// Where a start will look for the root key, if that is a plain file that is not there.
#[must_use]
pub fn root_to_put(data: &Path, config: Option<&Path>) -> Option<PathBuf> {
    let (_, config) = Settings::configuration(data, config, &Overrides::default()).ok()?;
    let (path, locked) = settings::root_path(data, &config);
    let plain = !locked && !matches!(config.root, Root::Systemd(_));
    (plain && !path.exists()).then_some(path)
}

/// The configuration that is named, or that the server which runs here named; else that of the data folder.
fn configured(data: &Path, config: Option<&Path>, overrides: &Overrides) -> Result<(PathBuf, Config), Vec<Problem>> {
    Settings::configuration(data, config.or(announced(data).config.as_deref()), overrides)
}

fn announced(data: &Path) -> Announced {
    let said = std::fs::read(data.join(place::SERVER)).ok();
    said.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// The same, with the address that the server of this folder was told to listen at. One that was killed leaves its word
/// behind, so that counts only while a server answers there.
async fn as_running(data: &Path, config: Option<&Path>, overrides: &Overrides) -> Overrides {
    let mut overrides = overrides.clone();
    if config.is_none()
        && overrides.listen.is_none()
        && let Some(listen) = announced(data).listen
        && ports::answers(listen).await
    {
        overrides.listen = Some(listen.to_string());
    }
    overrides
}

fn has_run(data: &Path) -> bool {
    data.join(identity::CREDENTIAL_FILE).exists()
}

/// A server that answers still has it open.
fn removed() -> Examined {
    Examined::wrong(
        "database",
        Health::Ill,
        "its file is not there, and a server runs here that may have it open",
        "leave the server running: move the very file back, or, if it was deleted, first copy it and its log (`-wal`) from `/proc/PID/fd`; if the server has another database, name it or its configuration (`--database`, `--config`)",
    )
}

/// Before the first start there is none; whoever started once has one somewhere.
fn no_database(data: &Path) -> Examined {
    if !has_run(data) {
        return Examined::well("database", "there is none yet; `bailiwick up` makes it");
    }
    Examined::wrong(
        "database",
        Health::Ill,
        "there is none, though a server has run from this folder",
        "name the configuration or the database that `up` is given (`--config`, `--database`); if it was lost, restore a backup",
    )
}

fn out_of_reach(database: &Database, error: &StoreError) -> Examined {
    let (Database::Postgres { .. }, StoreError::Unwritable { reason, .. }) = (database, error) else {
        return Examined::of("database", &error.problem());
    };
    let fix = "look whether PostgreSQL runs, takes more connections, and answers at the address that is configured";
    Examined::wrong("database", Health::Ill, format!("it cannot be read: {reason}"), fix)
}

fn disk(data: &Path) -> Examined {
    let Some(space) = settings::space(data) else {
        return Examined::wrong("disk", Health::Doubtful, "its free space cannot be seen", "look with `df`");
    };
    room(&space, &format!("where `{}` lies", data.display()))
}

fn room(space: &Space, place: &str) -> Examined {
    let Space { free_bytes: free, bytes: total, free_files, files } = *space;
    // Some file systems set no bound to their files, and say that there are none.
    if files > 0 && free_files < FREE_FAIL_FILES.max(files / FREE_SHARE_MIN) {
        let health = if free_files < FREE_FAIL_FILES { Health::Ill } else { Health::Doubtful };
        let what = format!("room for {free_files} more files (inodes) of {files} {place}");
        let fix = "delete small files that nobody needs: without inodes no file can be made, however much is free";
        return Examined::wrong("disk", health, what, fix);
    }
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
    let end = |name: &str| {
        let labels: Vec<&str> = name.rsplit('.').take(2).collect();
        labels.into_iter().rev().collect::<Vec<_>>().join(".")
    };
    let site = end(&console);
    if console == "localhost" || site != end(&apps) {
        return Examined::well("sites", "console and apps are apart");
    }
    // Under which names anybody may register one, a list of the browser's says that is not here.
    Examined::wrong(
        "sites",
        Health::Doubtful,
        format!(
            "the console `{console}` and the apps under `{apps}` both end in `{site}`: they are one site to a browser, unless anybody may register a name under that"
        ),
        format!(
            "give the apps a domain that is registered for them alone, as `apps_domain`; they have one where `{site}` is not yours, but a suffix such as `co.uk`"
        ),
    )
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
    found.extend(durability::durability(seen));
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
    use std::{net::TcpListener, time::Duration};

    fn ill(found: &[Examined]) -> Vec<&'static str> {
        // How full the disk of whoever runs this is, is their affair; and no way is named by which people are told.
        let wrong =
            found.iter().filter(|line| line.health != Health::Well && !["disk", "notices"].contains(&line.check));
        wrong.map(|line| line.check).collect()
    }

    async fn look(data: &Path) -> Vec<Examined> {
        examine(data, None, &Overrides::default()).await
    }

    fn config(data: &Path, text: &str) {
        std::fs::write(data.join(place::CONFIG), text).unwrap();
    }

    /// A configuration with an address that nobody listens at.
    fn free() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("[server]\nlisten = \"{}\"\n", listener.local_addr().unwrap())
    }

    #[tokio::test]
    async fn a_taken_port_mistakes_and_one_site_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        config(folder.path(), &format!("[server]\nlisten = \"{}\"\n", taken.local_addr().unwrap()));
        let found = look(folder.path()).await;
        assert_eq!(ill(&found), ["port"], "{found:#?}");
        assert!(found.iter().any(|line| line.check == "port" && line.fix.contains("ss -ltnp")));
        drop(taken);
        assert_eq!(ill(&look(folder.path()).await), [""; 0]);

        // What is read by default need not be there; what is named has to be.
        let none = folder.path().join("none.toml");
        assert_eq!(ill(&examine(folder.path(), Some(&none), &Overrides::default()).await), ["configuration"]);

        config(
            folder.path(),
            "[server]\nlisten = \"127.0.0.1:1\"\npublic_url = \"https://console.corp.example\"\napps_domain = \"apps.corp.example\"\n",
        );
        assert!(ill(&look(folder.path()).await).contains(&"sites"));
        config(
            folder.path(),
            "[server]\nlisten = \"127.0.0.1:1\"\npublic_url = \"https://console.acme.co.uk\"\napps_domain = \"acme-apps.co.uk\"\n",
        );
        let found = look(folder.path()).await;
        let sites = found.iter().find(|line| line.check == "sites").unwrap();
        assert!(sites.what.contains("unless") && sites.fix.contains("`co.uk` is not yours"), "{sites:?}");
        config(folder.path(), "[server]\nlisten = 5\n[nonsense]\nx = 1\n");
        assert_eq!(ill(&look(folder.path()).await), ["configuration", "configuration"]);
    }

    /// As under the unit that is shipped, looked at from a shell.
    #[tokio::test]
    async fn a_credential_that_is_not_to_be_seen_hides_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        config(folder.path(), &format!("{}[seal]\nroot = \"systemd:root.key-of-no-unit\"\n", free()));
        let found = look(folder.path()).await;
        assert_eq!(ill(&found), ["root key"], "{found:#?}");
        let said = |check: &str| found.iter().find(|line| line.check == check).map(|line| line.health);
        assert_eq!(said("root key"), Some(Health::Doubtful));
        for check in ["configuration", "port", "sites", "database"] {
            assert_eq!(said(check), Some(Health::Well), "{check}: {found:#?}");
        }
    }

    #[tokio::test]
    async fn the_configuration_of_the_server_that_runs_here_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere.toml");
        assert_eq!(configuration_file(folder.path()), folder.path().join(place::CONFIG));
        std::fs::write(&elsewhere, "[nonsense]\nx = 1\n").unwrap();
        let said = serde_json::json!({ "url": "http://localhost:1", "config": elsewhere });
        std::fs::write(folder.path().join(place::SERVER), said.to_string()).unwrap();
        assert_eq!(configuration_file(folder.path()), elsewhere);
        assert_eq!(ill(&look(folder.path()).await), ["configuration"]);
        std::fs::write(&elsewhere, free()).unwrap();
        assert_eq!(ill(&look(folder.path()).await), [""; 0]);
        // It started once, and its database is nowhere.
        std::fs::write(folder.path().join(identity::CREDENTIAL_FILE), "").unwrap();
        assert_eq!(ill(&look(folder.path()).await), ["database"]);
    }

    #[test]
    fn a_root_key_that_is_still_to_be_put_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("root.key");
        assert_eq!(root_to_put(folder.path(), None).as_ref(), Some(&own));
        std::fs::write(&own, "").unwrap();
        assert_eq!(root_to_put(folder.path(), None), None);
        config(folder.path(), "[seal]\nroot = \"systemd:root.key-of-no-unit\"\n");
        assert_eq!(root_to_put(folder.path(), None), None, "no copy helps there");
        config(folder.path(), "[seal]\nroot = \"file:/nowhere/root.key\"\n");
        assert_eq!(root_to_put(folder.path(), None), Some("/nowhere/root.key".into()));
    }

    /// `up` may be told another address than the configuration's, and one that was killed leaves it behind.
    #[tokio::test]
    async fn the_address_that_a_server_left_counts_while_one_answers_there() {
        let folder = tempfile::tempdir().unwrap();
        config(folder.path(), &free());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let said = serde_json::json!({ "url": format!("http://{address}"), "listen": address });
        std::fs::write(folder.path().join(place::SERVER), said.to_string()).unwrap();
        let answers = axum::Router::new()
            .fallback(|| async { r#"{"ready":true,"checks":[{"check":"feed","ok":true,"problem":null}]}"# });
        let serving = tokio::spawn(async move { axum::serve(listener, answers).await });
        let port = async || look(folder.path()).await.into_iter().find(|line| line.check == "port").unwrap();
        assert_eq!(port().await.what, format!("`{address}` is held by a Bailiwick, which is ready"));
        // Whose file is gone has it open still.
        std::fs::write(folder.path().join(identity::CREDENTIAL_FILE), "").unwrap();
        let database = async || look(folder.path()).await.into_iter().find(|line| line.check == "database").unwrap();
        assert!(database().await.fix.contains("/proc/PID/fd"));
        serving.abort();
        drop(serving.await);
        assert!(database().await.fix.contains("restore a backup"));
        let port = port().await;
        assert!(port.what.ends_with("is free") && !port.what.contains(&address.to_string()), "{port:?}");
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
        assert_eq!(with(|seen| seen.unsafe_settings = vec![store::Setting::default()]), ["durability"]);
        assert_eq!(with(|seen| seen.asynchronous_standbys = 1), ["standby"]);
    }

    #[test]
    fn a_disk_that_is_nearly_full_or_cannot_be_seen_is_said_so() {
        assert!(disk(Path::new("/nowhere/at/all")).what.contains("MiB free of"), "of the disk under `/`");
        assert_eq!(disk(Path::new("nowhere")).health, Health::Doubtful);
        let space = |free_bytes, bytes| Space { free_bytes, bytes, free_files: 900, files: 1000 };
        assert_eq!(room(&space(10 << 20, 100 << 30), "").health, Health::Ill);
        assert_eq!(room(&space(4 << 30, 100 << 30), "").health, Health::Doubtful, "a share");
        assert_eq!(room(&space(500 << 20, 2 << 30), "").health, Health::Doubtful);
        assert_eq!(room(&space(50 << 30, 100 << 30), "").health, Health::Well);
        let files = |free_files, files| Space { free_files, files, ..space(50 << 30, 100 << 30) };
        for (seen, health) in [
            (files(3, 1_000_000), Health::Ill),
            (files(30_000, 1_000_000), Health::Doubtful),
            (files(0, 0), Health::Well),
        ] {
            assert_eq!(room(&seen, "").health, health, "{seen:?}");
        }
    }
}
