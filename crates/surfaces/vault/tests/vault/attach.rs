//! Where a placeholder becomes a value, and everywhere that it does not.

use crate::{both, house::*};
use authority::Surface;
use base64::{Engine, prelude::BASE64_STANDARD};
use model::{Env, Problem, SecretId};
use std::time::Duration;
use vault::{Destination, PutSecret, SecretString};

both! {
    every_use_is_on_the_record_first
    basic_takes_the_value
    headers_take_the_value
    a_parameter_takes_the_value
    a_placeholder_anywhere_else_is_refused
    a_placeholder_is_good_for_its_instance_alone
    a_value_goes_to_its_own_hosts_alone
    a_secret_that_nobody_has_put_says_how
    an_expired_secret_is_refused
    a_cut_while_the_record_is_written_keeps_the_value_in
}

async fn every_use_is_on_the_record_first(kind: Kind) {
    let house = House::ready(kind).await;
    let running = instance("i-1", &poll());
    let placeholder = house.placeholder(&running);
    assert!(placeholder.starts_with("bw-ph-") && placeholder.len() == 49);
    let mut plain = head("https://slack.com/api/x", &[("authorization", "Bearer none")]);
    assert!(house.vault.attach(&running, &SLACK, &mut plain).await.unwrap().is_none());
    assert!(house.uses().await.is_empty());
    house.send(&running, &placeholder).await.unwrap();
    house.send(&running, "bw-ph-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await.unwrap_err();
    let uses = house.uses().await;
    assert_eq!(uses.len(), 2);
    assert_eq!((&uses[0]["outcome"], &uses[0]["durability"]), (&"allowed".into(), &"use".into()));
    assert_eq!(uses[0]["resource"], format!("secret/{ID}/prod"));
    let detail = &uses[0]["detail"];
    assert_eq!(
        (&detail["secret"], &detail["variable"], &detail["host"]),
        (&ID.into(), &"SLACK_TOKEN".into(), &"slack.com".into())
    );
    assert_eq!((&uses[1]["outcome"], &uses[1]["detail"]["code"]), (&"denied".into(), &"secret.not_granted".into()));
}

/// What goes out, as a header of that name or as the address.
async fn sent(house: &House, uri: &str, header: Option<(&str, &str)>) -> Result<String, Problem> {
    let running = instance("i-1", &poll());
    let mut parts = head(uri, header.as_slice());
    let attached = house.vault.attach(&running, &SLACK, &mut parts).await?.expect("there is a placeholder");
    assert_eq!(attached.scrubber.hits(), 0);
    Ok(header.map_or_else(|| parts.uri.to_string(), |(name, _)| parts.headers[name].to_str().unwrap().to_owned()))
}

async fn place(house: &House, attach: &str, value: &str) -> String {
    house.put(PutSecret { attach: Some(attach.to_owned()), value: SecretString::from(value), ..put() }).await.unwrap();
    house.open(&poll(), &manifest("poll-notify", ID), 1).await.unwrap();
    house.placeholder(&instance("i-1", &poll()))
}

const URI: &str = "https://slack.com/api/x";

async fn basic_takes_the_value(kind: Kind) {
    let house = House::ready(kind).await;
    let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
    let ph = place(&house, "basic", "päss&word+1").await;
    let unpadded = basic(&format!("ana:{ph}"));
    for (found, expected) in [
        (basic(&format!("ana:{ph}")), "ana:päss&word+1"),
        (basic(&format!("{ph}:")), "päss&word+1:"),
        (format!("basic {ph}"), "päss&word+1"),
        (basic(&ph), "päss&word+1"),
        (unpadded.trim_end_matches('=').to_owned(), "ana:päss&word+1"),
    ] {
        let found = sent(&house, URI, Some(("authorization", &found))).await;
        assert_eq!(found.unwrap(), basic(expected));
    }
    let two = format!("{ph}:{ph}");
    for wrong in [&format!("a:b:{ph}"), &format!("ana:{ph}x:"), &two, &format!("ana:x{ph}")] {
        misplaced(&house, URI, Some(("authorization", &basic(wrong)))).await;
    }
}

async fn headers_take_the_value(kind: Kind) {
    let house = House::ready(kind).await;
    let ph = place(&house, "header:X-Api-Key", "key with space").await;
    let found = sent(&house, URI, Some(("x-api-key", &ph))).await.unwrap();
    assert_eq!(found, "key with space");
    let word = format!("Token {ph}");
    misplaced(&house, URI, Some(("x-api-key", &word))).await;
    let ph = place(&house, "header:Authorization:Token", VALUE).await;
    let (token, bearer) = (format!("Token {ph}"), format!("Bearer {ph}"));
    let found = sent(&house, URI, Some(("authorization", &token))).await;
    assert_eq!(found.unwrap(), format!("Token {VALUE}"));
    misplaced(&house, URI, Some(("authorization", &bearer))).await;
}

async fn a_parameter_takes_the_value(kind: Kind) {
    let house = House::ready(kind).await;
    let ph = place(&house, "query:key", "a&b=c d/é#").await;
    let uri = sent(&house, &format!("{URI}?q=1%20&key={ph}&z=%2F"), None).await;
    assert_eq!(uri.unwrap(), format!("{URI}?q=1%20&key=a%26b%3Dc%20d%2F%C3%A9%23&z=%2F"));
    for wrong in ["k=PH", "key=xPH", "key=PH&key=2", "key=PH&%6bey=2", "key=2&x=PH", "%6bey=PH"] {
        misplaced(&house, &format!("{URI}?{}", wrong.replace("PH", &ph)), None).await;
    }
}

async fn misplaced(house: &House, uri: &str, header: Option<(&str, &str)>) {
    let problem = sent(house, uri, header).await.unwrap_err();
    assert_eq!(placed(problem).code, "secret.wrong_place", "{uri} {header:?}");
}

/// Addresses and headers, with `PH` for the placeholder and `%PH` for its encoded form; none is its place.
const ELSEWHERE: &[(&str, &[(&str, &str)])] = &[
    (URI, &[("x-token", "PH")]),
    (URI, &[("authorization", "PH")]),
    (URI, &[("authorization", "Bearer  PH")]),
    (URI, &[("authorization", "Bearer PH ")]),
    (URI, &[("authorization", "Bearer PHx")]),
    (URI, &[("authorization", "Bearer xPH")]),
    (URI, &[("authorization", "Bearer bw-ph-")]),
    (URI, &[("authorization", "Bearer bw-ph-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]),
    (URI, &[("authorization", "Basic PH")]),
    (URI, &[("authorization", "Bearer PH"), ("authorization", "Bearer PH")]),
    (URI, &[("authorization", "Bearer PH"), ("authorization", "Bearer x")]),
    (URI, &[("authorization", "Bearer PH"), ("x-token", "PH")]),
    (URI, &[("authorization", "Bearer PH PH")]),
    ("https://slack.com/api/PH", &[]),
    ("https://slack.com/api/x?token=PH", &[("authorization", "Bearer PH")]),
    ("https://slack.com/api/x?token=%PH", &[("authorization", "Bearer PH")]),
    ("https://slack.com/api/x?token=%PH", &[]),
    ("https://PH.slack.com/", &[]),
];

async fn a_placeholder_anywhere_else_is_refused(kind: Kind) {
    let house = House::ready(kind).await;
    let running = instance("i-1", &poll());
    let ph = house.placeholder(&running);
    let put = |text: &str| text.replace("%PH", &ph.replace('-', "%2d")).replace("PH", &ph);
    for (uri, headers) in ELSEWHERE {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, put(value))).collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut parts = head(&put(uri), &headers);
        let before = format!("{:?} {:?}", parts.uri, parts.headers);
        let refused = house.vault.attach(&running, &SLACK, &mut parts).await;
        let problem = refused.unwrap_err();
        assert_eq!(problem.code, "secret.wrong_place", "{uri} {headers:?}");
        assert_eq!(format!("{:?} {:?}", parts.uri, parts.headers), before);
        assert!(!problem.to_string().contains(&ph));
    }
    let uses = house.uses().await;
    assert_eq!(uses.len(), ELSEWHERE.len());
    assert!(uses.iter().all(|event| event["outcome"] == "denied"));
}

async fn a_placeholder_is_good_for_its_instance_alone(kind: Kind) {
    let house = House::ready(kind).await;
    let (one, two) = (instance("i-1", &poll()), instance("i-2", &poll()));
    let (of_one, of_two) = (house.placeholder(&one), house.placeholder(&two));
    assert_ne!(of_one, of_two);
    assert_eq!(of_one, house.placeholder(&one));
    assert_eq!(house.send(&two, &of_one).await.unwrap_err().code, "secret.not_granted");
    let another = PutSecret { id: SecretId::new("people-ops/another"), ..put() };
    house.put(another).await.unwrap();
    let manifest = manifest("other", "people-ops/another");
    house.open(&app("0190other"), &manifest, 1).await.unwrap();
    // Another app that was given the same instance's id by mistake.
    assert_eq!(house.send(&instance("i-1", &app("0190other")), &of_one).await.unwrap_err().code, "secret.not_granted");
    house.send(&one, &of_one).await.unwrap();
    house.vault.forget("i-1");
    assert_eq!(house.send(&one, &of_one).await.unwrap_err().code, "secret.not_granted");
    house.send(&two, &of_two).await.unwrap();
}

async fn a_value_goes_to_its_own_hosts_alone(kind: Kind) {
    let house = House::ready(kind).await;
    let running = instance("i-1", &poll());
    let bearer = format!("Bearer {}", house.placeholder(&running));
    let (port, host, variable) = (443, "slack.com", Some("SLACK_TOKEN"));
    for (to, code) in [
        (Destination { host: "other.example", ..SLACK }, "secret.wrong_place"),
        (Destination { host: "evil.example", ..SLACK }, "secret.not_granted"),
        (Destination { host, port: 8443, tls: true, secret: variable }, "secret.not_granted"),
        (Destination { host, port, tls: true, secret: None }, "secret.not_granted"),
        (Destination { host, port, tls: true, secret: Some("OTHER") }, "secret.not_granted"),
    ] {
        let mut parts = head(URI, &[("authorization", &bearer)]);
        let problem = house.vault.attach(&running, &to, &mut parts).await.unwrap_err();
        assert_eq!(problem.code, code, "{to:?}");
        assert_eq!(parts.headers["authorization"], bearer.as_str());
    }
}

async fn a_secret_that_nobody_has_put_says_how(kind: Kind) {
    let house = House::new(kind).await;
    house.open(&poll(), &manifest("poll-notify", ID), 1).await.unwrap();
    let running = instance("i-1", &poll());
    let placeholder = house.placeholder(&running);
    let problem = house.send(&running, &placeholder).await.unwrap_err();
    assert_eq!(problem.code, "secret.missing");
    let command = format!(
        "bailiwick secret put {ID} --app poll-notify --env prod --owner people-ops --purpose \"poll-notify calls slack.com\" --expires "
    );
    // It can be run as it stands.
    let whole = problem.fix.split_once(&command).and_then(|(_, rest)| rest.split_once(" --host slack.com`"));
    assert!(whole.is_some_and(|(expires, _)| expires.len() == 10), "{}", problem.fix);
    assert_eq!(house.vault.versions(&poll())[&SecretId::new(ID)], 0);
    // Staging's value is not prod's.
    house.put(PutSecret { env: Env::Staging, ..put() }).await.unwrap();
    assert_eq!(house.send(&running, &placeholder).await.unwrap_err().code, "secret.missing");
    house.put(put()).await.unwrap();
    house.send(&running, &placeholder).await.unwrap();
}

async fn an_expired_secret_is_refused(kind: Kind) {
    let house = House::ready(kind).await;
    let running = instance("i-1", &poll());
    let placeholder = house.placeholder(&running);
    let day = Duration::from_secs(86_400);
    house.clock.advance(day * 70);
    house.send(&running, &placeholder).await.unwrap();
    house.clock.advance(day);
    assert_eq!(house.send(&running, &placeholder).await.unwrap_err().code, "secret.expired");
}

async fn a_cut_while_the_record_is_written_keeps_the_value_in(kind: Kind) {
    let house = House::ready(kind).await;
    let running = instance("i-1", &poll());
    let bearer = format!("Bearer {}", house.placeholder(&running));
    let mut parts = head(URI, &[("authorization", &bearer)]);
    // The first of the two is judged, and waits for its record when the second begins.
    let attach = house.vault.attach(&running, &SLACK, &mut parts);
    let app = poll();
    let (attached, cut) = tokio::join!(biased; attach, house.vault.cut(&app));
    assert_eq!(cut.len(), 1);
    assert_eq!(attached.unwrap_err().code, "secret.not_granted");
    assert_eq!(parts.headers["authorization"], bearer.as_str());
    let uses = house.uses().await;
    let outcomes: Vec<_> = uses.iter().map(|event| event["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["allowed", "denied"]);
}
