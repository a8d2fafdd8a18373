//! Bodies: streamed both ways, limited, and stopped by a cut.

use crate::house::{House, Setting, problem, request};
use authority::Surface;
use broker::{Body, BoxError, Limits};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use std::sync::Arc;
use tokio::sync::mpsc;

/// A body that is fed from outside.
fn fed() -> (mpsc::Sender<&'static str>, Body) {
    let (send, receive) = mpsc::channel(4);
    let frames = stream::unfold(receive, |mut receive: mpsc::Receiver<&'static str>| async {
        let chunk = receive.recv().await?;
        Some((Ok::<_, BoxError>(Frame::data(Bytes::from_static(chunk.as_bytes()))), receive))
    });
    (send, BodyExt::boxed_unsync(StreamBody::new(frames)))
}

fn post(url: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut request = Request::builder().method("POST").uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

async fn next(response: &mut Response<Body>) -> Option<Result<String, String>> {
    let frame = response.body_mut().frame().await?;
    Some(match frame {
        Ok(frame) => Ok(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()),
        Err(error) => Err(error.to_string()),
    })
}

#[tokio::test]
async fn both_bodies_stream_at_once() {
    let house = House::new().await;
    let (send, body) = fed();
    let mut response = house.call(post("https://api.example/duplex", &[], body)).await;
    assert_eq!(response.status(), 200);
    for word in ["ping", "pong"] {
        send.send(word).await.unwrap();
        assert_eq!(next(&mut response).await, Some(Ok(word.to_owned())));
    }
    drop(send);
    assert_eq!(next(&mut response).await, None);
    assert_eq!(house.upstream.last().headers["transfer-encoding"], "chunked");
}

#[tokio::test]
async fn an_answer_reaches_the_guest_before_it_ends() {
    let house = House::new().await;
    let mut response = house.get("https://api.example/stream").await;
    assert_eq!(next(&mut response).await, Some(Ok("one".to_owned())));
    house.upstream.shared.go_on.notify_one();
    assert_eq!(next(&mut response).await, Some(Ok("two".to_owned())));
    assert_eq!(next(&mut response).await, None);
}

#[tokio::test]
async fn a_placeholder_in_a_streamed_body_stops_the_call_at_every_cut() {
    let house = House::new().await;
    let token = "bw-ph-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for cut in [1, 5, 6, 7, 30, 48] {
        let chunks =
            [Bytes::from("{\"t\": \""), Bytes::from(&token[..cut]), Bytes::from(&token[cut..]), Bytes::from("\"}")];
        let frames = stream::iter(chunks.map(|chunk| Ok::<_, BoxError>(Frame::data(chunk))));
        let response =
            house.call(post("https://api.example/x", &[], BodyExt::boxed_unsync(StreamBody::new(frames)))).await;
        assert_eq!(problem(response).await.code, "secret.wrong_place", "cut at {cut}");
    }
    assert!(house.upstream.seen().is_empty());
    assert!(house.events().await.iter().all(|event| event["outcome"] == "denied"));
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_promised_stops_the_call() {
    let house = House::new().await;
    for (promised, chunks) in [("9", &["short"][..]), ("3", &["much", "longer"][..])] {
        let frames = stream::iter(
            chunks.iter().map(|chunk| Ok::<_, BoxError>(Frame::data(Bytes::from_static(chunk.as_bytes())))),
        );
        let body = BodyExt::boxed_unsync(StreamBody::new(frames));
        let response = house.call(post("https://api.example/x", &[("content-length", promised)], body)).await;
        assert_eq!(problem(response).await.code, "egress.header", "{promised}");
    }
    assert!(house.upstream.seen().is_empty());
}

#[tokio::test]
async fn bodies_are_limited_both_ways() {
    let limits = Limits { request_bytes: 1000, response_bytes: 40_000, ..Limits::default() };
    let house = House::with(Setting { limits, ..Setting::default() }).await;
    let known = house.call(request("POST", "https://api.example/x", &[], &"x".repeat(1001))).await;
    assert_eq!((known.status().as_u16(), problem(known).await.code.as_str()), (413, "egress.too_large"));
    let frames = stream::repeat_with(|| Ok::<_, BoxError>(Frame::data(Bytes::from("x".repeat(300))))).take(10);
    let streamed = house.call(post("https://api.example/x", &[], BodyExt::boxed_unsync(StreamBody::new(frames)))).await;
    assert_eq!(problem(streamed).await.code, "egress.too_large");
    let endless = house.get("https://api.example/endless").await;
    let error = endless.into_body().collect().await.unwrap_err();
    assert!(error.to_string().contains("egress.too_large"), "{error}");
    assert_eq!(problem(house.get("https://api.example/big").await).await.code, "egress.too_large");
}

#[tokio::test]
async fn a_cut_stops_what_is_under_way() {
    let house = Arc::new(House::new().await);
    let mut streaming = house.get("https://api.example/stream").await;
    assert_eq!(next(&mut streaming).await, Some(Ok("one".to_owned())));
    let hanging = tokio::spawn({
        let house = Arc::clone(&house);
        async move { problem(house.get("https://api.example/hang").await).await }
    });
    while !house.upstream.seen().iter().any(|seen| seen.target == "/hang") {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.broker.in_flight(&house.app), 2);
    let lines = house.broker.cut(&house.app).await;
    assert_eq!(lines[0].how, "destination closed; 2 calls stopped");
    assert_eq!(hanging.await.unwrap().code, "egress.cut");
    assert!(next(&mut streaming).await.unwrap().unwrap_err().contains("egress.cut"));
    assert_eq!(next(&mut streaming).await, None);
    assert_eq!(house.broker.in_flight(&house.app), 0);
    assert_eq!(problem(house.get("https://api.example/x").await).await.code, "egress.cut");
    let events = house.events().await;
    let stopped = |event: &&serde_json::Value| event["outcome"] == "failed" && event["detail"]["code"] == "egress.cut";
    assert_eq!(events.iter().filter(stopped).count(), 2, "{events:#?}");
}
