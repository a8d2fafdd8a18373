//! The world outside as the engine's tests expect it: an echo, slow and refusing hosts, a data store.

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use sandbox::{Body, Sending, full};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

pub fn answer(request: Request<Body>) -> Sending {
    Box::pin(async move {
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let host = head.uri.host().unwrap_or_default().to_owned();
        let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        Ok(match (host.as_str(), path.as_str()) {
            ("data.bailiwick", _) => record(head.method.as_str(), &path, &bytes),
            ("refused.test", _) => refusal(),
            (_, "/drip") => drip(),
            _ => {
                if path == "/slow" {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                let headers: BTreeMap<_, _> = head
                    .headers
                    .iter()
                    .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
                    .collect();
                let echo = String::from_utf8_lossy(&bytes);
                let seen = json!({ "host": host, "path": path, "method": head.method.as_str(), "headers": headers,
                    "length": bytes.len(), "echo": echo });
                reply(201, &seen)
            }
        })
    })
}

fn reply(status: u16, body: &Value) -> Response<Body> {
    let head = Response::builder().status(status).header("content-type", "application/json");
    head.body(full(body.to_string())).unwrap()
}

fn record(method: &str, path: &str, body: &Bytes) -> Response<Body> {
    let sent: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    if path.ends_with("/missing") {
        return reply(404, &json!({ "code": "data.missing", "what": "there is no such record", "why": "", "fix": "" }));
    }
    if path.ends_with("/stale") {
        let what = "the record was changed meanwhile";
        return reply(409, &json!({ "code": "data.version", "what": what, "why": "", "fix": "read it again" }));
    }
    if path.ends_with("/count") {
        return reply(200, &json!({ "count": 7 }));
    }
    if path.ends_with("/export") {
        return reply(200, &json!([]));
    }
    if method == "DELETE" {
        return Response::builder().status(204).body(full("")).unwrap();
    }
    reply(200, &json!({ "id": "r1", "version": 1, "method": method, "path": path, "body": sent }))
}

fn refusal() -> Response<Body> {
    let body = json!({ "code": "egress.denied", "what": "`refused.test` is not among the hosts this app may call",
        "why": "the manifest does not name it", "fix": "add it to `bailiwick.toml`" });
    let mut response = reply(403, &body);
    response.headers_mut().insert("bailiwick-problem", "1".parse().unwrap());
    response
}

fn drip() -> Response<Body> {
    let parts = futures_util::stream::iter(0..5).then(|n| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok(http_body::Frame::data(Bytes::from(format!("part {n};"))))
    });
    let head = Response::builder().header("set-cookie", "a=1").header("set-cookie", "b=2");
    head.body(StreamBody::new(parts.boxed()).boxed_unsync()).unwrap()
}
