//! What an app may call: one grant for each `[connect.…]` of its live release, and whether a request is within one.
//!
//! Refuses whatever no grant covers whole (host, port, TLS, method and path of one grant), and names the line of
//! `bailiwick.toml` that would allow it.

mod sql;

use crate::{
    destination::{Destination, Scheme},
    refusal::{denied, shown},
};
use authority::{AppRef, Ask};
use http::Method;
use model::{Env, Problem, ReleaseNumber, TenantId, Timestamp, manifest::PathPattern};
use std::{fmt::Write as _, str::FromStr, sync::Arc, time::Duration};
use store::{Row, Store, StoreError, Tx, params};

/// What every message points at.
const MANIFEST: &str = "bailiwick.toml";
const DAY: Duration = Duration::from_secs(86_400);

/// One granted destination of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The builder's name for it: `slack` of `[connect.slack]`.
    pub name: String,
    /// Lower-case A-labels, or an address (IPv6 in brackets).
    pub host: String,
    pub port: u16,
    pub tls: bool,
    /// Upper-case.
    pub methods: Vec<String>,
    pub paths: Vec<PathPattern>,
    /// Variable name of the secret that may be attached.
    pub secret: Option<String>,
    pub why: String,
    /// 1-based line of its section.
    pub line: u32,
    pub release: ReleaseNumber,
    /// Which credentials the opening belongs to: rises at each revoke and restore.
    pub credential_epoch: u64,
    /// The app's wall clock: no call takes longer.
    pub time: Duration,
    /// The first moment at which the app no longer serves.
    pub until: Option<Timestamp>,
}

/// A grant, and the pattern of it that covers the path.
#[derive(Debug, Clone)]
pub(crate) struct Covered {
    pub(crate) grant: Arc<Grant>,
    pub(crate) pattern: String,
}

impl Grant {
    /// Every grant that an opening gives.
    #[must_use]
    pub fn of(ask: &Ask<'_>) -> Vec<Self> {
        let until = ask.manifest.app.expires.at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).ok();
        let until = until.map(|day| Timestamp::from(day.timestamp()).plus(DAY));
        let grant = |(name, connect): (&String, &model::manifest::Connect)| Self {
            name: name.clone(),
            host: connect.host.clone(),
            port: connect.port,
            tls: connect.tls,
            methods: connect.methods.clone(),
            paths: connect.paths.clone(),
            secret: connect.secret.clone(),
            why: connect.why.clone(),
            line: connect.line,
            release: ask.release,
            credential_epoch: ask.credential_epoch,
            time: ask.manifest.runtime.limits.time,
            until,
        };
        ask.manifest.connect.iter().map(grant).collect()
    }

    fn scheme(&self) -> Scheme {
        if self.tls { Scheme::Https } else { Scheme::Http }
    }

    /// `https://slack.com:443`: what is listed as held and used.
    #[must_use]
    pub fn item(&self) -> String {
        format!("{}://{}:{}", self.scheme().as_str(), self.host, self.port)
    }

    fn section(&self) -> String {
        format!("[connect.{}]", self.name)
    }

    fn at(&self) -> String {
        format!("{MANIFEST}:{}", self.line)
    }

    fn allows_method(&self, method: &Method) -> bool {
        self.methods.iter().any(|allowed| allowed == method.as_str())
    }

    fn pattern(&self, path: &str) -> Option<&PathPattern> {
        self.paths.iter().find(|pattern| pattern.matches(path))
    }
}

/// The grant that covers the request; one that may attach a secret goes before one that may not.
pub(crate) fn cover(grants: &[Arc<Grant>], method: &Method, to: &Destination) -> Result<Covered, Problem> {
    let of_host: Vec<_> = grants.iter().filter(|grant| grant.host == to.host).collect();
    let of_port: Vec<_> = of_host.iter().copied().filter(|grant| grant.port == to.port).collect();
    let of_scheme: Vec<_> = of_port.iter().copied().filter(|grant| grant.scheme() == to.scheme).collect();
    let of_method: Vec<_> = of_scheme.iter().copied().filter(|grant| grant.allows_method(method)).collect();
    let covered = of_method
        .iter()
        .filter_map(|grant| Some((grant, grant.pattern(&to.path)?)))
        .min_by_key(|(grant, _)| grant.secret.is_none());
    if let Some((grant, pattern)) = covered {
        return Ok(Covered { grant: Arc::clone(grant), pattern: pattern.as_str().to_owned() });
    }
    Err(match (of_host.first(), of_port.first(), of_scheme.first(), of_method.first()) {
        (None, ..) => unknown(grants, method, to),
        (Some(near), None, ..) => {
            let why = format!("{} names port {} of this host", near.section(), near.port);
            not_granted(
                "egress.port",
                format!("port {} of `{}`", to.port, to.host),
                why,
                section_for(grants, method, to),
            )
            .at(near.at())
        }
        (_, Some(near), None, _) => scheme(near, to),
        (.., Some(near), None) => {
            let what = format!("`{method}` at `{}`", to.host);
            let why = format!("{} allows {}", near.section(), words(&near.methods));
            let fix = format!(
                "add \"{method}\" to methods of {} ({MANIFEST} line {}), then deploy again",
                near.section(),
                near.line
            );
            not_granted("egress.method", what, why, fix).at(near.at())
        }
        (.., Some(near)) => {
            let path = shown(&to.path);
            let why = format!("{} allows {}", near.section(), words(&near.paths));
            let fix = format!(
                "add \"{path}\" to paths of {} ({MANIFEST} line {}), then deploy again",
                near.section(),
                near.line
            );
            not_granted("egress.path", format!("`{path}` at `{}`", to.host), why, fix).at(near.at())
        }
    })
}

fn not_granted(code: &str, what: String, why: String, fix: String) -> Problem {
    denied(code, format!("the app may not call {what}"), why, fix)
}

fn scheme(near: &Grant, to: &Destination) -> Problem {
    let (why, fix) = if near.tls {
        ("asks for TLS", format!("call it by `https://{}`", near.host))
    } else {
        (
            "says `tls = false`",
            format!(
                "call it by `http`, or remove `tls = false` from {} ({MANIFEST} line {})",
                near.section(),
                near.line
            ),
        )
    };
    let why = format!("{} {why}", near.section());
    not_granted("egress.scheme", format!("`{}`", to.origin()), why, fix).at(near.at())
}

fn unknown(grants: &[Arc<Grant>], method: &Method, to: &Destination) -> Problem {
    let why = if grants.is_empty() {
        format!("no destination stands in {MANIFEST}")
    } else {
        format!("{MANIFEST} names {}", words(&grants.iter().map(|grant| &grant.host).collect::<Vec<_>>()))
    };
    not_granted("egress.not_granted", format!("`{}`", shown(&to.host)), why, section_for(grants, method, to))
        .at(MANIFEST)
}

/// The whole section that would allow the request.
fn section_for(grants: &[Arc<Grant>], method: &Method, to: &Destination) -> String {
    let host =
        if to.scheme == Scheme::Https && to.port == 443 { to.host.clone() } else { format!("{}:{}", to.host, to.port) };
    let mut fix = format!(
        "add this to {MANIFEST}, then deploy again:\n\n[connect.{}]\nhost = \"{host}\"\n",
        free_name(grants, to)
    );
    if to.scheme == Scheme::Http {
        fix.push_str("tls = false\n");
    }
    // Writing to a string cannot fail.
    let _ = write!(
        fix,
        "methods = [\"{method}\"]\npaths = [\"{}\"]\nwhy = \"…\"\n",
        shown(&to.path).replace(['"', '\\'], "\u{fffd}")
    );
    fix
}

/// A name for the section that the manifest would take: the host's own name, not yet used.
fn free_name(grants: &[Arc<Grant>], to: &Destination) -> String {
    let mut labels = to.host.rsplit('.').skip(usize::from(to.literal().is_none() && to.host.contains('.')));
    let label = labels.next().unwrap_or_default().trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let plain = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
    let base: String = label.chars().filter(plain).take(32).collect();
    let base = if base.is_empty() { "host".to_owned() } else { base };
    let taken = |name: &str| grants.iter().any(|grant| grant.name == name);
    if !taken(&base) {
        return base;
    }
    (2_u32..).map(|n| format!("{base}-{n}")).find(|name| !taken(name)).unwrap_or(base)
}

fn words<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ")
}

impl Grant {
    /// Replaces the app's rows by what was approved.
    pub(crate) async fn replace(tx: &mut Tx, ask: &Ask<'_>) -> Result<(), StoreError> {
        let tenant = tx.tenant().clone();
        let (app, env) = (&ask.app.id, ask.app.env);
        Self::delete(tx, ask.app).await?;
        for grant in Self::of(ask) {
            let json = |list: Vec<&str>| serde_json::Value::from(list).to_string();
            let methods = json(grant.methods.iter().map(String::as_str).collect());
            let paths = json(grant.paths.iter().map(PathPattern::as_str).collect());
            let time_ms = u64::try_from(grant.time.as_millis()).unwrap_or(u64::MAX);
            let row = params![
                &tenant,
                app,
                env,
                grant.name,
                grant.host,
                grant.port,
                grant.tls,
                methods,
                paths,
                grant.secret,
                grant.why,
                grant.line,
                grant.release,
                grant.credential_epoch,
                time_ms,
                grant.until,
                ask.at,
            ];
            tx.execute(sql::INSERT, row).await?;
        }
        Ok(())
    }

    /// Deletes the app's rows; how many there were.
    pub(crate) async fn delete(tx: &mut Tx, app: &AppRef) -> Result<u64, StoreError> {
        let row = params![tx.tenant(), &app.id, app.env];
        tx.execute(sql::DELETE, row).await
    }

    /// Marks the app's rows as cut: they are never loaded again, until an opening replaces them.
    pub(crate) async fn mark_cut(tx: &mut Tx, app: &AppRef) -> Result<(), StoreError> {
        let row = params![tx.tenant(), &app.id, app.env, tx.now()];
        tx.execute(sql::CUT, row).await.map(drop)
    }

    /// How often each destination was called, and when last, from the record: calls that broke off went out too.
    pub(crate) async fn uses(
        store: &Store,
        tenant: &TenantId,
        app: &AppRef,
    ) -> Result<Vec<(String, u64, Timestamp)>, StoreError> {
        let prefix = crate::EgressCall::resource(app, "");
        let rows = store.read(sql::USES, params![tenant, &app.id, format!("{prefix}%")]).await?;
        let item = |text: &str| text.strip_prefix(&prefix).unwrap_or(text).to_owned();
        rows.iter().map(|row| Ok((item(row.text(0)?), row.uint(1)?, row.time(2)?))).collect()
    }

    /// Every grant of the tenant, by app.
    pub(crate) async fn all(store: &Store, tenant: &TenantId) -> Result<Vec<(AppRef, Self)>, StoreError> {
        store.read(sql::ALL, params![tenant]).await?.iter().map(Self::read).collect()
    }

    /// The grants of one app in one environment.
    pub(crate) async fn of_app(store: &Store, tenant: &TenantId, app: &AppRef) -> Result<Vec<Self>, StoreError> {
        let rows = store.read(sql::OF_APP, params![tenant, &app.id, app.env]).await?;
        rows.iter().map(|row| Self::read(row).map(|(_, grant)| grant)).collect()
    }

    fn read(row: &Row) -> Result<(AppRef, Self), StoreError> {
        let app = AppRef { id: model::AppId::new(row.text(0)?), env: row.parse::<Env>(1, "an environment")? };
        let paths = list(row, 7)?.iter().map(|path| PathPattern::parse(path)).collect::<Result<_, _>>();
        let grant = Self {
            name: row.text(2)?.to_owned(),
            host: row.text(3)?.to_owned(),
            port: small(row, 4)?,
            tls: row.int(5)? != 0,
            methods: list(row, 6)?,
            paths: paths.map_err(|_| StoreError::Row { column: 7, expected: "path patterns" })?,
            secret: row.opt_text(8)?.map(str::to_owned),
            why: row.text(9)?.to_owned(),
            line: small(row, 10)?,
            release: ReleaseNumber(small(row, 11)?),
            credential_epoch: row.uint(12)?,
            time: Duration::from_millis(row.uint(13)?),
            until: row.opt_time(14)?,
        };
        Ok((app, grant))
    }
}

fn small<T: TryFrom<i64>>(row: &Row, column: usize) -> Result<T, StoreError> {
    T::try_from(row.int(column)?).map_err(|_| StoreError::Row { column, expected: "a small number" })
}

fn list(row: &Row, column: usize) -> Result<Vec<String>, StoreError> {
    let wrong = StoreError::Row { column, expected: "a list of texts" };
    serde_json::Value::from_str(row.text(column)?).ok().and_then(|list| serde_json::from_value(list).ok()).ok_or(wrong)
}
