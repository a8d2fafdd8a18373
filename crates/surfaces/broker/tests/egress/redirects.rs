//! Redirects, hop by hop: each is a new request, judged anew.

use crate::{
    house::{House, problem, request, text},
    upstream::Seen,
};

fn to(status: u16, place: &str) -> String {
    let place = place.replace('%', "%25").replace('#', "%23");
    format!("https://api.example/to/{status}?{place}")
}

async fn follow(house: &House, method: &str, status: u16, place: &str, headers: &[(&str, &str)], body: &str) -> Seen {
    let response = house.call(request(method, &to(status, place), headers, body)).await;
    assert_eq!(response.status(), 200, "{method} {status} {place}: {}", text(response).await);
    house.upstream.last()
}

#[tokio::test]
async fn the_method_and_the_body_follow_the_standard() {
    let house = House::new().await;
    let typed = [("content-type", "text/plain")];
    for (method, status, then, body) in [
        ("GET", 302, "GET", ""),
        ("POST", 301, "GET", ""),
        ("POST", 303, "GET", ""),
        ("PUT", 303, "GET", ""),
        ("POST", 307, "POST", "small"),
        ("PUT", 308, "PUT", "small"),
    ] {
        let sent = if method == "GET" { "" } else { "small" };
        let seen = follow(&house, method, status, "/after?x=1", &typed, sent).await;
        assert_eq!(
            (seen.method.as_str(), seen.target.as_str(), &seen.body[..]),
            (then, "/after?x=1", body.as_bytes()),
            "{method} {status}"
        );
        assert_eq!(seen.headers.contains_key("content-type"), then != "GET" || method == "GET", "{method} {status}");
    }
}

#[tokio::test]
async fn the_guest_learns_where_an_answer_came_from() {
    let house = House::new().await;
    let asked = |place: &str| request("GET", place, &[("bailiwick-url", "https://evil.example/")], "");
    let answer = house.call(asked(&to(302, "/after?x=1"))).await;
    assert_eq!(answer.headers()["bailiwick-url"], "https://api.example/after?x=1");
    let answer = house.call(asked("https://api.example/after")).await;
    assert!(!answer.headers().contains_key("bailiwick-url"));
}

#[tokio::test]
async fn another_origin_gets_no_credentials() {
    let house = House::new().await;
    let headers = [("authorization", "Bearer own"), ("cookie", "a=b"), ("x-own", "1")];
    let same = follow(&house, "GET", 302, "/after", &headers, "").await;
    assert!(same.headers.contains_key("authorization") && same.headers.contains_key("cookie"));
    let other = follow(&house, "GET", 302, "https://moved.example/after", &headers, "").await;
    assert_eq!(other.headers["host"], "moved.example");
    assert!(!other.headers.contains_key("authorization") && !other.headers.contains_key("cookie"));
    assert!(other.headers.contains_key("x-own"));
}

#[tokio::test]
async fn each_hop_is_judged_anew() {
    let house = House::new().await;
    house.dns.says("rebind.example", &[&["10.0.0.1"]]);
    for (place, code) in [
        ("https://evil.example/", "egress.not_granted"),
        ("https://rooms.corp.example:8443/admin", "egress.path"),
        ("http://169.254.169.254/latest/meta-data", "egress.address"),
        ("https://127.0.0.1/x", "egress.address"),
        ("https://0x7f.1/x", "egress.address"),
        ("http://api.example/x", "egress.port"),
        ("https://user@api.example/x", "egress.url"),
        ("http://data.bailiwick/v1/collections", "egress.redirect"),
        ("file:///etc/passwd", "egress.redirect"),
        ("gopher://api.example/", "egress.url"),
        ("https://moved.example/%2e%2e%2fadmin", "egress.path_spelling"),
    ] {
        let before = house.upstream.seen().len();
        assert_eq!(problem(house.get(&to(302, place)).await).await.code, code, "{place}");
        assert_eq!(house.upstream.seen().len(), before + 1, "{place}: only the first hop");
    }
    let placed = problem(house.get("https://api.example/to-placeholder").await).await;
    assert_eq!(placed.code, "secret.wrong_place");
    let deleted = problem(house.call(request("DELETE", &to(307, "https://moved.example/x"), &[], "")).await).await;
    assert_eq!(deleted.code, "egress.method");
}

#[tokio::test]
async fn a_name_in_another_script_is_judged_as_what_is_called() {
    let house = House::new().await;
    let seen = follow(&house, "GET", 302, "https://b%C3%BCcher.example/x", &[], "").await;
    assert_eq!(seen.headers["host"], "xn--bcher-kva.example");
}

#[tokio::test]
async fn circles_end() {
    let house = House::new().await;
    let mut place = "/after".to_owned();
    for _ in 0..5 {
        place = to(302, &place);
    }
    // `place` is the fifth redirect's start: five are followed.
    assert_eq!(house.get(&place).await.status(), 200);
    let six = to(302, &place);
    assert_eq!(problem(house.get(&six).await).await.code, "egress.redirect");
}

#[tokio::test]
async fn manual_and_error() {
    let house = House::new().await;
    let manual =
        house.call(request("GET", &to(302, "https://evil.example/"), &[("bailiwick-redirect", "manual")], "")).await;
    assert_eq!(
        (manual.status().as_u16(), &manual.headers()["location"]),
        (302, &"https://evil.example/".parse().unwrap())
    );
    let error = house.call(request("GET", &to(302, "/after"), &[("bailiwick-redirect", "error")], "")).await;
    assert_eq!(problem(error).await.code, "egress.redirect");
    let odd = house.call(request("GET", "https://api.example/x", &[("bailiwick-redirect", "perhaps")], "")).await;
    assert_eq!(problem(odd).await.code, "egress.header");
}

#[tokio::test]
async fn a_large_body_is_not_sent_twice() {
    let house = House::new().await;
    let large = "x".repeat(100 << 10);
    let refused = house.call(request("POST", &to(307, "/after"), &[], &large)).await;
    assert_eq!(problem(refused).await.code, "egress.redirect");
    assert_eq!(house.upstream.seen().len(), 1);
}

#[tokio::test]
async fn every_hop_is_an_event() {
    let house = House::new().await;
    text(house.get(&to(302, "https://moved.example/x")).await).await;
    problem(house.get(&to(302, "https://evil.example/x")).await).await;
    let hops: Vec<_> = house
        .events()
        .await
        .iter()
        .map(|event| {
            format!("{} {} {}", event["detail"]["host"], event["outcome"], event["detail"]["status"]).replace('"', "")
        })
        .collect();
    assert_eq!(
        hops,
        ["api.example allowed 302", "moved.example allowed 200", "api.example allowed 302", "evil.example denied null"]
    );
}
