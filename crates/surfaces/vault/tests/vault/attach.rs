//! Where a placeholder becomes a value, and everywhere that it does not.

use crate::{both, house::*};
use base64::{Engine, prelude::BASE64_STANDARD};
use model::{Env, Problem, SecretId};
use std::time::Duration;
use vault::{Destination, PutSecret, SecretString};

both! {
    every_use_is_on_the_record_first
    each_position_takes_the_value
    a_placeholder_anywhere_else_is_refused
    a_placeholder_is_good_for_its_instance_alone
    a_value_goes_to_its_own_hosts_alone
    a_secret_that_nobody_has_put_says_how
    an_expired_secret_is_refused
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
    assert_eq!((&detail["secret"], &detail["variable"], &detail["host"]), (&ID.into(), &"SLACK_TOKEN".into(), &"slack.com".into()));
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

async fn each_position_takes_the_value(kind: Kind) {
    let house = House::ready(kind).await;
    let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
    let ph = place(&house, "basic", "päss&word+1").await;
    for (found, expected) in [
        (basic(&format!("ana:{ph}")), basic("ana:päss&word+1")),
        (basic(&format!("{ph}:")), basic("päss&word+1:")),
        (format!("basic {ph}"), basic("päss&word+1")),
        (basic(&ph), basic("päss&word+1")),
        (basic(&format!("ana:{ph}")).trim_end_matches('=').to_owned(), basic("ana:päss&word+1")),
    ] {
        assert_eq!(sent(&house, URI, Some(("authorization", &found))).await.unwrap(), expected);
    }
    for wrong in [format!("a:b:{ph}"), format!("ana:{ph}x:"), format!("{ph}:{ph}"), format!("ana:x{ph}")] {
        let problem = sent(&house, URI, Some(("authorization", &basic(&wrong)))).await.unwrap_err();
        assert_eq!(problem.code, "secret.wrong_place", "{wrong}");
    }
    let ph = place(&house, "header:X-Api-Key", "key with space").await;
    assert_eq!(sent(&house, URI, Some(("x-api-key", &ph))).await.unwrap(), "key with space");
    let word = format!("Token {ph}");
    assert_eq!(sent(&house, URI, Some(("x-api-key", &word))).await.unwrap_err().code, "secret.wrong_place");
    let ph = place(&house, "header:Authorization:Token", VALUE).await;
    assert_eq!(sent(&house, URI, Some(("authorization", &format!("Token {ph}")))).await.unwrap(), format!("Token {VALUE}"));
    assert_eq!(sent(&house, URI, Some(("authorization", &format!("Bearer {ph}")))).await.unwrap_err().code, "secret.wrong_place");
    let ph = place(&house, "query:key", "a&b=c d/é#").await;
    let uri = sent(&house, &format!("https://slack.com/api/x?q=1%20&key={ph}&z=%2F"), None).await.unwrap();
    assert_eq!(uri, "https://slack.com/api/x?q=1%20&key=a%26b%3Dc%20d%2F%C3%A9%23&z=%2F");
    for wrong in [format!("k={ph}"), format!("key=x{ph}"), format!("key={ph}&key=2"), format!("key={ph}&%6bey=2"), format!("key=2&x={ph}")] {
        let problem = sent(&house, &format!("{URI}?{wrong}"), None).await.unwrap_err();
        assert_eq!(problem.code, "secret.wrong_place", "{wrong}");
    }
}

async fn a_placeholder_anywhere_else_is_refused(kind: Kind) {
    let house = House::ready(kind).await;
    let running = instance("i-1", &poll());
    let ph = house.placeholder(&running);
    let bearer = format!("Bearer {ph}");
    let encoded = ph.replace('-', "%2d");
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("ana:{ph}")));
    for (uri, headers) in [
        (URI.to_owned(), vec![("x-token", ph.as_str())]),
        (URI.to_owned(), vec![("authorization", ph.as_str())]),
        (URI.to_owned(), vec![("authorization", &format!("Bearer  {ph}"))]),
        (URI.to_owned(), vec![("authorization", &format!("Bearer {ph} "))]),
        (URI.to_owned(), vec![("authorization", &format!("Bearer {ph}x"))]),
        (URI.to_owned(), vec![("authorization", &format!("Bearer x{ph}"))]),
        (URI.to_owned(), vec![("authorization", &format!("Bearer {}", &ph[..ph.len() - 1]))]),
        (URI.to_owned(), vec![("authorization", "Bearer bw-ph-")]),
        (URI.to_owned(), vec![("authorization", &basic)]),
        (URI.to_owned(), vec![("authorization", &bearer), ("authorization", &bearer)]),
        (URI.to_owned(), vec![("authorization", &bearer), ("authorization", "Bearer x")]),
        (URI.to_owned(), vec![("authorization", &bearer), ("x-token", &ph)]),
        (URI.to_owned(), vec![("authorization", &format!("{bearer} {ph}"))]),
        (format!("{URI}/{ph}"), vec![]),
        (format!("{URI}?token={ph}"), vec![("authorization", bearer.as_str())]),
        (format!("{URI}?token={encoded}"), vec![("authorization", bearer.as_str())]),
        (format!("{URI}?token={encoded}"), vec![]),
        (format!("https://{ph}.slack.com/"), vec![]),
    ] {
        let mut parts = head(&uri, &headers);
        let before = format!("{:?} {:?}", parts.uri, parts.headers);
        let problem = house.vault.attach(&running, &SLACK, &mut parts).await.unwrap_err();
        assert_eq!(problem.code, "secret.wrong_place", "{uri} {headers:?}");
        assert_eq!(format!("{:?} {:?}", parts.uri, parts.headers), before);
        assert!(!problem.to_string().contains(&ph));
    }
    assert!(house.uses().await.iter().all(|event| event["outcome"] == "denied"));
}

async fn a_placeholder_is_good_for_its_instance_alone(kind: Kind) {
    let house = House::ready(kind).await;
    let (one, two) = (instance("i-1", &poll()), instance("i-2", &poll()));
    let (of_one, of_two) = (house.placeholder(&one), house.placeholder(&two));
    assert_ne!(of_one, of_two);
    assert_eq!(of_one, house.placeholder(&one));
    assert_eq!(house.send(&two, &of_one).await.unwrap_err().code, "secret.not_granted");
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
    let command = format!("bailiwick secret put {ID} --app poll-notify --env prod --owner WHO --purpose WHAT --expires DATE --host slack.com");
    assert!(problem.fix.contains(&command), "{}", problem.fix);
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
