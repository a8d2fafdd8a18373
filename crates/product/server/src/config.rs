//! Configuration: one typed file, every mistake reported at once. Anything can be given as `BAILIWICK_SECTION__KEY` too.

mod addresses;
mod apps;
mod depots;
mod edges;
mod file;
mod notify;
mod root;
mod secret_file;
mod sign_in;

pub(crate) use depots::BackupPlan;
pub use root::Root;

use addresses::{Addresses, own_addresses};
use broker::EgressConfig;
use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use gateway::{Certificates, Clients};
use identity::Links;
use ipnet::IpNet;
use model::{Problem, ProblemKind};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use watch::Notify;

/// Every key that there is; what else is written is refused with the nearest of these.
const KEYS: &[&str] = &[
    "server.listen",
    "server.public_url",
    "server.apps_domain",
    "server.trusted_proxies",
    "server.database",
    "server.tls",
    "server.clients",
    "server.redirect",
    "server.node",
    "broker.private",
    "broker.resolve",
    "broker.ca",
    "seal.root",
    "sign_in.links",
    "sign_in.forget_passkeys",
    "sign_in.oidc",
    "metrics.token",
    "notify.smtp",
    "notify.smtp_password",
    "notify.from",
    "notify.webhook",
    "notify.webhook_secret",
    "storage.blobs",
    "storage.s3",
    "backup.to",
    "backup.s3",
    "backup.recipient",
    "backup.schedule",
    "backup.zone",
    "backup.keep",
    "telemetry.otlp",
    "apps.grace",
];

/// Configuration without mistakes.
#[derive(Debug)]
pub struct Config {
    pub listen: SocketAddr,
    pub public_url: String,
    pub apps_domain: String,
    pub trusted_proxies: Vec<IpNet>,
    pub database: Option<String>,
    /// This node's name among those of one database; the machine's when nothing is said.
    pub node: Option<String>,
    pub egress: EgressConfig,
    pub root: Root,
    /// Whether one-time links may be made and used; what is said here cannot be changed in the console.
    pub links: Option<Links>,
    /// A host name whose passkeys are deleted at start: the console moved away from it.
    pub forget_passkeys: Option<String>,
    /// Single sign-on.
    pub oidc: Option<identity::ProviderConfig>,
    /// TLS by our own listener; without it the listener speaks plain HTTP.
    pub tls: Option<Arc<Certificates>>,
    /// Whose client certificates count, and where they are needed.
    pub clients: Option<Arc<Clients>>,
    /// Where plain HTTP is sent on to HTTPS.
    pub redirect: Option<SocketAddr>,
    /// What whoever collects metrics from elsewhere shows as a bearer token: its hash.
    pub metrics: Option<seal::TokenHash>,
    /// How people are told of what they should know.
    pub notify: Notify,
    /// Where bundles and full tiles of the log lie, if not in the database.
    pub content: Option<store::DepotPlace>,
    /// Backups that the server makes by itself.
    pub(crate) backup: Option<BackupPlan>,
    /// Where traces go (OTLP over HTTP).
    pub otlp: Option<String>,
    /// From the last date of an app to the end of its data; none where that is a person's to say.
    pub grace: Option<Duration>,
}

/// What the command line says; it goes before the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub listen: Option<String>,
    pub database: Option<String>,
    /// The file of the root key, for a restore: the copy need not lie where a start looks for it.
    pub root: Option<String>,
    /// Asks a person for the passphrase of the root key.
    pub passphrase: Option<AskPassphrase>,
}

/// Which passphrase is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The one that opens the key from now on.
    New,
    Known,
}

/// How a person is asked for it.
pub type AskPassphrase = fn(Asked) -> Result<seal::Zeroizing<String>, Problem>;

struct Reader {
    values: BTreeMap<String, Value>,
    problems: Vec<Problem>,
}

impl Reader {
    fn wrong(&mut self, key: &str, why: impl Into<String>, fix: impl Into<String>) {
        let what = format!("`{key}` in the configuration cannot be used");
        self.problems.push(Problem::new(ProblemKind::Invalid, "config.value", what, why, fix).at(key));
    }

    fn take<T: DeserializeOwned>(&mut self, key: &str, form: &str) -> Option<T> {
        let value = self.values.remove(key)?;
        match serde_json::from_value(value) {
            Ok(value) => Some(value),
            Err(_) => {
                self.wrong(key, "it has another form than expected", format!("write it as {form}"));
                None
            }
        }
    }

    fn listed<T>(&mut self, key: &str, form: &str, parse: impl Fn(&str) -> Result<T, Problem>) -> Vec<T> {
        let texts: Vec<String> = self.take(key, form).unwrap_or_default();
        let mut parsed = Vec::new();
        for text in texts {
            match parse(&text) {
                Ok(value) => parsed.push(value),
                Err(problem) => self.problems.push(problem),
            }
        }
        parsed
    }
}

impl Config {
    /// Reads `file` (nothing when it is not there), environment and command line.
    ///
    /// # Errors
    /// Every mistake, in the order of the keys; a file that is there and cannot be read.
    pub fn read(file: &Path, overrides: &Overrides) -> Result<Self, Vec<Problem>> {
        Self::read_text(&file::text(file).map_err(|problem| vec![problem])?, file, overrides)
    }

    /// The same of a text that does not lie in `file` yet.
    ///
    /// # Errors
    /// As `read`.
    pub(crate) fn read_text(text: &str, file: &Path, overrides: &Overrides) -> Result<Self, Vec<Problem>> {
        let sections = Env::prefixed("BAILIWICK_").filter(|key| key.as_str().contains("__")).split("__");
        let figment = Figment::new().merge(Toml::string(text)).merge(sections);
        let whole: Map<String, Value> = figment.extract().map_err(|error| {
            let what = format!("`{}` cannot be read", file.display());
            vec![Problem::new(
                ProblemKind::Invalid,
                "config.syntax",
                what,
                // Never the line itself: it may hold a secret.
                error.kind.to_string().lines().filter(|line| !line.contains('|')).collect::<Vec<_>>().join(" "),
                "mend the line that is named",
            )]
        })?;
        Self::of(whole, overrides, file.parent().unwrap_or(Path::new(".")))
    }

    /// Nothing is read, neither file nor environment: for a server that must not touch what they name.
    ///
    /// # Errors
    /// An address that is none.
    pub(crate) fn plain(listen: SocketAddr) -> Result<Self, Vec<Problem>> {
        let overrides = Overrides { listen: Some(listen.to_string()), ..Overrides::default() };
        Self::of(Map::new(), &overrides, Path::new("."))
    }

    fn of(whole: Map<String, Value>, overrides: &Overrides, folder: &Path) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader { values: flat(whole), problems: Vec::new() };
        unknown_keys(&mut reader);
        if let Some(listen) = &overrides.listen {
            reader.values.insert("server.listen".to_owned(), Value::String(listen.clone()));
        }
        if let Some(database) = &overrides.database {
            reader.values.insert("server.database".to_owned(), Value::String(database.clone()));
        }
        if let Some(root) = &overrides.root {
            reader.values.insert("seal.root".to_owned(), Value::String(format!("file:{root}")));
        }
        let listen: SocketAddr = reader
            .take("server.listen", "`\"127.0.0.1:7070\"`")
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7070)));
        let addresses = Addresses::read(&mut reader, listen);
        let trusted_proxies = reader.listed("server.trusted_proxies", "`[\"10.0.0.0/8\"]`", addresses::proxy);
        let database = addresses::database(&mut reader, folder);
        let node: Option<String> = reader.take("server.node", "`\"bailiwick-1\"`");
        let root = root::root(&mut reader, database.as_deref());
        let links: Option<bool> = reader.take("sign_in.links", "`true` or `false`");
        let forget_passkeys: Option<String> = reader.take("sign_in.forget_passkeys", "`\"old.corp.example\"`");
        let oidc = sign_in::oidc(&mut reader, folder);
        let egress = egress(&mut reader, folder, listen, &addresses);
        let tls = edges::tls(&mut reader, folder, addresses.scheme);
        let clients = edges::clients(&mut reader, folder, &addresses.apps_domain, tls.is_some());
        let redirect = edges::redirect(&mut reader, addresses.scheme, listen);
        let metrics = edges::metrics(&mut reader, folder);
        let notify = notify::notify(&mut reader, folder, &addresses.public_url);
        let content = depots::content(&mut reader, folder);
        let backup = depots::backup(&mut reader, folder);
        let otlp = edges::otlp(&mut reader);
        let grace = apps::grace(&mut reader);
        if !reader.problems.is_empty() {
            return Err(reader.problems);
        }
        let links = links.map(|links| if links { Links::On } else { Links::Off });
        let Addresses { public_url, apps_domain, .. } = addresses;
        Ok(Self {
            listen,
            public_url,
            apps_domain,
            trusted_proxies,
            database,
            node,
            egress,
            root,
            links,
            forget_passkeys,
            oidc,
            tls,
            clients,
            redirect,
            metrics,
            notify,
            content,
            backup,
            otlp,
            grace,
        })
    }

    /// `http` or `https`, as browsers reach it.
    #[must_use]
    pub fn scheme(&self) -> gateway::Scheme {
        if self.public_url.starts_with("https://") { gateway::Scheme::Https } else { gateway::Scheme::Http }
    }

    /// The host and port of the control origin.
    #[must_use]
    pub fn control_host(&self) -> &str {
        self.public_url.split_once("://").map_or(self.public_url.as_str(), |(_, host)| host)
    }
}

fn flat(whole: Map<String, Value>) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    for (section, value) in whole {
        match value {
            // Nothing in it, and no section of ours: a misspelt one.
            Value::Object(keys)
                if keys.is_empty() && !KEYS.iter().any(|key| key.starts_with(&format!("{section}."))) =>
            {
                flat.insert(section, Value::Null);
            }
            Value::Object(keys) => {
                for (key, value) in keys {
                    flat.insert(format!("{section}.{key}"), value);
                }
            }
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                flat.insert(section, other);
            }
        }
    }
    flat
}

fn unknown_keys(reader: &mut Reader) {
    let unknown: Vec<String> = reader.values.keys().filter(|key| !KEYS.contains(&key.as_str())).cloned().collect();
    for key in unknown {
        reader.values.remove(&key);
        let near = KEYS.iter().max_by(|a, b| strsim::jaro_winkler(a, &key).total_cmp(&strsim::jaro_winkler(b, &key)));
        let fix = near.map_or_else(String::new, |near| format!("did you mean `{near}`?"));
        let what = format!("`{key}` is not a key of the configuration");
        let why = "unknown keys are refused, so that a misspelt one is not silently ignored";
        reader.problems.push(Problem::new(ProblemKind::Invalid, "config.unknown_key", what, why, fix).at(key));
    }
}

fn egress(reader: &mut Reader, folder: &Path, listen: SocketAddr, addresses: &Addresses) -> EgressConfig {
    let private = reader.listed("broker.private", "`[\"10.20.0.0/16:443\"]`", EgressConfig::parse_private);
    let pairs: BTreeMap<String, String> =
        reader.take("broker.resolve", "`{ \"slack.com\" = \"127.0.0.1:9443\" }`").unwrap_or_default();
    let mut resolve = std::collections::HashMap::new();
    for (host, address) in &pairs {
        match EgressConfig::parse_resolve(host, address) {
            Ok((host, address)) => {
                resolve.insert(host, address);
            }
            Err(problem) => reader.problems.push(problem),
        }
    }
    let files = reader.listed("broker.ca", "`[\"corp-ca.pem\"]`", |file| {
        let path = folder.join(file);
        let pem = std::fs::read(&path).map_err(|_| unreadable(file))?;
        EgressConfig::parse_ca(file, &pem)
    });
    EgressConfig {
        private,
        resolve,
        ca: files.into_iter().flatten().collect(),
        own: own_addresses(listen, addresses),
        ..EgressConfig::default()
    }
}

fn unreadable(file: &str) -> Problem {
    let what = format!("the certificate file `{file}` cannot be read");
    let why = "it is missing, or not readable by the server";
    Problem::new(ProblemKind::Invalid, "config.ca", what, why, "check its path and permissions").at("broker.ca")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, Vec<Problem>> {
        let whole: Map<String, Value> = Figment::new().merge(Toml::string(text)).extract().unwrap();
        Config::of(whole, &Overrides::default(), Path::new("."))
    }

    #[test]
    fn nothing_said_is_a_server_on_loopback() {
        let config = read("").unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:7070");
        assert_eq!(
            (config.public_url.as_str(), config.apps_domain.as_str()),
            ("http://localhost:7070", "localhost:7070")
        );
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let problems = read(
            "[server]\nlisten = 5\npublic_ulr = \"x\"\napps_domain = \"*.apps.example\"\ntrusted_proxies = [\"ten\", \"10.0.0.7\"]\n\
             database = \"mysql://root:pw@db/x\"\ntls = { cert = \"none.pem\" }\n[broker]\nprivate = [\"10.0.0.0/8\"]\n\
             resolve = { \"a.example\" = \"b\" }\nca = [\"none.pem\"]\n[seal]\nroot = \"gold\"\n[sign_in]\nlinks = \"yes\"\n\
             [metrics]\ntoken = \"plain\"\n[apps]\ngrace = \"soon\"\n[extra]\n",
        )
        .unwrap_err();
        let at: Vec<&str> = problems.iter().filter_map(|problem| problem.at.as_deref()).collect();
        assert_eq!(
            at,
            [
                "extra",
                "server.public_ulr",
                "server.listen",
                "server.apps_domain",
                "server.trusted_proxies",
                "server.database",
                "seal.root",
                "sign_in.links",
                "[broker] private",
                "[broker] resolve",
                "broker.ca",
                "server.tls",
                "metrics.token",
                "apps.grace",
            ]
        );
        assert!(problems[1].fix.contains("`server.public_url`"));
        assert!(problems.iter().all(|problem| !problem.to_string().contains("pw@")), "{problems:#?}");
    }

    #[test]
    fn an_address_is_an_origin_or_is_refused() {
        let url = |text: &str| {
            let read = read(&format!("[server]\npublic_url = \"{text}\"\napps_domain = \"corp-apps.example\"\n"));
            read.map(|config| config.public_url).map_err(|problems| problems[0].at.clone().unwrap_or_default())
        };
        assert_eq!(url("https://Bailiwick.Corp.example:443/"), Ok("https://bailiwick.corp.example".to_owned()));
        assert_eq!(url("https://b.example:8443"), Ok("https://b.example:8443".to_owned()));
        for text in [
            "b.example",
            "https://b.example/console",
            "https://a@b.example",
            "https://b.example?x",
            "ftp://b",
            "http://b.example",
        ] {
            assert_eq!(url(text), Err("server.public_url".to_owned()), "{text}");
        }
    }

    #[test]
    fn what_no_app_may_call_is_known() {
        let config = read(
            "[server]\nlisten = \"0.0.0.0:8443\"\npublic_url = \"https://b.example\"\napps_domain = \"corp-apps.example:8443\"\n",
        )
        .unwrap();
        let own = &config.egress.own;
        for wanted in [
            broker::Own::Listener("0.0.0.0:8443".parse().unwrap()),
            broker::Own::Address("127.0.0.1".parse().unwrap()),
            broker::Own::Name { host: "b.example".to_owned(), port: 443 },
            broker::Own::Name { host: "corp-apps.example".to_owned(), port: 8443 },
        ] {
            assert!(own.contains(&wanted), "{wanted:?} is not in {own:?}");
        }
    }

    #[test]
    fn a_root_key_has_three_kinds_of_sources() {
        let root = |text: &str| read(&format!("[seal]\nroot = \"{text}\"\n")).map(|config| config.root);
        assert_eq!(root("file:/k").unwrap(), Root::File("/k".into()));
        assert_eq!(root("passphrase").unwrap(), Root::Passphrase(None));
        assert_eq!(root("passphrase:/k").unwrap(), Root::Passphrase(Some("/k".into())));
        // Not started by systemd: that is no mistake of the configuration, which others read too.
        assert!(matches!(root("systemd:root.key").unwrap(), Root::Systemd(path) if path.ends_with("root.key")));
        for text in ["systemd:../x", "systemd:", "file:", "gold", ""] {
            assert_eq!(root(text).unwrap_err()[0].at.as_deref(), Some("seal.root"), "{text}");
        }
    }

    #[test]
    fn a_root_key_that_is_given_goes_before_the_one_that_is_named() {
        let overrides = Overrides { root: Some("/copy".to_owned()), ..Overrides::default() };
        let database = "[server]\ndatabase = \"postgres://db/bailiwick\"\n";
        for text in ["", "[seal]\nroot = \"systemd:root.key\"\n", "[seal]\nroot = \"file:/k\"\n", database] {
            let config = Config::read_text(text, Path::new("/nowhere/config.toml"), &overrides).unwrap();
            assert_eq!(config.root, Root::File("/copy".into()), "{text}");
        }
    }

    #[test]
    fn apps_and_console_never_share_a_host_name() {
        for (console, apps) in
            [("corp.example", "apps.corp.example"), ("a.apps.example", "apps.example"), ("x.example", "x.example")]
        {
            let text = format!("[server]\npublic_url = \"https://{console}\"\napps_domain = \"{apps}\"\n");
            let problems = read(&text).unwrap_err();
            assert_eq!(problems[0].at.as_deref(), Some("server.apps_domain"), "{console} {apps}");
        }
        assert!(
            read("[server]\npublic_url = \"https://bailiwick.corp.example\"\napps_domain = \"corp-apps.example\"\n")
                .is_ok()
        );
    }

    #[test]
    fn the_grace_of_apps_is_a_number_of_days_or_never() {
        let grace = |text: &str| read(text).map(|config| config.grace);
        let days = |days: u64| Some(Duration::from_secs(days * 86_400));
        assert_eq!(grace("").unwrap(), days(30));
        for (text, wanted) in [("never", None), ("7d", days(7)), ("365d", days(365))] {
            assert_eq!(grace(&format!("[apps]\ngrace = \"{text}\"\n")).unwrap(), wanted, "{text}");
        }
        for text in ["\"6d\"", "\"0d\"", "\"3651d\"", "\"-7d\"", "\"30\"", "\"a month\"", "\"\"", "30", "false"] {
            let problems = grace(&format!("[apps]\ngrace = {text}\n")).unwrap_err();
            assert_eq!(problems[0].at.as_deref(), Some("apps.grace"), "{text}");
            assert!(problems[0].fix.contains("never"), "{text}: {}", problems[0].fix);
        }
    }

    #[test]
    fn postgres_needs_a_named_root_key() {
        let problems = read("[server]\ndatabase = \"postgres://db/bailiwick\"\n").unwrap_err();
        assert_eq!(problems[0].at.as_deref(), Some("seal.root"));
    }
}
