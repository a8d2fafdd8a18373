//! A running server, and the local credential to call it with.

use crate::{Answer, Browser, Form, Passkey, Postgres};
use identity::{MachineKey, Signing};
use model::{Clock, SystemClock};
use server::{Bailiwick, Overrides, Settings};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// A Bailiwick that serves on loopback until it is dropped.
pub struct Town {
    pub port: u16,
    pub data: PathBuf,
    audience: String,
    key: MachineKey,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
    folder: Option<TempDir>,
}

impl Town {
    pub async fn start(engine: Engine) -> Self {
        Self::with(engine, "", Arc::new(SystemClock)).await
    }

    /// With more lines of configuration, and a clock.
    pub async fn with(engine: Engine, more: &str, clock: Arc<dyn Clock>) -> Self {
        Self::serving(engine, "", more, clock).await
    }

    /// With more lines of `[server]`, and of the rest.
    pub async fn serving(engine: Engine, server: &str, more: &str, clock: Arc<dyn Clock>) -> Self {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let database = match engine {
            Engine::Sqlite => String::new(),
            Engine::Postgres => format!("database = \"{}\"\n", Postgres::create().await.url),
        };
        let root = kept().join("root.key");
        let file = folder.path().join("config.toml");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n{server}{database}[seal]\nroot = \"file:{}\"\n{more}",
            root.display()
        );
        std::fs::write(&file, text).unwrap();
        let settings = Settings::read(data.clone(), Some(&file), &Overrides::default()).unwrap();
        std::os::unix::fs::symlink(kept().join("cache"), data.join("cache")).unwrap();
        let (server, running) = Bailiwick::start(settings, clock).await.unwrap();
        let key = MachineKey::load(&data).unwrap();
        let audience = server.url().to_owned();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            server.listen(listener, async { drop(stopped.await) }).await;
            running.stop().await;
        });
        Self { port, data, audience, key, stop: Some(stop), serving: Some(serving), folder: Some(folder) }
    }

    /// Starts a server in the folder that another one left, with other configuration, and stops it again.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn again(folder: &TempDir, server: &str, more: &str) -> Result<(), model::Problem> {
        let file = folder.path().join("again.toml");
        let root = kept().join("root.key");
        let text = format!("{server}[seal]\nroot = \"file:{}\"\n{more}", root.display());
        std::fs::write(&file, text).unwrap();
        let settings = Settings::read(folder.path().join("data"), Some(&file), &Overrides::default()).unwrap();
        let (_server, running) = Bailiwick::start(settings, Arc::new(SystemClock)).await?;
        running.stop().await;
        Ok(())
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// A browser that nobody has used.
    #[must_use]
    pub fn browser(&self) -> Browser {
        Browser::new(self.port)
    }

    /// Calls the API with the local credential.
    pub async fn machine(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let token = self.proof(method, path, body);
        self.browser()
            .send(method, &format!("{}{path}", self.url()), &[("authorization", &format!("Bearer {token}"))], body)
            .await
    }

    /// The proof that `machine` sends, for tests that bend it.
    #[must_use]
    pub fn proof(&self, method: &str, path: &str, body: &[u8]) -> String {
        let signing = Signing { system_user: "tester", audience: &self.audience, method, path, body };
        self.key.sign(&signing, SystemClock.now()).unwrap()
    }

    pub async fn post(&self, path: &str, body: serde_json::Value) -> Answer {
        self.machine("POST", path, body.to_string().as_bytes()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.machine("GET", path, b"").await
    }

    /// Deploys the files as `machine`.
    pub async fn deploy(&self, files: &[(&str, &str)]) -> Answer {
        let files =
            files.iter().map(|(name, text)| ((*name).to_owned(), bytes::Bytes::copy_from_slice(text.as_bytes())));
        let archive = catalog::Unpacked::of(files).unwrap().pack().unwrap();
        self.machine("POST", "/api/v1/deploy?env=prod", &archive).await
    }

    /// Adds a person, and signs a browser in as them.
    pub async fn person(&self, email: &str, groups: &[&str]) -> Browser {
        let added = self.post("/api/v1/people", serde_json::json!({ "email": email, "groups": groups })).await;
        let link = added.json()["link"].as_str().unwrap_or_else(|| panic!("{added:?}")).to_owned();
        let browser = self.browser();
        let page = browser.get(&link).await;
        assert_eq!(page.status, 200, "{page:?}");
        let signed = browser.post(&link, &[]).await;
        assert_eq!(signed.status, 303, "{signed:?}");
        browser
    }

    /// Makes a passkey in a browser that is signed in by a link.
    pub async fn passkey(&self, browser: &Browser) -> Passkey {
        let page = browser.get(&format!("{}/me/passkeys/new", self.url())).await;
        let form = Form::of(&page.text());
        let (passkey, answer) = Passkey::make(&form.options, &self.url());
        let made = browser.submit(&format!("{}{}", self.url(), form.action), &form.filled(&answer)).await;
        assert_eq!(made.status, 200, "{made:?}");
        passkey
    }

    /// Adds a person, signs a browser in, and makes their passkey: the session has a second factor.
    pub async fn person_with_passkey(&self, email: &str, groups: &[&str]) -> (Browser, Passkey) {
        let browser = self.person(email, groups).await;
        let passkey = self.passkey(&browser).await;
        (browser, passkey)
    }

    /// Stops serving, and waits until everything is written. What is left lives as long as the answer.
    pub async fn stop(mut self) -> TempDir {
        drop(self.stop.take());
        if let Some(serving) = self.serving.take() {
            serving.await.unwrap();
        }
        self.folder.take().unwrap()
    }
}

/// What is kept between runs: compiled code, and the key that vouches for it.
fn kept() -> PathBuf {
    let folder = std::env::temp_dir().join("bailiwick-testkit");
    std::fs::create_dir_all(folder.join("cache")).unwrap();
    let root = folder.join("root.key");
    if !Path::exists(&root) {
        // Another test may be making it at this moment: whoever is second takes what is there.
        drop(seal::RootKey::generate().create_file(&root));
    }
    folder
}

/// The root key that all towns share.
#[must_use]
pub fn root_key() -> seal::RootKey {
    seal::RootKey::load_file(&kept().join("root.key")).unwrap()
}

/// A sample app of the templates, filled in for `name`.
#[must_use]
pub fn template(name: &str, template: &str) -> Vec<(String, bytes::Bytes)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../templates").join(template);
    let expires = SystemClock.now().plus(std::time::Duration::from_secs(80 * 86_400)).to_string();
    let unpacked = catalog::Unpacked::from_folder(&folder).unwrap();
    unpacked
        .files()
        .map(|(path, bytes)| {
            let bytes = if path == "bailiwick.toml" {
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                text.replace("{{name}}", name)
                    .replace("{{team}}", "people-ops")
                    .replace("{{expires}}", &expires[..10])
                    .into()
            } else {
                bytes.clone()
            };
            (path.to_owned(), bytes)
        })
        .collect()
}

/// The archive of a template.
#[must_use]
pub fn bundle(name: &str, from: &str) -> bytes::Bytes {
    catalog::Unpacked::of(template(name, from)).unwrap().pack().unwrap()
}

impl Town {
    /// Deploys a template as `machine`.
    pub async fn deploy_template(&self, name: &str, from: &str) -> Answer {
        let archive = bundle(name, from);
        self.machine("POST", "/api/v1/deploy?env=prod", &archive).await
    }

    /// The whole record as an export.
    pub async fn export(&self) -> Vec<u8> {
        self.get("/api/v1/export").await.body
    }

    #[must_use]
    pub fn app(&self, name: &str) -> String {
        format!("http://{name}.localhost:{}", self.port)
    }
}
