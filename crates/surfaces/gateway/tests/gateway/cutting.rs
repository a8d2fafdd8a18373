//! The switch: what runs ends, nothing comes in, and only newer credentials open again.

use crate::{
    client::{ANA, HOST, PAGE, PATIENCE, ask},
    files::a_static_app,
    house::{House, Setting},
    sql,
};
use authority::{AppState, CutState, Surface as _};
use gateway::Limits;
use model::Timestamp;
use std::{io, sync::LazyLock, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

/// Several times what the sockets between server and client hold.
static LARGE: LazyLock<String> = LazyLock::new(|| "x".repeat(24 << 20));

/// A response that is on its way, read to its first piece.
async fn streaming(house: &House) -> TcpStream {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    stream.write_all(format!("GET /stream HTTP/1.1\r\nhost: {HOST}\r\n{ANA}\r\n\r\n").as_bytes()).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("piece 1\n") {
        let mut bytes = [0; 1024];
        let count = tokio::time::timeout(PATIENCE, stream.read(&mut bytes)).await.unwrap().unwrap();
        assert!(count > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    stream
}

/// Reads on until the connection ends; whether the response came to its proper end.
async fn ended_well(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it goes on");
    rest.ends_with(b"0\r\n\r\n")
}

fn a_large_file() -> Setting {
    let limits = Limits { requests: 4, ..Limits::default() };
    Setting { assets: vec![("index.html", "small"), ("large.bin", LARGE.as_str())], limits, ..a_static_app() }
}

/// A reader of the large file who takes little of it at a time, and has its beginning.
async fn slow_reader(house: &House) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(32 << 10).unwrap();
    let mut stream = socket.connect(house.address).await.unwrap();
    stream.write_all(format!("GET /large.bin HTTP/1.1\r\nhost: {HOST}\r\n{ANA}\r\n\r\n").as_bytes()).await.unwrap();
    let mut bytes = [0; 1024];
    let count = tokio::time::timeout(PATIENCE, stream.read(&mut bytes)).await.unwrap().unwrap();
    assert!(bytes[..count].starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&bytes[..count]));
    stream
}

/// Reads on until the connection ends, which it does by a reset: what lies in the server's kernel is not sent.
async fn is_reset(mut stream: TcpStream, what: &str) {
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it goes on");
    let came = rest.len();
    assert!(came < LARGE.len() / 2, "{what}: {came}");
    assert_eq!(ended.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionReset), "{what}: {came}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_ends_a_file_on_its_way_and_nothing_of_it_is_sent_any_more() {
    let house = House::with(a_large_file()).await;
    let stream = slow_reader(&house).await;
    // Who reads slowly holds nothing of what the node can do at once.
    assert_eq!(ask(house.address, "GET /", &[ANA], "").await.status, 200);
    let lines = house.gateway.cut(&house.app).await;
    assert_eq!(lines[0].how, "route closed; 1 request stopped");
    is_reset(stream, "the app").await;
}

type Ends = fn(&House);

#[tokio::test(flavor = "multi_thread")]
async fn a_file_on_its_way_ends_with_what_let_it_go() {
    let endings: [(&str, Ends); 3] = [
        ("the session", |house| {
            house.sign_ins.ended.lock().unwrap().insert(model::SessionId::new("s-ana"));
        }),
        ("the person's account", |house| {
            house.authority.narrow(&model::TenantId::main(), |facts| {
                for person in facts.people.values_mut() {
                    std::sync::Arc::make_mut(person).enabled = false;
                }
                facts.epoch += 1;
            });
        }),
        ("the node's lease", |house| house.gateway.lease().cut_off()),
    ];
    for (what, ends) in endings {
        let house = House::with(a_large_file()).await;
        let stream = slow_reader(&house).await;
        ends(&house);
        is_reset(stream, what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_ends_what_runs_and_says_so() {
    let house = House::new().await;
    let stream = streaming(&house).await;
    let address = house.address;
    let late = tokio::spawn(async move { ask(address, "GET /late", &[ANA, PAGE], "").await });
    while house.doors.opened.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    let lines = house.gateway.cut(&house.app).await;
    assert!(!ended_well(stream).await);
    let late = late.await.unwrap();
    assert!(late.status == 410 && late.body.contains("was switched off"), "{late:?}");
    let said: Vec<_> = lines.iter().map(|line| (line.item.as_str(), line.how.as_str())).collect();
    assert_eq!(
        said,
        [("http://poll.localhost:7070", "route closed; 2 requests stopped"), ("job remind", "will not run again")]
    );
    assert!(lines.iter().all(|line| line.state == CutState::Dead && line.dead_at.is_some() && line.node == "n1"));

    let again = house.gateway.cut(&house.app).await;
    assert_eq!((again.len(), again[0].dead_at.is_some(), again[0].how.as_str()), (2, true, "route was closed before"));
    let after = ask(house.address, "GET /echo", &[ANA, PAGE], "").await;
    assert!(after.status == 410 && after.header("clear-site-data").contains("storage"));
    assert_eq!(
        house.gateway.run_job(&house.app, "remind", Timestamp::from_ms(0), "r").await.unwrap_err().code,
        "app.revoked"
    );
    assert!(house.gateway.held(&house.app).await.unwrap().is_empty());

    let accesses = house.accesses().await;
    let ends: Vec<_> = accesses.iter().map(|event| event["detail"]["stopped"].as_str().unwrap_or("")).collect();
    assert_eq!(ends, ["cancelled", "cancelled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_stops_a_job_under_way() {
    let house = House::new().await;
    let (gateway, app) = (house.gateway.clone(), house.app.clone());
    let job = tokio::spawn(async move { gateway.run_job(&app, "endless", Timestamp::from_ms(0), "r1").await });
    while house.doors.opened.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let lines = house.gateway.cut(&house.app).await;
    assert_eq!(lines[0].how, "route closed; 1 request stopped");
    assert_eq!(job.await.unwrap().unwrap_err().code, "job.failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_newer_credentials_open_again() {
    let house = House::new().await;
    house.gateway.cut(&house.app).await;
    // A late reader of rows that were written before the cut.
    house.gateway.refresh(&house.app).await.unwrap();
    house.gateway.load_all().await.unwrap();
    assert_eq!(ask(house.address, "GET /", &[ANA], "").await.status, 410);
    house.open(2, 1, &[]).await;
    assert_eq!(ask(house.address, "GET /", &[ANA], "").await.status, 410);
    house.open(2, 2, &[]).await;
    assert_eq!(ask(house.address, "GET /", &[ANA], "").await.status, 200);
}

/// A node that was behind reads of a revoke and of what undid it at once: all that its row says is the newer credentials.
#[tokio::test(flavor = "multi_thread")]
async fn newer_credentials_cut_what_was_opened_under_older_ones() {
    let house = House::new().await;
    let stream = streaming(&house).await;
    house.open(1, 2, &[]).await;
    assert!(!ended_well(stream).await);
    let again = streaming(&house).await;
    house.gateway.load_all().await.unwrap();
    let used = house.gateway.used(&house.app).await.unwrap();
    assert_eq!(used[0].count, 2, "what was used before stays used");
    let lines = house.gateway.cut(&house.app).await;
    assert_eq!(lines[0].how, "route closed; 1 request stopped", "what runs under the newer ones went on until now");
    assert!(!ended_well(again).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_lasts_in_its_row() {
    let house = House::new().await;
    house.cut_rows().await;
    let row = house.store.read_one(sql::CUT_AT, &[]).await.unwrap().unwrap();
    assert!(row.opt_time(0).unwrap().is_some());
    house.gateway.load_all().await.unwrap();
    assert_eq!(ask(house.address, "GET /", &[ANA], "").await.status, 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_replaces_another_without_breaking_what_runs() {
    let house = House::new().await;
    let stream = streaming(&house).await;
    house.open(2, 1, &[]).await;
    assert_eq!(ask(house.address, "GET /echo", &[ANA], "").await.json()["app"]["release"], 2);
    // The older release's response is still among what a cut stops.
    let lines = house.gateway.cut(&house.app).await;
    assert!(lines[0].how.contains("1 request stopped"), "{}", lines[0].how);
    assert!(!ended_well(stream).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_judged_again_when_authority_moves() {
    let house = House::new().await;
    let stream = streaming(&house).await;
    // The same at a higher epoch changes nothing; then ana leaves the staff.
    house.live(AppState::Live, 1);
    house.authority.narrow(&model::TenantId::main(), |facts| facts.epoch = 2);
    house.authority.narrow(&model::TenantId::main(), |facts| {
        for person in facts.people.values_mut() {
            std::sync::Arc::make_mut(person).enabled = false;
        }
        facts.epoch = 3;
    });
    assert!(!ended_well(stream).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_ends_with_its_session() {
    let house = House::new().await;
    let stream = streaming(&house).await;
    house.sign_ins.ended.lock().unwrap().insert(model::SessionId::new("s-ana"));
    assert!(!ended_well(stream).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_its_lease_serves_nothing() {
    let house = House::new().await;
    let stream = streaming(&house).await;
    let now = std::time::Instant::now();
    house.gateway.lease().renew(now + Duration::from_secs(60), 1);
    assert_eq!(ask(house.address, "GET /", &[ANA], "").await.status, 200);
    house.gateway.lease().cut_off();
    assert!(house.gateway.stop_running() > 0);
    assert!(!ended_well(stream).await);
    let refused = ask(house.address, "GET /", &[ANA], "").await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("node.cut_off")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_surface_says_what_is_held_and_used() {
    let house = House::new().await;
    let held = house.gateway.held(&house.app).await.unwrap();
    let items: Vec<_> = held.iter().map(|held| held.item.as_str()).collect();
    assert_eq!(items, ["http://poll.localhost:7070", "job remind"]);
    ask(house.address, "GET /", &[ANA], "").await;
    ask(house.address, "GET /", &[], "").await;
    let used = house.gateway.used(&house.app).await.unwrap();
    assert_eq!((used[0].count, used[0].last.is_some()), (1, true));
}
