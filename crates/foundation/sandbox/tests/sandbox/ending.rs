//! A request that is told to end, ends: wherever it is, and with one report.

use crate::support::*;
use sandbox::{Stop, Stopped, Switch, full};
use std::sync::Arc;
use tokio::sync::Notify;

#[tokio::test]
async fn a_loop_and_a_wait_for_a_fetch_end_when_switched_off() {
    let app = handler("await fetch('http://svc.test/'); for (;;);").await;
    for answered in [true, false] {
        let (asked, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (on_ask, on_drop) = (Arc::clone(&asked), Arc::clone(&dropped));
        let door = TestDoor::open(move |_| {
            let (on_ask, on_drop) = (Arc::clone(&on_ask), Told(Arc::clone(&on_drop)));
            Box::pin(async move {
                on_ask.notify_one();
                if !answered {
                    std::future::pending::<()>().await;
                }
                drop(on_drop);
                Ok(http::Response::new(full("")))
            })
        });
        let switch = Switch::new();
        let (outcome, ()) = tokio::join!(app.run(run("/", None, limits(), &door, switch.signal())), async {
            asked.notified().await;
            switch.stop();
        });
        assert_eq!(outcome.err(), Some(Stopped::Cancelled));
        assert_eq!(door.report().await.stopped, Some(Stopped::Cancelled));
        // The request on its way out ended too.
        dropped.notified().await;
    }
}

struct Told(Arc<Notify>);
impl Drop for Told {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_switch_thrown_before_lets_nothing_start() {
    let app = handler("return new Response('x');").await;
    let (door, switch) = (TestDoor::shut(), Switch::new());
    switch.stop();
    let outcome = app.run(run("/", None, limits(), &door, switch.signal())).await;
    assert_eq!(outcome.err(), Some(Stopped::Cancelled));
    assert_eq!(door.report().await.stopped, Some(Stopped::Cancelled));
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_instance() {
    let app = handler("await fetch('http://svc.test/'); for (;;);").await;
    let asked = Arc::new(Notify::new());
    let on_ask = Arc::clone(&asked);
    let door = TestDoor::open(move |_| {
        on_ask.notify_one();
        Box::pin(async { Ok(http::Response::new(full(""))) })
    });
    tokio::select! {
        _ = app.run(run("/", None, limits(), &door, Stop::never())) => panic!("the loop ended"),
        () = asked.notified() => {}
    }
    assert_eq!(door.report().await.stopped, Some(Stopped::Cancelled));
}

#[tokio::test]
async fn the_handler_that_throws_while_it_streams_breaks_the_response_or_reports() {
    let app = handler(
        "return new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(3)); }, pull() { throw new Error('midway'); } }));",
    )
    .await;
    let door = TestDoor::shut();
    let response = app.run(run("/", None, limits(), &door, Stop::never())).await;
    drop(response);
    door.report().await;
    assert!(door.lines().iter().all(|line| !line.text.is_empty()));
}
