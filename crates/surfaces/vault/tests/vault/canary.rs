//! A canary: put, used, listed, refused, printed; then searched for everywhere, in every form.

use crate::{both, house::*};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE},
};
use model::{SecretId, TenantId};
use store::EventFilter;
use vault::{ListSecrets, PutSecret, RotateSecret, SecretString};

both! {
    the_value_is_nowhere
}

const CANARY: &str = "canary-7f3a+Q/zz%=value";

/// Plain, hex, base64 at each alignment, URL-encoded.
fn forms() -> Vec<String> {
    let mut forms = vec![CANARY.to_owned(), hex::encode(CANARY), hex::encode_upper(CANARY), "canary-7f3a%2BQ%2Fzz%25%3Dvalue".to_owned()];
    for before in 0..3_usize {
        let from = (before * 8).div_ceil(6);
        let to = (before + CANARY.len()) * 8 / 6;
        let all = ["x".repeat(before).as_str(), CANARY].concat();
        forms.extend([BASE64_STANDARD.encode(&all)[from..to].to_owned(), BASE64_URL_SAFE.encode(&all)[from..to].to_owned()]);
    }
    forms
}

fn clean(place: &str, bytes: &[u8]) {
    for form in forms() {
        let found = bytes.windows(form.len()).any(|window| window == form.as_bytes());
        assert!(!found, "`{form}` in {place}");
    }
}

async fn the_value_is_nowhere(kind: Kind) {
    let house = House::new(kind).await;
    let mut said = String::new();
    let act = PutSecret { value: SecretString::from(CANARY), ..put() };
    said += &format!("{act:?} {:?}", house.permit(act.clone()));
    let view = house.put(act.clone()).await.unwrap();
    said += &format!("{view:?} {}", serde_json::to_string(&view).unwrap());
    house.open(&poll(), &manifest("poll-notify", ID), 1).await.unwrap();
    let running = instance("i-1", &poll());
    let placeholder = house.placeholder(&running);
    let mut parts = head("https://slack.com/api/x", &[("authorization", &format!("Bearer {placeholder}"))]);
    let attached = house.vault.attach(&running, &SLACK, &mut parts).await.unwrap().unwrap();
    assert_eq!(parts.headers["authorization"], format!("Bearer {CANARY}"));
    said += &format!("{attached:?} {parts:?} {:?}", house.vault);
    let mut wrong = head("https://slack.com/api/x", &[("x-token", &placeholder)]);
    said += &format!("{:?}", house.vault.attach(&running, &SLACK, &mut wrong).await.unwrap_err());
    for value in [format!("{CANARY}\n"), format!("{CANARY} redacted"), CANARY.repeat(4000)] {
        let act = PutSecret { value: SecretString::from(value), ..put() };
        let error = house.put(act).await.unwrap_err();
        said += &format!("{error} {error:?}");
    }
    let all = house.vault.list(house.permit(ListSecrets { tenant: TenantId::main(), id: None })).await.unwrap();
    said += &format!("{all:?}");
    clean("what was said", said.as_bytes());
    let filter = EventFilter { limit: Some(1000), ..EventFilter::default() };
    let events = house.store.events(&TenantId::main(), &filter).await.unwrap();
    assert!(events.iter().any(|event| event.json().unwrap()["action"] == "secret.use"));
    for event in events {
        clean("an event", format!("{event:?} {}", event.json().unwrap()).as_bytes());
    }
    let rotated = RotateSecret { tenant: TenantId::main(), id: SecretId::new(ID), env: model::Env::Prod, value: SecretString::from(CANARY) };
    said = format!("{rotated:?}");
    house.vault.rotate(house.permit(rotated)).await.unwrap();
    clean("what was said", said.as_bytes());
    let mut files = 0;
    for file in std::fs::read_dir(house.dir.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            files += usize::from(bytes.windows(ID.len()).any(|window| window == ID.as_bytes()));
            clean(&path.display().to_string(), &bytes);
        }
    }
    // The files were really those that hold the entry.
    assert_eq!(files > 0, kind == Kind::Sqlite);
}
