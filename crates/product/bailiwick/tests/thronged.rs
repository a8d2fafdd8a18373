//! Ten thousand connections at one server, most of which say nothing or stop half way and come again when they are let go:
//! the console is reached and an app revoked all the same, and nothing of them stays. Without `cargo xtask long`, a few
//! hundred.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests; what was measured is said"
)]

use serde_json::json;
use std::{
    fs,
    time::{Duration, Instant},
};
use testkit::{Engine, Process, closes, crowded, from, manifest, rounds, until};
use tokio::{io::AsyncWriteExt, task::JoinSet};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
/// Addresses that the crowd comes from, `127.0.1.0` and up; whoever else asks comes from `127.0.0.0/24`.
const ADDRESSES: usize = 200;
/// What a server takes in, apps and console together (`gateway::Listening`).
const ORDINARY: usize = 8_192;
/// Connections of whoever looks, and threads of the pool that hold a file.
const SLACK: usize = 24;
/// What an allocator may keep of some hundred megabytes of connections.
const SLACK_BYTES: usize = 64 << 20;
/// What a server does to end an app, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

const QUIET: &str = "export default { fetch() { return new Response('ok'); } };";

/// One that comes again as soon as it is let go: it says nothing, or the beginning of a request.
async fn idler(number: usize, port: u16) {
    let address = format!("127.0.1.{}", number % ADDRESSES);
    loop {
        if let Some(mut stream) = from(&address, port).await {
            if number.is_multiple_of(2) {
                drop(stream.write_all(b"GET / HTTP/1.1\r\nhost: quiet.lo").await);
            }
            closes(&mut stream, Duration::from_secs(60)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn open_files(town: &Process) -> usize {
    fs::read_dir(format!("/proc/{}/fd", town.id())).unwrap().count()
}

fn resident_bytes(town: &Process) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", town.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_says_nothing_keeps_nobody_from_the_switch_and_leaves_nothing() {
    server::open_files();
    let many = if rounds(1) > 1 { 10_000 } else { 400 };
    let town = Process::start(BINARY, Engine::Sqlite, "", "warn").await;
    let deployed = town.deploy(&[("bailiwick.toml", &manifest("quiet", "")), ("app.js", QUIET)]).await;
    assert_eq!(deployed.json()["status"], "live", "{deployed:?}");
    let ana = town.person("ana@example.test", &["staff"]).await;
    let page = format!("{}/", town.app("quiet"));
    assert_eq!(ana.open(&page).await.status, 200);
    let (port, host) = (town.port, format!("localhost:{}", town.port));
    let (files, bytes) = (open_files(&town), resident_bytes(&town));

    let mut crowd: JoinSet<()> = (0..many).map(|number| idler(number, port)).collect();
    until("they are in", async || open_files(&town) >= files + many.min(ORDINARY) * 9 / 10).await;
    let app = format!("quiet.localhost:{port}");
    assert_eq!(crowded(port, 70, &host, "/healthz").await, Some(200), "status is answered");
    // No address of the crowd takes the last places: whoever comes from another one gets in.
    assert_eq!(crowded(port, 90, &app, "/").await, Some(401), "an app answers a stranger");
    println!(
        "{many} connections: {} files, {} MiB, {} MiB before",
        open_files(&town),
        resident_bytes(&town) >> 20,
        bytes >> 20
    );
    // As somebody in need would: again, until there is a receipt.
    let began = Instant::now();
    let mut receipt = None;
    until("it is revoked", async || {
        let output = town.run(&["revoke", "quiet", "--why", "all the same", "--json"]).await;
        receipt = output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned());
        receipt.is_some()
    })
    .await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let receipt: serde_json::Value = serde_json::from_str(&receipt.unwrap()).unwrap();
    assert_eq!(receipt["recorded"], json!(true), "{receipt}");

    crowd.shutdown().await;
    until("nothing of them is open", async || open_files(&town) <= files + SLACK).await;
    until("their memory is given back", async || resident_bytes(&town) <= bytes + SLACK_BYTES).await;
    assert_eq!(ana.get(&page).await.status, 410, "it stays switched off");
    assert_eq!(town.post("/api/v1/apps/quiet/restore", json!({ "why": "they left" })).await.status, 200);
    assert_eq!(ana.open(&page).await.status, 200, "whoever comes is served");
    let errors = town.errors();
    assert!(!errors.contains("ERROR"), "{errors}");
}
