//! Bodies flow both ways while the handler still runs.

use crate::support::*;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use sandbox::{BoxError, Stop, Stopped, Switch, full};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};

const COUNTING: &str = "const text = new TextEncoder();\n\
    const body = new ReadableStream({ async pull(c) {\n\
      const r = await fetch('http://svc.test/next'); const next = await r.text();\n\
      if (next === 'end') c.close(); else c.enqueue(text.encode(next));\n\
    } }, { highWaterMark: 0 });\n\
    return new Response(body);";

#[tokio::test]
async fn a_response_begins_before_it_is_whole() {
    let app = handler(COUNTING).await;
    let (give, given) = mpsc::unbounded_channel::<&'static str>();
    let given = Arc::new(tokio::sync::Mutex::new(given));
    let door = TestDoor::open(move |_| {
        let given = Arc::clone(&given);
        Box::pin(async move { Ok(http::Response::new(full(given.lock().await.recv().await.unwrap_or("end")))) })
    });
    let response = app.run(run("/", None, limits(), &door, Stop::never())).await.unwrap();
    let mut body = response.into_body();
    for part in ["one", "two"] {
        give.send(part).unwrap();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), part);
    }
    drop(give);
    assert!(body.frame().await.is_none());
    assert_eq!(door.report().await.stopped, None);
}

#[tokio::test]
async fn a_request_is_read_as_it_comes() {
    let app = handler(
        "const reader = request.body.getReader(), text = new TextDecoder(); let all = '';\n\
         for (;;) { const { value, done } = await reader.read(); if (done) break; all += text.decode(value) + '|';\n\
           await fetch('http://svc.test/got'); }\n\
         return new Response(all);",
    )
    .await;
    let got = Arc::new(Notify::new());
    let seen = Arc::clone(&got);
    let door = TestDoor::open(move |_| {
        seen.notify_one();
        Box::pin(async { Ok(http::Response::new(full(""))) })
    });
    let (give, given) = mpsc::channel::<Result<http_body::Frame<Bytes>, BoxError>>(1);
    let stream =
        futures_util::stream::unfold(given, |mut given| async { given.recv().await.map(|frame| (frame, given)) });
    let mut run = run("/", Some(""), limits(), &door, Stop::never());
    *run.request.body_mut() = StreamBody::new(stream.boxed()).boxed_unsync();
    let writer = async move {
        for part in ["a", "b", "c"] {
            give.send(Ok(http_body::Frame::data(Bytes::from(part)))).await.unwrap();
            // The next part is sent only after the app had this one.
            got.notified().await;
        }
    };
    let (response, ()) = tokio::join!(app.run(run), writer);
    assert_eq!(text(response.unwrap()).await.1, "a|b|c|");
}

#[tokio::test]
async fn a_broken_request_is_an_error_in_the_app() {
    let app = handler(
        "try { await request.text(); } catch (e) { return new Response('broken'); } return new Response('whole');",
    )
    .await;
    let door = TestDoor::shut();
    let mut run = run("/", Some(""), limits(), &door, Stop::never());
    let parts = [Ok(http_body::Frame::data(Bytes::from("a"))), Err(BoxError::from("reset"))];
    *run.request.body_mut() = StreamBody::new(futures_util::stream::iter(parts)).boxed_unsync();
    assert_eq!(text(app.run(run).await.unwrap()).await.1, "broken");
}

#[tokio::test]
async fn work_goes_on_after_the_reply_when_it_is_waited_for() {
    let app = handler(
        "ctx.waitUntil((async () => { await fetch('http://svc.test/first'); console.log('after'); })());\n\
         return new Response('now');",
    )
    .await;
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    let door = TestDoor::open(move |_| {
        let wait = Arc::clone(&wait);
        Box::pin(async move {
            wait.notified().await;
            Ok(http::Response::new(full("")))
        })
    });
    let response = app.run(run("/", None, limits(), &door, Stop::never())).await.unwrap();
    assert_eq!(text(response).await.1, "now");
    assert_eq!(door.log_text(), "");
    go.notify_one();
    assert_eq!(door.report().await.stopped, None);
    assert!(door.log_text().contains("after"));
}

#[tokio::test]
async fn a_response_breaks_off_when_the_app_is_switched_off_or_the_reader_leaves() {
    let app = handler(COUNTING).await;
    for leave in [false, true] {
        let asked = Arc::new(Notify::new());
        let first = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let on_ask = Arc::clone(&asked);
        let door = TestDoor::open(move |_| {
            let is_first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
            let on_ask = Arc::clone(&on_ask);
            Box::pin(async move {
                if !is_first {
                    on_ask.notify_one();
                    std::future::pending::<()>().await;
                }
                Ok(http::Response::new(full("one")))
            })
        });
        let switch = Switch::new();
        let response = app.run(run("/", None, limits(), &door, switch.signal())).await.unwrap();
        let mut body = response.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
        if leave {
            drop(body);
        } else {
            let (ended, ()) = tokio::join!(body.frame(), async {
                asked.notified().await;
                switch.stop();
            });
            let error = ended.unwrap().unwrap_err();
            assert_eq!(error.downcast_ref::<Stopped>(), Some(&Stopped::Cancelled));
        }
        assert_eq!(door.report().await.stopped, Some(Stopped::Cancelled));
    }
}
