//! Where things are: the server that is meant, the data folder with its local credential, and folders of this person.
//!
//! The only place that reads the environment. Refuses plain HTTP to anywhere but this machine.

use crate::{logins::Login, near::Near};
use model::{Problem, ProblemKind};
use reqwest::Url;
use serde::Deserialize;
use std::{
    fs::File,
    io::Read as _,
    net::{IpAddr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

const DEFAULT_URL: &str = "http://localhost:7070";
/// What a running server leaves in its data folder, so that the client finds it.
pub(crate) const SERVER_FILE: &str = "server.json";
/// The folder in which checkpoints that were seen are remembered.
pub(crate) const MEMORY: &str = "remembered";
const SERVER_FILE_MAX_BYTES: u64 = 64 << 10;
/// A server on this machine answers at once, or is not there.
const PROBE: Duration = Duration::from_millis(300);

/// What the environment says; read once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    server: Option<String>,
    data: Option<PathBuf>,
    home: Option<PathBuf>,
    config_home: Option<PathBuf>,
    cache_home: Option<PathBuf>,
    user: Option<String>,
    no_color: bool,
}

impl Environment {
    pub(crate) fn read() -> Self {
        let os = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name: &str| os(name).and_then(|value| value.into_string().ok());
        Self {
            server: text("BAILIWICK_SERVER"),
            data: os("BAILIWICK_DATA").map(PathBuf::from),
            home: os("HOME").map(PathBuf::from),
            config_home: os("XDG_CONFIG_HOME").map(PathBuf::from),
            cache_home: os("XDG_CACHE_HOME").map(PathBuf::from),
            user: text("USER").or_else(|| text("LOGNAME")),
            no_color: os("NO_COLOR").is_some(),
        }
    }

    pub(crate) const fn no_color(&self) -> bool {
        self.no_color
    }

    /// The data folder that is meant when nothing is said: `BAILIWICK_DATA`, or the default one.
    pub(crate) fn data(&self) -> Option<PathBuf> {
        self.data.clone().or_else(|| self.home.as_ref().map(|home| home.join(".local/share/bailiwick")))
    }

    /// The folder that `up --demo` keeps: never one that was chosen for real work.
    pub(crate) fn demo_data(&self) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(".local/share/bailiwick-demo"))
    }

    /// Where checkpoints that were seen are remembered; none without a home.
    pub(crate) fn remembered(&self) -> Option<PathBuf> {
        let own = self.data.as_ref().map(|data| data.join(MEMORY));
        own.or_else(|| Some(self.folder(self.config_home.as_ref(), ".config")?.join(MEMORY)))
    }

    /// Where logins are kept; none without a home.
    pub(crate) fn logins(&self) -> Option<PathBuf> {
        let own = self.data.as_ref().map(|data| data.join("logins"));
        own.or_else(|| Some(self.folder(self.config_home.as_ref(), ".config")?.join("logins")))
    }

    #[cfg(test)]
    pub(crate) fn at(home: &Path) -> Self {
        Self { home: Some(home.to_owned()), ..Self::default() }
    }

    /// Where compiled code is kept between runs of `check`; none without a home.
    pub(crate) fn cache(&self) -> Option<PathBuf> {
        let own = self.data.as_ref().map(|data| data.join("check-cache"));
        own.or_else(|| self.own_cache())
    }

    /// The same, never in a data folder.
    pub(crate) fn own_cache(&self) -> Option<PathBuf> {
        self.folder(self.cache_home.as_ref(), ".cache")
    }

    fn folder(&self, chosen: Option<&PathBuf>, under_home: &str) -> Option<PathBuf> {
        let base = chosen.cloned().or_else(|| self.home.as_ref().map(|home| home.join(under_home)))?;
        Some(base.join("bailiwick"))
    }

    /// The system's user, as the record will show it beside `machine`.
    pub(crate) fn system_user(&self) -> String {
        self.user.clone().unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
    }
}

/// How the server was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// `--server` or `BAILIWICK_SERVER`.
    Named,
    /// The newest login that lasts.
    Login,
    /// It left its address in the data folder.
    Running,
    /// As `Running`, in the demo's folder, since nothing runs from the default one.
    Demo,
    /// Nothing says where; the default address is tried.
    Default,
}

/// A server, and the data folder whose credential opens it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) url: Url,
    pub(crate) data: Option<PathBuf>,
    pub(crate) found: Found,
    /// The short way, to a server that nobody named: it was found by its folder on this machine.
    pub(crate) near: Option<Near>,
}

#[derive(Deserialize)]
struct ServerFile {
    url: String,
    #[serde(flatten)]
    near: Option<Near>,
}

/// A server that left its address in a folder.
struct Running {
    url: Url,
    near: Option<Near>,
}

impl Place {
    /// Which server a command means: `--server`, `BAILIWICK_SERVER`, the newest login, what runs from the data folder,
    /// what runs from the demo's, the default address.
    ///
    /// # Errors
    /// An address that is none, or that would carry a credential in the open.
    pub(crate) fn find(flag: Option<&str>, environment: &Environment) -> Result<Self, Problem> {
        let data = environment.data();
        let own = data.as_deref().and_then(running);
        let demo_data = environment.demo_data().filter(|_| environment.data.is_none());
        let demo = demo_data.as_deref().and_then(running);
        if let Some(named) = flag.or(environment.server.as_deref()) {
            let named = parse(named)?;
            // `127.0.0.1` and `localhost` are one server; what it calls itself is what signatures are bound to.
            let known = [(&own, &data), (&demo, &demo_data)];
            let same = known.into_iter().find_map(|(running, data)| {
                let url = running.as_ref().map(|running| running.url.clone());
                Some((url.filter(|url| same(url, &named))?, data))
            });
            let (url, data) = same.map_or_else(|| (named, data.clone()), |(url, data)| (url, data.clone()));
            return Ok(Self { url, data, found: Found::Named, near: None });
        }
        if let Some(url) = Login::newest(environment).and_then(|server| parse(&server).ok()) {
            return Ok(Self { url, data, found: Found::Login, near: None });
        }
        let by = |Running { url, near }: Running, data, found| Self { url, data, found, near };
        Ok(match (own, demo) {
            (Some(own), Some(demo)) if !own.answers() && demo.answers() => by(demo, demo_data, Found::Demo),
            (Some(own), _) => by(own, data, Found::Running),
            (None, Some(demo)) => by(demo, demo_data, Found::Demo),
            (None, None) => Self { url: parse(DEFAULT_URL)?, data, found: Found::Default, near: None },
        })
    }

    /// The same for whoever looks after this machine: the server whose folder is here, whether it runs or not, goes before
    /// a login elsewhere. `configured` says where it would be.
    ///
    /// # Errors
    /// As [`Place::find`].
    pub(crate) fn here(
        flag: Option<&str>,
        environment: &Environment,
        configured: impl FnOnce(&Path) -> Option<String>,
    ) -> Result<Self, Problem> {
        let found = Self::find(flag, environment)?;
        let own = environment.data().filter(|data| data.join(identity::CREDENTIAL_FILE).exists());
        let (Some(data), Found::Login | Found::Default) = (own, found.found) else { return Ok(found) };
        if let Some(Running { url, near }) = running(&data) {
            return Ok(Self { url, data: Some(data), found: Found::Default, near });
        }
        let url = configured(&data).and_then(|url| parse(&url).ok()).map_or_else(|| parse(DEFAULT_URL), Ok)?;
        Ok(Self { url, data: Some(data), found: Found::Default, near: None })
    }

    /// The same server, by the way that everybody else goes.
    pub(crate) fn afar(&self) -> Self {
        Self { near: None, ..self.clone() }
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Host and port, as a request names them.
    pub(crate) fn authority(&self) -> &str {
        self.url.authority()
    }
}

impl Running {
    fn answers(&self) -> bool {
        let reached = |address: &SocketAddr| TcpStream::connect_timeout(address, PROBE).is_ok();
        self.near.is_some() || self.url.socket_addrs(|| None).is_ok_and(|addresses| addresses.iter().any(reached))
    }
}

/// What the server that runs from this folder calls itself, and the short way to it.
fn running(data: &Path) -> Option<Running> {
    let mut text = String::new();
    File::open(data.join(SERVER_FILE)).ok()?.take(SERVER_FILE_MAX_BYTES).read_to_string(&mut text).ok()?;
    let file: ServerFile = serde_json::from_str(&text).ok()?;
    Some(Running { url: parse(&file.url).ok()?, near: file.near.and_then(|near| near.of(data)) })
}

fn same(one: &Url, other: &Url) -> bool {
    let port = one.port_or_known_default() == other.port_or_known_default();
    one.origin() == other.origin() || (port && is_loopback(one) && is_loopback(other) && one.scheme() == other.scheme())
}

/// Whether the address is of this machine, by its form alone: no name is looked up.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let named = host == "localhost" || host.ends_with(".localhost");
    named || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn parse(text: &str) -> Result<Url, Problem> {
    let url = Url::parse(text).ok().filter(|url| url.has_host() && ["http", "https"].contains(&url.scheme()));
    let Some(mut url) = url else {
        return Err(Problem::new(
            ProblemKind::Invalid,
            "server.address",
            format!("`{text}` is not the address of a server"),
            "an address begins with `https://`, or with `http://` on this machine",
            "give it as `--server https://bailiwick.corp.example`",
        ));
    };
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(Problem::new(
            ProblemKind::Invalid,
            "server.plain_http",
            format!("`{text}` would be spoken to in the open"),
            "what is sent there, secrets among it, could be read and changed on the way",
            "use its `https://` address",
        ));
    }
    url.set_path("/");
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(home: &Path) -> Environment {
        Environment { home: Some(home.to_owned()), ..Environment::default() }
    }

    fn leave(folder: &Path, url: &str) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(SERVER_FILE), format!("{{\"url\":\"{url}\",\"pid\":1}}")).unwrap();
    }

    #[test]
    fn without_a_word_the_default_address() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::find(None, &environment(home.path())).unwrap();
        assert_eq!((place.origin().as_str(), place.found), (DEFAULT_URL, Found::Default));
        assert_eq!(place.data, Some(home.path().join(".local/share/bailiwick")));
    }

    #[test]
    fn a_running_server_is_found_and_the_demo_only_without_one() {
        let home = tempfile::tempdir().unwrap();
        let environment = environment(home.path());
        // The discard port (RFC 863), so that it makes no difference what runs on this machine.
        leave(&environment.demo_data().unwrap(), "http://127.0.0.1:9");
        let place = Place::find(None, &environment).unwrap();
        assert_eq!((place.origin().as_str(), place.found), ("http://127.0.0.1:9", Found::Demo));
        assert_eq!(place.data, environment.demo_data());
        leave(&environment.data().unwrap(), "http://127.0.0.1:9");
        assert_eq!(Place::find(None, &environment).unwrap().found, Found::Running);
    }

    #[test]
    fn a_folder_that_was_chosen_hides_the_demo() {
        let home = tempfile::tempdir().unwrap();
        let mut environment = environment(home.path());
        leave(&environment.demo_data().unwrap(), "http://localhost:7171");
        environment.data = Some(home.path().join("mine"));
        let place = Place::find(None, &environment).unwrap();
        assert_eq!((place.found, place.data), (Found::Default, environment.data));
    }

    #[test]
    fn a_named_server_on_this_machine_is_called_what_it_calls_itself() {
        let home = tempfile::tempdir().unwrap();
        let environment = environment(home.path());
        leave(&environment.demo_data().unwrap(), "http://localhost:7171");
        let place = Place::find(Some("http://127.0.0.1:7171"), &environment).unwrap();
        assert_eq!((place.origin().as_str(), place.found), ("http://localhost:7171", Found::Named));
        assert_eq!(place.data, environment.demo_data());
        let other = Place::find(Some("http://127.0.0.1:7272"), &environment).unwrap();
        assert_eq!(other.origin(), "http://127.0.0.1:7272");
    }

    #[test]
    fn whoever_looks_after_a_machine_means_the_server_of_its_folder() {
        let home = tempfile::tempdir().unwrap();
        let environment = environment(home.path());
        let logins = environment.logins().unwrap();
        std::fs::create_dir_all(&logins).unwrap();
        let login = r#"{"server":"https://corp.example","person":"p","session":"s","expires_at":"2100-01-01T00:00:00Z","token":"t"}"#;
        std::fs::write(logins.join("corp.json"), login).unwrap();
        let here = || Place::here(None, &environment, |_| Some("http://localhost:7171".to_owned())).unwrap();
        assert_eq!((here().origin().as_str(), here().found), ("https://corp.example", Found::Login));
        let data = environment.data().unwrap();
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(data.join(identity::CREDENTIAL_FILE), "").unwrap();
        assert_eq!((here().origin().as_str(), here().data), ("http://localhost:7171", Some(data.clone())));
        leave(&data, "http://localhost:7272");
        assert_eq!(here().origin(), "http://localhost:7272");
        let named = Place::here(Some("https://other.example"), &environment, |_| None).unwrap();
        assert_eq!(named.origin(), "https://other.example");
    }

    #[test]
    fn addresses() {
        for fine in ["http://localhost:7070", "http://127.0.0.1:1", "http://[::1]:1/x", "https://corp.example"] {
            assert!(parse(fine).is_ok(), "{fine}");
        }
        for open in
            ["http://corp.example", "http://10.0.0.1:7070", "http://127.0.0.1.evil.example", "http://localhost.evil"]
        {
            assert_eq!(parse(open).unwrap_err().code, "server.plain_http", "{open}");
        }
        for none in ["localhost:7070", "ftp://x", "", "file:///etc"] {
            assert_eq!(parse(none).unwrap_err().code, "server.address", "{none}");
        }
    }
}
