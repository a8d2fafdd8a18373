//! A chat on loopback that stands in for Slack: takes `POST /api/chat.postMessage` over TLS, and shows what it received.

use crate::{Config, page, stand_in::StandIn};
use askama::Template;
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use broker::EgressConfig;
use model::{Clock, Problem, ProblemKind, SystemClock};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::net::TcpListener;

/// Made up; the chat takes nothing else.
pub(crate) const TOKEN: &str = "xoxb-demo-0000000000-stand-in";
const KEPT: usize = 200;

type Received = Arc<Mutex<VecDeque<Message>>>;

/// One message, as it came.
#[derive(Debug, Clone)]
struct Message {
    channel: String,
    text: String,
    /// For machines, and for people.
    at: String,
    shown: String,
}

#[derive(Template)]
#[template(path = "chat.html")]
struct ChatPage {
    host: &'static str,
    messages: Vec<Message>,
}

/// The running stand-in.
#[derive(Debug)]
pub(crate) struct Chat {
    stand_in: StandIn,
    page: SocketAddr,
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
    pub(crate) const HOST: &str = "slack.com";

    pub(crate) async fn start() -> Result<Self, Problem> {
        let received = Received::default();
        let app = Router::new().route("/api/chat.postMessage", post(take)).with_state(Arc::clone(&received));
        let stand_in = StandIn::start(app).await?;
        stand_in.stands_for(&[Self::HOST.to_owned()])?;
        let shown = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| failed(&error))?;
        let page = shown.local_addr().map_err(|error| failed(&error))?;
        let app = Router::new().route("/", get(show)).route("/style.css", get(style)).with_state(received);
        tokio::spawn(async move { axum::serve(shown, app).await });
        Ok(Self { stand_in, page })
    }

    /// Widens the way out, for this process alone.
    pub(crate) fn allow(&self, config: &mut Config) -> Result<(), Problem> {
        let egress = &mut config.egress;
        self.stand_in.allow(egress)?;
        let (host, address) = EgressConfig::parse_resolve(Self::HOST, &self.stand_in.address().to_string())?;
        egress.resolve.insert(host, address);
        Ok(())
    }

    /// What was widened, as an operator would write it.
    pub(crate) fn said(&self) -> [String; 3] {
        let address = self.stand_in.address();
        [
            format!("[broker] private = [\"{address}\"]"),
            format!("         resolve = {{ \"{}\" = \"{address}\" }}", Self::HOST),
            "         ca      = [its own certificate]".to_owned(),
        ]
    }

    /// Where to see what it received.
    pub(crate) fn address(&self) -> String {
        format!("http://{}/", self.page)
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
    let at: String = SystemClock.now().to_string().chars().take(19).collect();
    let shown = at.replace('T', " ");
    let mut messages = received.lock().unwrap_or_else(PoisonError::into_inner);
    messages.push_front(Message { channel: field("channel"), text: field("text"), at, shown });
    messages.truncate(KEPT);
    Json(json!({ "ok": true, "ts": messages.len().to_string() }))
}

async fn show(State(received): State<Received>) -> Response {
    let messages = received.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
    page::html(StatusCode::OK, &ChatPage { host: Chat::HOST, messages })
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], page::STYLE).into_response()
}
