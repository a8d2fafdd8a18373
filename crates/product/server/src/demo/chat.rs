//! A chat on loopback that stands in for Slack: takes `POST /api/chat.postMessage` over TLS, and shows what it received.

use crate::Config;
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, header},
    response::Html,
    routing::{get, post},
};
use broker::EgressConfig;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use model::{Problem, ProblemKind};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Made up; the chat takes nothing else.
pub(crate) const TOKEN: &str = "xoxb-demo-0000000000-stand-in";
const HOST: &str = "slack.com";
const KEPT: usize = 200;

type Received = Arc<Mutex<Vec<String>>>;

/// The running stand-in.
#[derive(Debug)]
pub(crate) struct Chat {
    tls: SocketAddr,
    page: SocketAddr,
    certificate: CertificateDer<'static>,
}

fn failed(error: &dyn std::fmt::Display) -> Problem {
    let why = error.to_string();
    Problem::new(
        ProblemKind::Unavailable,
        "demo.chat",
        "the demo's chat could not be started",
        why,
        "try again without `--demo`",
    )
}

impl Chat {
    pub(crate) async fn start() -> Result<Self, Problem> {
        let made = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).map_err(|error| failed(&error))?;
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .map_err(|error| failed(&error))?;
        let received = Received::default();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| failed(&error))?;
        let tls = listener.local_addr().map_err(|error| failed(&error))?;
        let app = Router::new().route("/api/chat.postMessage", post(take)).with_state(Arc::clone(&received));
        tokio::spawn(serve_tls(listener, TlsAcceptor::from(Arc::new(config)), app));
        let shown = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| failed(&error))?;
        let page = shown.local_addr().map_err(|error| failed(&error))?;
        let app = Router::new().route("/", get(show)).with_state(received);
        tokio::spawn(async move { axum::serve(shown, app).await });
        Ok(Self { tls, page, certificate })
    }

    /// Widens the way out, for this process alone.
    pub(crate) fn allow(&self, config: &mut Config) -> Result<(), Problem> {
        let egress = &mut config.egress;
        egress.private.push(EgressConfig::parse_private(&self.tls.to_string())?);
        let (host, address) = EgressConfig::parse_resolve(HOST, &self.tls.to_string())?;
        egress.resolve.insert(host, address);
        egress.ca.push(self.certificate.clone());
        Ok(())
    }

    pub(crate) fn said(&self) -> [String; 3] {
        [
            format!("demo      a chat stands in for {HOST} at {}; for this process alone:", self.tls),
            format!("          [broker] private = [\"{}\"]  resolve = {{ \"{HOST}\" = \"{}\" }}", self.tls, self.tls),
            "          ca = [its own certificate]".to_owned(),
        ]
    }

    /// Where to see what it received.
    pub(crate) fn address(&self) -> String {
        format!("http://{}/", self.page)
    }
}

async fn serve_tls(listener: TcpListener, acceptor: TlsAcceptor, app: Router) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, app) = (acceptor.clone(), app.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = TowerToHyperService::new(app);
            let _ended = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn take(State(received): State<Received>, headers: HeaderMap, body: String) -> Json<Value> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if bearer != Some(format!("Bearer {TOKEN}").as_str()) {
        return Json(json!({ "ok": false, "error": "invalid_auth" }));
    }
    let Ok(message) = serde_json::from_str::<Value>(&body) else {
        return Json(json!({ "ok": false, "error": "invalid_json" }));
    };
    let field = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut lines = received.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() < KEPT {
        lines.push(format!("{}  {}", field("channel"), field("text")));
    }
    Json(json!({ "ok": true, "ts": lines.len().to_string() }))
}

async fn show(State(received): State<Received>) -> Html<String> {
    let lines = received.lock().unwrap_or_else(PoisonError::into_inner);
    let escape = |text: &String| text.replace('&', "&amp;").replace('<', "&lt;");
    let items: String = lines.iter().map(|line| format!("<li>{}</li>", escape(line))).collect();
    let list = if items.is_empty() {
        "<p>Nothing yet. Vote in poll-notify once it is approved.</p>".to_owned()
    } else {
        format!("<ol>{items}</ol>")
    };
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><meta name=color-scheme content='light dark'><title>The demo's chat</title><h1>What the chat received</h1>{list}"
    ))
}
