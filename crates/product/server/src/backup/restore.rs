//! The way back: an empty database is filled, its sums and its log are checked, and the record says that it happened.
//! The first start after it is *recovering*: nothing serves until a person has said why.
//!
//! Refuses a database that holds anything, a root key that is not the backup's, a backup that was altered, cut or made by
//! somebody else, and one without what every backup has: the signed head of its record, and the mark of its root key.

use super::{
    archive::{self, Head, Sums, Unpacked},
    failed,
    keep::made_before,
    maker::{self, Maker, Unproven},
    no_place,
    scratch::Scratch,
    unnamed::Unnamed,
};
use crate::{Config, Overrides, Settings, assembly::ROOMS, policy, settings};
use authority::{Act, Authority, Caller, Facts, Rule, Target, Who, rules};
use model::{Clock, Problem, SystemClock, TenantId};
use seal::RecoveryKey;
use serde::Serialize;
use serde_json::json;
use std::{
    convert::identity,
    fmt::Display,
    fs::File,
    io::{self, BufReader},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use store::{Database, Depot, Piece, Record, Refill, Store, StoreConfig, StoreError};
use tokio::sync::mpsc;

/// Whoever was signed in when the backup was made is not signed in by it: these stay empty after a restore.
/// What the server of before put into its depot is that server's own.
const VOID: &[&str] = &["sessions", "codes", "links", "carried_forms", "content_puts"];
/// Where a database has the mark of its root key.
const META: &str = "meta";
/// Parts that wait for the database.
const WAITING: usize = 4;

/// From what, and where to.
#[derive(Debug)]
pub struct Restore {
    pub file: PathBuf,
    pub key: RecoveryKey,
    pub settings: Settings,
    pub unproven: Unproven,
    /// The system's user who asked.
    pub system_user: String,
}

/// A rehearsal.
#[derive(Debug)]
pub struct Drill {
    pub file: PathBuf,
    pub key: RecoveryKey,
    pub root: seal::RootKey,
    pub unproven: Unproven,
    /// Where the scratch folder is made; it is deleted again.
    pub scratch: PathBuf,
}

/// What was restored, and how it was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    pub made_at: model::Timestamp,
    /// Of the server that made the backup.
    pub version: String,
    pub tables: u64,
    pub rows: u64,
    /// Entries of the log, all of which fit the signed head.
    pub log_size: u64,
    pub log_root: Option<String>,
    pub ms: u64,
}

#[derive(Debug, Clone)]
struct RestoreBackup;

impl Act for RestoreBackup {
    const RULE: &'static Rule = &rules::BACKUP_RESTORE;
    fn target(&self) -> Target {
        Target::new(TenantId::main(), "platform")
    }
}

/// Instead of a name.
const LATEST: &str = "latest";

const WHAT: &str = "the backup cannot be restored";
const FIX: &str = "take another backup, and find out what happened to this one";

fn bad(why: &dyn Display) -> Problem {
    failed(WHAT, why, FIX)
}

/// What the store says of the place that is filled.
fn of_place(error: StoreError) -> Problem {
    const UNFILLED: &str = "what the backup is restored into cannot be written";
    if let StoreError::Unwritable { reason, .. } = &error {
        return no_place(UNFILLED, reason);
    }
    if let StoreError::File(cause) = &error {
        return no_place(UNFILLED, cause);
    }
    if matches!(error, StoreError::NoRoom { .. }) {
        return no_place(UNFILLED, error);
    }
    error.problem()
}

/// What it says of a row that it was given: only what the row itself is, is the backup's.
fn of_row(error: StoreError) -> Problem {
    let is_of_the_row = matches!(
        error,
        StoreError::Conflict { .. } | StoreError::Row { .. } | StoreError::Param { .. } | StoreError::Database(_)
    );
    if is_of_the_row { bad(&error) } else { of_place(error) }
}

impl Restore {
    /// Fills, checks, and writes the event.
    ///
    /// # Errors
    /// What is wrong with backup, key or database. Until all of it has been read nothing stays, but on PostgreSQL an empty
    /// database; whatever is wrong later, the database stays as it was filled, and every start on it is recovering.
    pub async fn run(self) -> Result<Restored, Problem> {
        let Self { file, key, settings, unproven, system_user } = self;
        let begun = Instant::now();
        let from = Source { file, key, maker: Maker::new(&settings.root), unproven };
        let filled = fill(from, &settings.database, VOID, Some(&settings.data)).await?;
        let place = Place { data: settings.data.clone(), database: settings.database, root: settings.root };
        finish(place, &settings.config, &filled, unproven, system_user, begun).await.map_err(in_doubt)
    }
}

/// Checks what was filled, and writes the event.
async fn finish(
    place: Place,
    config: &Config,
    (head, sums): &(Head, Sums),
    unproven: Unproven,
    system_user: String,
    begun: Instant,
) -> Result<Restored, Problem> {
    let (store, authority) = place.open(config).await?;
    // What a backup does not know of may have been switched off since: its first start asks, and nothing here undoes that.
    store.begin_recovering(&[]).await;
    let restored = checked(&store, head, sums, begun).await?;
    let caller = Caller::new(TenantId::main(), Who::Machine { system_user: system_user.into() });
    let permit = authority.permit(&caller, RestoreBackup).await?;
    let mut detail = json!(restored);
    if let (Unproven::Accepted, Some(fields)) = (unproven, detail.as_object_mut()) {
        fields.insert("accepted_unproven".to_owned(), json!(true));
    }
    store.record(permit, store::Outcome::Allowed, detail).await.map_err(of_place)?;
    store.sequence_now().await.map_err(of_place)?;
    Ok(restored)
}

/// It went wrong once the database may have been filled.
fn in_doubt(mut problem: Problem) -> Problem {
    problem.fix = format!(
        "{}. What the database holds by now is not trusted: a start from this data folder is *recovering*. To restore once more, empty the database first",
        problem.fix
    );
    problem
}

/// Brings a backup from the depot of the configuration into a file; `latest` is the newest of a kind.
///
/// # Errors
/// Without such a depot, or such a backup.
pub async fn fetch_backup(config: &Config, name: &str, kind: &str, to: &Path) -> Result<String, Problem> {
    let unknown = |why: &str| {
        let fix = "give a file, or the name of one of `bailiwick backup list`, or `latest`; `--config` names the configuration that has `[backup]`";
        failed(&format!("there is no backup `{name}`"), why, fix)
    };
    let plan = config
        .backup
        .as_ref()
        .ok_or_else(|| unknown("there is no such file, and no `[backup]` in the configuration"))?;
    let say = |error: store::DepotError| error.problem();
    // A restore is no server: nothing before this has chosen who encrypts.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let depot = Depot::open(&plan.to).map_err(say)?;
    let name = if name == LATEST {
        let (there, now) = (depot.list().await.map_err(say)?, SystemClock.now());
        let newest = there.into_iter().rev().find(|one| made_before(&one.name, kind, now).is_some());
        newest.ok_or_else(|| unknown("there is none yet"))?.name
    } else {
        name.to_owned()
    };
    if depot.get_file(&name, to).await.map_err(say)? { Ok(name) } else { Err(unknown("the depot does not have it")) }
}

impl Drill {
    /// Restores into a scratch folder, checks, and deletes it.
    ///
    /// # Errors
    /// What a real restore would have failed with.
    pub async fn run(self) -> Result<Restored, Problem> {
        let begun = Instant::now();
        let folder =
            Scratch::within(&self.scratch).map_err(|error| no_place("there is no room for a rehearsal", error))?;
        let database = Database::Sqlite { path: folder.path().join("bailiwick.db") };
        let from = Source { file: self.file, key: self.key, maker: Maker::new(&self.root), unproven: self.unproven };
        let (head, sums) = fill(from, &database, &[], None).await?;
        // Before anything opens it: that migrates it, which changes rows as well.
        compare(&database, &sums).await?;
        let place = Place { data: folder.path().to_owned(), database, root: self.root };
        let config = Config::plain(([127, 0, 0, 1], 7070).into())
            .map_err(|problems| problems.into_iter().next().unwrap_or_else(Problem::internal))?;
        let (store, _) = place.open(&config).await?;
        checked(&store, &head, &sums, begun).await
    }
}

/// A backup, and whom it must be of.
struct Source {
    file: PathBuf,
    key: RecoveryKey,
    maker: Maker,
    unproven: Unproven,
}

/// Where a restored database is opened.
struct Place {
    data: PathBuf,
    database: Database,
    root: seal::RootKey,
}

impl Place {
    /// As the server opens it, migrations and root key included; nothing else of the server runs.
    async fn open(self, config: &Config) -> Result<(Arc<Store>, Arc<Authority>), Problem> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let bundle = policy::policy_files(&self.data).ok().and_then(|files| policy::compile(&files).ok());
        let authority = Arc::new(Authority::new(Arc::clone(&clock), bundle));
        let store_config = StoreConfig {
            database: self.database,
            clock,
            root: self.root,
            node: "restore".to_owned(),
            data_dir: self.data,
            log_host: config.control_host().to_owned(),
            reserve_bytes: store::RESERVE_BYTES,
            depot: None,
        };
        let store = Store::open(store_config, Arc::clone(&authority) as _, &ROOMS).await.map_err(of_place)?;
        let tenant = TenantId::main();
        let epoch = store.epoch(&tenant).await.map_err(of_place)?;
        authority.replace(&tenant, Facts { epoch, ..Facts::default() });
        Ok((store, authority))
    }
}

/// Fills an empty database; nothing stays of one whose backup turns out wrong. From before it holds anything, a start from
/// the folder `beside` is recovering; from its commit on, a start from any.
async fn fill(
    from: Source,
    database: &Database,
    void: &[&str],
    beside: Option<&Path>,
) -> Result<(Head, Sums), Problem> {
    let opened = File::open(&from.file).map_err(|error| {
        failed("the backup cannot be opened", format!("`{}`: {error}", from.file.display()), "check the path")
    })?;
    match database {
        // Whether it was committed may not be known.
        Database::Postgres { .. } => pour(opened, from, database, void).await?.keep(beside, in_doubt).await,
        Database::Sqlite { path } => {
            let unnamed = Unnamed::of(path)?;
            // What has no name yet is in nobody's way.
            let filled = pour(opened, from, &unnamed.database(), void).await?.keep(beside, identity).await?;
            unnamed.name()?;
            Ok(filled)
        }
    }
}

/// Whether rows of `meta` hold what a server knows its root key by.
fn marks_root(rows: &str) -> bool {
    let first = |line: &str| serde_json::from_str::<Vec<serde_json::Value>>(line).ok()?.into_iter().next();
    rows.lines().filter_map(first).any(|name| name == "root_key_check")
}

/// All of a backup, in a database that does not hold it yet.
struct Poured {
    refill: Refill,
    head: Head,
    sums: Sums,
}

impl Poured {
    /// `lost` adds what is to be known of a commit that went wrong.
    async fn keep(self, beside: Option<&Path>, lost: fn(Problem) -> Problem) -> Result<(Head, Sums), Problem> {
        let Self { mut refill, head, sums } = self;
        if let Some(data) = beside {
            let tenant = TenantId::main();
            // Both: whatever other machine opens it reads the one, and a start that finds nothing filled the other.
            refill.doubt(&tenant).await.map_err(of_place)?;
            store::doubt(data, &tenant).map_err(of_place)?;
        }
        refill.commit().await.map_err(|error| lost(of_place(error)))?;
        Ok((head, sums))
    }
}

async fn pour(file: File, from: Source, database: &Database, void: &[&str]) -> Result<Poured, Problem> {
    let mut refill = Refill::begin(database).await.map_err(of_place)?.ok_or_else(|| {
        let fix = "name an empty data folder or database";
        failed("a backup is restored into an empty place", "there is a database already", fix)
    })?;
    let (to, mut parts) = mpsc::channel(WAITING);
    let reading = tokio::task::spawn_blocking(move || {
        archive::read(BufReader::new(file), &from.key, &from.maker, from.unproven, |part| {
            to.blocking_send(part).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
        })
    });
    let (mut made, mut sums, mut skips) = (None, None, false);
    let (mut table, mut marked) = (String::new(), false);
    while let Some(part) = parts.recv().await {
        match part {
            Unpacked::Head(head) => {
                refill.steps(&head.steps, &ROOMS).await.map_err(of_place)?;
                made = Some(head);
            }
            Unpacked::Table { name, columns } => {
                skips = void.contains(&name.as_str());
                refill.table(&name, &columns).map_err(of_row)?;
                table = name;
            }
            Unpacked::Rows(_) if skips => {}
            Unpacked::Rows(text) => {
                marked |= table == META && marks_root(&text);
                for line in text.lines() {
                    refill.row(line).await.map_err(of_row)?;
                }
            }
            Unpacked::Sums { promised, found } if promised == found => sums = Some(found),
            Unpacked::Sums { .. } => return Err(bad(&"its rows are not those that were backed up")),
        }
    }
    let read = reading.await.map_err(|_| Problem::internal())?;
    read.map_err(|error| maker::problem(WHAT, &error, FIX))?;
    let (Some(made), Some(sums)) = (made, sums) else { return Err(bad(&"it is not whole")) };
    if !marked {
        return Err(bad(&"it does not say under which root key it was made, as every backup does"));
    }
    Ok(Poured { refill, head: made, sums })
}

/// The log of what was restored, from its first entry to its signed head.
async fn checked(store: &Arc<Store>, head: &Head, sums: &Sums, begun: Instant) -> Result<Restored, Problem> {
    let tenant = TenantId::main();
    let signed = store.checkpoint(&tenant).await.map_err(of_place)?;
    let key = store.log_verifier(&tenant).map_err(of_place)?;
    let Some(signed) = signed else {
        return Err(failed("the restored record proves nothing", "it has no signed head, as every backup has", FIX));
    };
    let record = Record::new(Arc::clone(store), tenant);
    let work = move || ledger::verify_log(signed.note(), &key, &record, &ledger::Options::default());
    let verdict = tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal())?;
    let verdict = verdict.map_err(|error| failed("the restored log cannot be read", error, FIX))?;
    if !verdict.ok {
        return Err(failed("the restored log does not fit its head", verdict.what, FIX));
    }
    Ok(Restored {
        made_at: head.made_at,
        version: head.version.clone(),
        tables: sums.len() as u64,
        rows: sums.values().map(|sum| sum.rows).sum(),
        log_size: verdict.size,
        log_root: verdict.root.map(|root| root.to_string()),
        ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// What was restored, read out again: the same rows as in the backup.
async fn compare(database: &Database, wanted: &Sums) -> Result<(), Problem> {
    let (to, mut pieces) = mpsc::channel(WAITING);
    let reading = store::read_back(database, to);
    let summing = async {
        let (mut found, mut table) = (Sums::new(), String::new());
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::Steps(_) => {}
                Piece::Table { name, .. } => {
                    table = name;
                    found.entry(table.clone()).or_default();
                }
                Piece::Rows(lines) => {
                    let sum = found.entry(table.clone()).or_default();
                    lines.iter().for_each(|line| sum.add(line));
                }
            }
        }
        found
    };
    let (read, found) = tokio::join!(reading, summing);
    read.map_err(of_place)?;
    for (table, sum) in wanted {
        if found.get(table) != Some(sum) {
            return Err(failed("the restored rows are not those of the backup", format!("`{table}` differs"), FIX));
        }
    }
    Ok(())
}

impl Settings {
    /// For a restore: everything as for a start, but a root key is never made.
    ///
    /// # Errors
    /// As `Settings::read`; when there is no root key.
    pub fn for_restore(data: PathBuf, config: Option<&Path>, overrides: &Overrides) -> Result<Self, Vec<Problem>> {
        let (file, config) = Self::configuration(&data, config, overrides)?;
        Self::for_restore_by(data, file, config, overrides)
    }

    /// The same by a configuration that lies in `file`, or will.
    ///
    /// # Errors
    /// As `Settings::with`; when there is no root key.
    pub fn for_restore_by(
        data: PathBuf,
        file: PathBuf,
        config: Config,
        overrides: &Overrides,
    ) -> Result<Self, Vec<Problem>> {
        let (path, _) = settings::root_path(&data, &config);
        if !path.exists() {
            return Err(vec![failed(
                "there is no root key to restore with",
                "backups never hold it, and no other key opens what is in them",
                &format!(
                    "put the recovery copy of the root key at `{}` first (mode 0600), or name it with `--root-key`",
                    path.display()
                ),
            )]);
        }
        let settings = Self::with(data, config, overrides.passphrase).map_err(|problem| vec![problem])?;
        Ok(Self { config_file: file, ..settings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_to_blame_for_its_rows_alone() {
        let taken = StoreError::Conflict { table: "apps".to_owned(), constraint: "apps.id".to_owned() };
        let problem = of_row(taken);
        assert_eq!((problem.code.as_str(), problem.fix.as_str()), ("backup.failed", FIX), "{problem}");
        for reason in ["the disk is full", "the database does not answer"] {
            let problem = of_row(StoreError::Unwritable { reason, source: None });
            assert_eq!(
                (problem.code.as_str(), problem.why.as_str()),
                (super::super::BACKUP_PLACE, reason),
                "{problem}"
            );
        }
    }

    #[test]
    fn a_backup_says_its_root_key() {
        assert!(marks_root("[\"log_host\",\"x\"]\n[\"root_key_check\",\"00\"]\n"));
        for rows in ["", "[\"root_key_id\",\"root_key_check\"]\n", "nothing", "[]"] {
            assert!(!marks_root(rows), "{rows}");
        }
    }
}
