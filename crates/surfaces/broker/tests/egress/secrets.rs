//! Secrets: attached at the last moment, to their own destination, and taken out of what comes back.

use crate::house::{House, Setting, problem, request, text};
use async_trait::async_trait;
use authority::Instance;
use broker::{Grant, Scrub, Secrets};
use bytes::Bytes;
use http::{HeaderValue, header, request::Parts};
use model::{Problem, ProblemKind};
use std::sync::Arc;

const PLACEHOLDER: &str = "bw-ph-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const VALUE: &str = "xoxb-canary";

/// Stands in for the vault: knows one placeholder, and puts the value in its place.
struct OneSecret;

#[async_trait]
impl Secrets for OneSecret {
    async fn attach(&self, _: &Instance, _: &Grant, parts: &mut Parts) -> Result<Option<Box<dyn Scrub>>, Problem> {
        let bearer = format!("Bearer {PLACEHOLDER}");
        if parts.headers.get(header::AUTHORIZATION).is_none_or(|value| value != bearer.as_str()) {
            return Ok(None);
        }
        parts.headers.insert(header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {VALUE}")).unwrap());
        Ok(Some(Box::new(Plain { held: String::new(), hits: 0 })))
    }

    fn may_leave(&self) -> Result<(), Problem> {
        Ok(())
    }
}

/// Changes where the request goes: nothing may come of it.
struct Hijack;

#[async_trait]
impl Secrets for Hijack {
    async fn attach(&self, _: &Instance, _: &Grant, parts: &mut Parts) -> Result<Option<Box<dyn Scrub>>, Problem> {
        parts.headers.insert(header::HOST, HeaderValue::from_static("evil.example"));
        Ok(None)
    }

    fn may_leave(&self) -> Result<(), Problem> {
        Ok(())
    }
}

/// Knows the secret, and may not send it any more: as a node that woke after its lease had ended.
struct Woken;

#[async_trait]
impl Secrets for Woken {
    async fn attach(
        &self,
        instance: &Instance,
        grant: &Grant,
        parts: &mut Parts,
    ) -> Result<Option<Box<dyn Scrub>>, Problem> {
        OneSecret.attach(instance, grant, parts).await
    }

    fn may_leave(&self) -> Result<(), Problem> {
        Err(Problem::new(ProblemKind::Unavailable, "node.cut_off", "nothing leaves", "it slept", "try again"))
    }
}

/// Keeps the whole body back: enough for short answers.
struct Plain {
    held: String,
    hits: u64,
}

impl Scrub for Plain {
    fn header(&mut self, value: &HeaderValue) -> HeaderValue {
        HeaderValue::try_from(value.to_str().unwrap().replace(VALUE, "[gone]")).unwrap()
    }
    fn chunk(&mut self, chunk: Bytes) -> Bytes {
        self.held.push_str(std::str::from_utf8(&chunk).unwrap());
        Bytes::new()
    }
    fn end(&mut self) -> Bytes {
        self.hits += self.held.matches(VALUE).count() as u64;
        self.held.replace(VALUE, "[gone]").into()
    }
    fn hits(&self) -> u64 {
        self.hits
    }
}

async fn house() -> House {
    House::with(Setting { secrets: Arc::new(OneSecret), ..Setting::default() }).await
}

fn bearer(url: &str) -> http::Request<broker::Body> {
    request("POST", url, &[("authorization", &format!("Bearer {PLACEHOLDER}")), ("accept-encoding", "gzip")], "{}")
}

#[tokio::test]
async fn the_value_goes_out_and_does_not_come_back() {
    let house = house().await;
    let response = house.call(bearer("https://slack.com/api/leak")).await;
    assert_eq!(response.headers()["x-leak"], "Bearer [gone]");
    assert!(!response.headers().contains_key("content-length"));
    assert_eq!(text(response).await, "you sent Bearer [gone]!");
    let seen = house.upstream.last();
    assert_eq!(seen.headers["authorization"], format!("Bearer {VALUE}"));
    assert_eq!(seen.headers["accept-encoding"], "identity");
    let events = house.events().await;
    assert_eq!(events[0]["detail"]["scrubbed"], 1);
    assert!(!serde_json::to_string(&events).unwrap().contains(VALUE));
}

#[tokio::test]
async fn a_placeholder_anywhere_else_refuses_the_call() {
    let house = house().await;
    let token = PLACEHOLDER;
    let bearer = format!("Bearer {token}");
    for (url, headers, body) in [
        ("https://api.example/x".to_owned(), vec![("authorization", bearer.as_str())], String::new()),
        ("https://slack.com/api/x".to_owned(), vec![("x-token", token)], String::new()),
        (
            "https://slack.com/api/x".to_owned(),
            vec![("authorization", bearer.as_str()), ("x-token", token)],
            String::new(),
        ),
        (format!("https://slack.com/api/x?token={token}"), vec![("authorization", bearer.as_str())], String::new()),
        ("https://slack.com/api/x".to_owned(), vec![("authorization", bearer.as_str())], format!("token={token}")),
    ] {
        let response = house.call(request("POST", &url, &headers, &body)).await;
        assert_eq!(problem(response).await.code, "secret.wrong_place", "{url} {headers:?}");
    }
    assert!(house.upstream.seen().is_empty());
}

#[tokio::test]
async fn a_compressed_answer_to_a_call_with_a_secret_is_refused() {
    let house = house().await;
    assert_eq!(problem(house.call(bearer("https://slack.com/api/gzip")).await).await.code, "egress.encoded");
    assert_eq!(house.get("https://api.example/gzip").await.status(), 200);
}

#[tokio::test]
async fn attaching_may_not_change_where_a_request_goes() {
    let house = House::with(Setting { secrets: Arc::new(Hijack), ..Setting::default() }).await;
    assert_eq!(problem(house.call(bearer("https://slack.com/api/x")).await).await.code, "internal");
    assert!(house.upstream.seen().is_empty());
}

#[tokio::test]
async fn nothing_leaves_a_node_that_may_not_send_any_more() {
    let house = House::with(Setting { secrets: Arc::new(Woken), ..Setting::default() }).await;
    for call in [bearer("https://slack.com/api/x"), request("GET", "https://api.example/x", &[], "")] {
        assert_eq!(problem(house.call(call).await).await.code, "node.cut_off");
    }
    assert!(house.upstream.seen().is_empty());
}
