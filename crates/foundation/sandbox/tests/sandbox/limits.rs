//! Each limit, met by an app that runs into it; the house and the neighbours go on.

use crate::support::*;
use model::manifest::SandboxLimits;
use sandbox::{Stop, Stopped, Switch};
use std::time::Duration;

fn little_cpu() -> SandboxLimits {
    SandboxLimits { cpu: Duration::from_millis(300), ..limits() }
}

#[tokio::test]
async fn endless_work_of_any_kind_ends_at_the_cpu_limit() {
    let app = handler(
        "if (path === '/loop') for (;;);\n\
         if (path === '/regex') return new Response(String(/^(a+)+$/.test('a'.repeat(60) + 'b')));\n\
         if (path === '/promises') { const f = () => Promise.resolve().then(f); await f(); }\n\
         if (path === '/sort') for (;;) Array.from({ length: 1e4 }, (_, i) => -i).sort((a, b) => a - b);\n\
         if (path === '/mid') return new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(9)); }, pull() { for (;;); } }));",
    )
    .await;
    for path in ["/loop", "/regex", "/promises", "/sort", "/mid"] {
        let (why, _, report) = stopped(&app, path, little_cpu()).await;
        assert_eq!(why, Stopped::Cpu { limit: Duration::from_millis(300) }, "{path}");
        assert!(report.cpu >= Duration::from_millis(300), "{path}: {report:?}");
    }
}

#[tokio::test]
async fn bombs_end_at_the_memory_limit_with_a_line_in_the_log() {
    let app = handler(
        "if (path === '/bytes') { const a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1)); }\n\
         if (path === '/string') { let s = 'x'; for (;;) s += s + 1; }\n\
         if (path === '/forks') { const all = []; for (;;) all.push(new Promise(() => {})); }\n\
         if (path === '/buffer') new ArrayBuffer(1 << 30);\n\
         return new Response('unreached');",
    )
    .await;
    for path in ["/bytes", "/string", "/forks", "/buffer"] {
        let (why, door, report) = stopped(&app, path, limits()).await;
        let expected = matches!(&why, Stopped::Memory { limit_bytes } if *limit_bytes == 64 << 20);
        // A string above the engine's own limit is refused before memory runs out.
        let by_engine = path == "/string" && matches!(why, Stopped::Uncaught { .. });
        assert!(expected || by_engine, "{path}: {why}\n{}", door.log_text());
        assert!(report.peak_memory_bytes <= 64 << 20);
        assert!(!door.log_text().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn an_app_can_live_on_after_it_met_its_memory_limit() {
    let app = handler(
        "try { new ArrayBuffer(1 << 30); } catch (e) { return new Response('caught'); } return new Response('had');",
    )
    .await;
    assert_eq!(get(&app, "/").await.1, "caught");
}

#[tokio::test]
async fn deep_recursion_is_an_error_that_the_app_can_catch() {
    let app = handler("const f = () => f() + 1; try { f(); } catch (e) { return new Response(e.name); }").await;
    assert_eq!(get(&app, "/").await.1, "RangeError");
}

#[tokio::test]
async fn waiting_ends_at_the_wall_clock() {
    let app = handler("await new Promise(done => setTimeout(done, 3600_000)); return new Response('late');").await;
    let time = Duration::from_millis(200);
    let (why, _, report) = stopped(&app, "/", SandboxLimits { time, ..limits() }).await;
    assert_eq!(why, Stopped::Time { limit: time });
    assert!(report.wall >= time);
}

#[tokio::test]
async fn a_promise_that_never_settles_is_no_response() {
    let app = handler("await new Promise(() => {}); return new Response('never');").await;
    let (why, door, _) = stopped(&app, "/", limits()).await;
    assert!(matches!(why, Stopped::NoResponse | Stopped::Uncaught { .. }), "{why}\n{}", door.log_text());
}

#[tokio::test]
async fn floods_of_output_end() {
    let app = handler(
        "if (path === '/body') return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(65536)); } }));\n\
         const h = new Headers(); for (let i = 0; i < 500; i++) h.append('x-' + i, 'y'.repeat(i)); return new Response('', { headers: h });",
    )
    .await;
    for path in ["/body", "/headers"] {
        let (why, _, report) = stopped(&app, path, limits()).await;
        let output = matches!(why, Stopped::Output { .. });
        // The engine's own bound on header lists may come first.
        assert!(
            output || (path == "/headers" && matches!(why, Stopped::Uncaught { .. } | Stopped::Trap { .. })),
            "{path}: {why}"
        );
        assert!(report.response_bytes <= maxima().response_bytes + 65536);
    }
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_with_a_notice() {
    let app = handler("for (let i = 0; i < 20000; i++) console.log('line ' + i); return new Response('done');").await;
    let door = TestDoor::shut();
    let response = app.run(run("/", None, limits(), &door, Stop::never())).await.unwrap();
    assert_eq!(text(response).await.1, "done");
    let lines = door.lines();
    assert!(lines.len() < 20_000 && lines.last().unwrap().text.contains("the rest is not kept"));
}

#[tokio::test]
async fn neighbours_are_served_while_others_spin_on_every_thread() {
    let app = handler("if (path === '/loop') for (;;); return new Response('ok');").await;
    let spinning = SandboxLimits { cpu: Duration::from_secs(3600), time: Duration::from_secs(3600), ..limits() };
    let switch = Switch::new();
    let doors: Vec<_> = (0..4).map(|_| TestDoor::shut()).collect();
    let spinners: Vec<_> = doors
        .iter()
        .map(|door| {
            tokio::spawn({
                let (app, run) = (app.clone(), run("/loop", None, spinning, door, switch.signal()));
                async move { app.run(run).await.err() }
            })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(get(&app, "/").await.1, "ok");
    }
    switch.stop();
    for (spinner, door) in spinners.into_iter().zip(doors) {
        // None of them had ended before: all were running beside the twenty.
        assert_eq!(spinner.await.unwrap(), Some(Stopped::Cancelled));
        assert_eq!(door.report().await.stopped, Some(Stopped::Cancelled));
    }
}

#[tokio::test]
async fn more_at_once_than_the_app_may_serve_are_told_so() {
    let prepared = prepare(&[("app.js", "export default { fetch: () => new Promise(r => setTimeout(r, 3600_000)) };")])
        .await
        .unwrap();
    let app = sandbox().load(&prepared.image, 1).await.unwrap();
    let switch = Switch::new();
    let doors: Vec<_> = (0..3).map(|_| TestDoor::shut()).collect();
    let (a, b, c) = tokio::join!(
        app.run(run("/", None, limits(), &doors[0], switch.signal())),
        app.run(run("/", None, limits(), &doors[1], switch.signal())),
        async {
            let third = app.run(run("/", None, limits(), &doors[2], switch.signal())).await;
            switch.stop();
            third
        },
    );
    assert_eq!(c.err(), Some(Stopped::Busy));
    assert_eq!((a.err(), b.err()), (Some(Stopped::Cancelled), Some(Stopped::Cancelled)));
    for (door, why) in doors.iter().zip([Stopped::Cancelled, Stopped::Cancelled, Stopped::Busy]) {
        assert_eq!(door.report().await.stopped, Some(why));
    }
}
