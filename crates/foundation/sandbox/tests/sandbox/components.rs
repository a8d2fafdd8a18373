//! Components of any language: checked by what they import, run under the same limits.

use crate::support::*;
use sandbox::{Error, Stopped};
use std::time::Duration;

/// A handler in the text format: `$body` runs with the request and the outparam on the stack.
fn component(body: &str) -> Vec<u8> {
    let text = include_str!("component.wat").replace(";; BODY", body);
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn a_component_answers() {
    let bytes = component("(call $respond (local.get 1) (i32.const 418))");
    let prepared = sandbox().prepare_component(bytes).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(prepared.handlers, ["fetch"]);
    let app = sandbox().load(&prepared.image, 4).await.unwrap();
    assert_eq!(get(&app, "/").await, (418, String::new()));
}

#[tokio::test]
async fn components_have_the_same_limits() {
    for (body, expected) in [
        ("(loop $l (br $l))", "CPU time"),
        ("unreachable", "broke off"),
        ("(call $deep)", "nested too deep"),
        ("nop", "without a response"),
        ("(drop (memory.grow (i32.const 4000))) unreachable", "memory"),
    ] {
        let prepared = sandbox().prepare_component(component(body)).await.unwrap();
        let app = sandbox().load(&prepared.image, 4).await.unwrap();
        let tight = model::manifest::SandboxLimits { cpu: Duration::from_millis(200), ..limits() };
        let (why, _, _): (Stopped, _, _) = stopped(&app, "/", tight).await;
        assert!(why.to_string().contains(expected), "{body}: {why}");
    }
}

#[tokio::test]
async fn sockets_and_everything_unknown_are_refused_by_name() {
    for import in ["wasi:sockets/tcp@0.2.0", "wasi:sockets/ip-name-lookup@0.2.3", "wasi:nn/graph@0.2.0"] {
        let bytes = wat::parse_str(format!(r#"(component (import "{import}" (instance)))"#)).unwrap();
        let Err(Error::Refused(problem)) = sandbox().prepare_component(bytes).await else { panic!("{import}") };
        assert!(problem.what.contains(import), "{problem}");
    }
    let Err(Error::Refused(problem)) = sandbox().prepare_component(b"#!/bin/sh".to_vec()).await else { panic!() };
    assert_eq!(problem.code, "app.component");
}
