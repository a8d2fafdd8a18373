//! What an app can do in one request.

use crate::support::*;
use http_body_util::BodyExt as _;
use sandbox::{Level, Stop, full};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn json_comes_in_and_goes_out() {
    let app =
        handler("const o = await request.json(); return Response.json({ hello: o.name, n: o.items.length });").await;
    let door = TestDoor::shut();
    let body = r#"{"name":"world","items":[1,2,3]}"#;
    let response = app.run(run("/x", Some(body), limits(), &door, Stop::never())).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(text(response).await, (200, r#"{"hello":"world","n":3}"#.into()));
    let report = door.report().await;
    assert_eq!((report.stopped, report.response_bytes), (None, 23));
    assert!(report.peak_memory_bytes > 0 && report.cpu.as_nanos() > 0 && report.wall >= report.cpu / 2);
}

#[tokio::test]
async fn modules_import_each_other() {
    let app = app_of(&[
        ("app.js", "import { double } from './lib/double.js';\nexport default { fetch: () => new Response(String(double(21))) };"),
        ("lib/double.js", "import { two } from '../two.js';\nexport const double = n => n * two;"),
        ("two.js", "export const two = 2;"),
    ])
    .await;
    assert_eq!(get(&app, "/").await.1, "42");
}

#[tokio::test]
async fn typescript_is_imported_by_any_name_that_tools_write() {
    let app = app_of(&[
        (
            "app.ts",
            "import { one } from './one.js';\nimport { two } from './two';\nimport { three } from './lib';\n\
             import type { Shape } from './shape.js';\nimport { Kind, type Other } from './shape';\n\
             const shape: Shape = { sum: one + two + three };\n\
             export default { fetch: (_request: Request, _env: Other) => new Response(`${shape.sum} ${Kind.B} ${Kind[1]}`) };",
        ),
        ("one.ts", "export const one: number = 1;"),
        ("two.ts", "export const two = 2 as const;"),
        ("lib/index.ts", "export { three } from '../three.mjs';"),
        ("three.mts", "export let three!: number; three = 3;"),
        ("shape.ts", "export interface Shape { sum: number }\nexport type Other = unknown;\nexport enum Kind { A = 1, B = 'b' }"),
    ])
    .await;
    assert_eq!(get(&app, "/").await.1, "6 b A");
}

#[tokio::test]
async fn typescript_of_many_shapes_runs() {
    let code = "abstract class Base<T> { constructor(protected readonly value: T, public label?: string) {} abstract show(): string; }\n\
        class Mine extends Base<number> { declare unused: string; #secret = 4; override show(): string { return `${this.value}${this.#secret}${this.label ?? '-'}`; } static { globalThis.made = 1; } }\n\
        declare global { var made: number }\n\
        namespace Tools { export const twice = (n: number): number => n * 2; }\n\
        const enum Level { Low, High = Low + 5 }\n\
        function over(a: string): string; function over(a: number): string; function over(a: unknown): string { return String(a); }\n\
        const picked = { a: 1, b: { c: [1, 2] } } as const satisfies Record<string, unknown>;\n\
        type Keys<T> = { [K in keyof T as `x${string & K}`]?: T[K] };\n\
        let x: Keys<typeof picked> | undefined;\n\
        function isText(v: unknown): v is string { return typeof v === 'string'; }\n\
        const generic = <T,>(v: T): T => v;\n\
        export default { async fetch(request: Request): Promise<Response> { const n = (x?.xa)!; return Response.json([new Mine(3).show(), Tools.twice(2), Level.High, over(1), picked.b.c[1]!, isText('a'), generic<number>(7), n ?? null, <string>'old']); } } satisfies { fetch(r: Request): Promise<Response> };";
    let app = app_of(&[("app.ts", code)]).await;
    assert_eq!(get(&app, "/").await.1, r#"["34-",4,5,"1",2,true,7,null,"old"]"#);
}

#[tokio::test]
async fn json_files_are_modules() {
    let app = app_of(&[
        (
            "app.js",
            "import rooms from './rooms.json' with { type: 'json' };\nimport more from './lib/more.json';\n\
             export default { fetch: () => Response.json([rooms[1].name, more.n, Object.keys(more)]) };",
        ),
        ("rooms.json", "[{\"name\": \"a\"}, {\"name\": \"b\\u2028\"}]\r\n"),
        ("lib/more.json", "{\"n\": 1e2, \"__proto__\": {\"x\": 1}}"),
    ])
    .await;
    assert_eq!(get(&app, "/").await.1, "[\"b\u{2028}\",100,[\"n\",\"__proto__\"]]");
}

#[tokio::test]
async fn the_context_reaches_the_app_and_its_header_does_not() {
    let app = handler(
        "return Response.json([env.user.email, env.app.name, env.SLACK_TOKEN, request.url, \
         [...request.headers.keys()].filter(k => k.startsWith('bailiwick'))]);",
    )
    .await;
    let expected = r#"["ana@example.test","tinypoll","placeholder-1","https://tinypoll.example/a?b=c",[]]"#;
    assert_eq!(get(&app, "/a?b=c").await.1, expected);
}

#[tokio::test]
async fn each_request_starts_from_the_same_state_with_fresh_randomness() {
    let code = "let count = 0; const table = [1, 2, 3].map(n => n * n);\n\
        export default { fetch: () => Response.json([count++, table, Math.random(), crypto.randomUUID()]) };";
    let app = app_of(&[("app.js", code)]).await;
    let (one, two) = (get(&app, "/").await.1, get(&app, "/").await.1);
    assert!(one.starts_with("[0,[1,4,9],") && two.starts_with("[0,[1,4,9],"), "{one} {two}");
    assert_ne!(one, two);
    let parts = |text: &str| text.split(',').skip(4).map(str::to_owned).collect::<Vec<_>>();
    for (a, b) in parts(&one).iter().zip(parts(&two).iter()) {
        assert_ne!(a, b);
    }
}

#[tokio::test]
async fn the_date_is_the_requests_and_whole_milliseconds() {
    let app = handler("return Response.json([Date.now(), performance.now()]);").await;
    let before = model::Clock::now(&model::SystemClock).as_ms();
    let (_, body) = get(&app, "/").await;
    let after = model::Clock::now(&model::SystemClock).as_ms();
    let times: Vec<f64> = serde_json::from_str(&body).unwrap();
    assert!(times[0] >= before as f64 && times[0] <= after as f64, "{before} {body} {after}");
    assert!(times.iter().all(|time| time.fract() == 0.0), "{body}");
}

#[tokio::test]
async fn a_fetch_goes_through_the_door() {
    let app = handler(
        "const r = await fetch('https://slack.com/api/chat?x=1', { method: 'POST', headers: { authorization: 'Bearer ' + env.SLACK_TOKEN }, body: 'hi' });\n\
         return Response.json([r.status, r.headers.get('x-from'), await r.text()]);",
    )
    .await;
    let door = TestDoor::open(|request| {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let seen = format!(
                "{} {} {} {}",
                head.method,
                head.uri,
                head.headers["authorization"].to_str().unwrap(),
                String::from_utf8_lossy(&body)
            );
            Ok(http::Response::builder().status(201).header("x-from", "door").body(full(seen)).unwrap())
        })
    });
    let response = app.run(run("/", None, limits(), &door, Stop::never())).await.unwrap();
    let expected = r#"[201,"door","POST https://slack.com/api/chat?x=1 Bearer placeholder-1 hi"]"#;
    assert_eq!(text(response).await.1, expected);
}

#[tokio::test]
async fn fetches_run_at_the_same_time() {
    let app = handler(
        "const rs = await Promise.all([1, 2, 3].map(n => fetch('http://svc.test/' + n)));\n\
         return Response.json(await Promise.all(rs.map(r => r.text())));",
    )
    .await;
    // No answer before all three are there.
    let (arrived, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Barrier::new(3)));
    let count = Arc::clone(&arrived);
    let door = TestDoor::open(move |request| {
        let (count, all) = (Arc::clone(&count), Arc::clone(&all));
        Box::pin(async move {
            count.fetch_add(1, Ordering::SeqCst);
            all.wait().await;
            Ok(http::Response::new(full(request.uri().path().to_owned())))
        })
    });
    let response = app.run(run("/", None, limits(), &door, Stop::never())).await.unwrap();
    assert_eq!(text(response).await.1, r#"["/1","/2","/3"]"#);
    assert_eq!(arrived.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_refused_fetch_is_an_error_that_the_app_can_catch() {
    let app = handler("try { await fetch('https://evil.test/'); } catch (e) { return new Response(e.name); } return new Response('passed');").await;
    assert_eq!(get(&app, "/").await.1, "TypeError");
}

#[tokio::test]
async fn what_is_printed_arrives_line_by_line() {
    let app = handler("console.log('hello', { a: 1 }); console.warn('careful'); return new Response('');").await;
    let door = TestDoor::shut();
    let response = app.run(run("/", None, limits(), &door, Stop::never())).await.unwrap();
    text(response).await;
    door.report().await;
    let lines = door.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].level == Level::Log && lines[0].text.starts_with("hello"), "{lines:?}");
    assert!(lines[1].level == Level::Warn && lines[1].text == "careful", "{lines:?}");
}

#[tokio::test]
async fn an_uncaught_error_names_the_builders_line() {
    let app = app_of(&[
        ("app.js", "import { f } from './lib/f.ts';\nexport default { async fetch() {\n  return f(1);\n} };"),
        (
            "lib/f.ts",
            "interface Unused {\n  a: string;\n  b: string;\n}\n\ntype Also = Unused | null;\n\nexport function f(n: number): never {\n  throw new Error('boom ' + n);\n}\n",
        ),
    ])
    .await;
    let (why, door, _) = stopped(&app, "/", limits()).await;
    let text = why.to_string();
    assert!(text.contains("boom 1") && text.contains("lib/f.ts:9:") && text.contains("app.js:3:"), "{text}");
    assert!(door.log_text().contains("lib/f.ts:9:"), "{}", door.log_text());
}

#[tokio::test]
async fn the_apps_own_headers_cannot_pass_for_ours() {
    let app = handler("return new Response('x', { headers: { 'bailiwick-user': 'root', 'x-mine': '1' } });").await;
    let door = TestDoor::shut();
    let response = app.run(run("/", None, limits(), &door, Stop::never())).await.unwrap();
    assert!(response.headers().contains_key("x-mine") && !response.headers().contains_key("bailiwick-user"));
}

#[tokio::test]
async fn a_scheduled_run_calls_its_own_handler() {
    let code = "export default { fetch: () => new Response('no'), async scheduled(event, env) {\n\
        await fetch('http://svc.test/' + event.name + '/' + event.runId); if (event.name === 'bad') throw new Error('late'); } };";
    let prepared = prepare(&[("app.js", code)]).await.unwrap();
    assert_eq!(prepared.handlers, ["fetch", "scheduled"]);
    let app = sandbox().load(&prepared.image, 4).await.unwrap();
    let scheduled = async |name: &str| {
        let door = TestDoor::open(|request| {
            assert!(request.uri().path().ends_with("/r1"));
            Box::pin(async { Ok(http::Response::new(full(""))) })
        });
        let mut run = run("/", None, limits(), &door, Stop::never());
        run.context = format!(
            r#"{{"trigger":"scheduled","user":null,"app":{{"id":"a","name":"t","env":"prod","release":1}},"secrets":{{}},"url":"https://t.example/","event":{{"name":"{name}","scheduledTime":"2026-11-23T08:00:00.000Z","runId":"r1"}}}}"#
        );
        app.run(run).await.map(|response| response.status().as_u16())
    };
    assert_eq!(scheduled("remind").await, Ok(204));
    assert!(scheduled("bad").await.unwrap_err().to_string().contains("late"));
}
