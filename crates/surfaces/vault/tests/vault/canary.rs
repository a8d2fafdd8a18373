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
    let mut forms = vec![
        CANARY.to_owned(),
        hex::encode(CANARY),
        hex::encode_upper(CANARY),
        "canary-7f3a%2BQ%2Fzz%25%3Dvalue".to_owned(),
    ];
    for before in 0..3_usize {
        let from = (before * 8).div_ceil(6);
        let to = (before + CANARY.len()) * 8 / 6;
        let all = ["x".repeat(before).as_str(), CANARY].concat();
        forms.extend([
            BASE64_STANDARD.encode(&all)[from..to].to_owned(),
            BASE64_URL_SAFE.encode(&all)[from..to].to_owned(),
        ]);
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
    clean("what was said", say_all(&house).await.as_bytes());
    let filter = EventFilter { limit: Some(1000), ..EventFilter::default() };
    let events = house.store.events(&TenantId::main(), &filter).await.unwrap();
    assert!(events.iter().any(|event| event.json().unwrap()["action"] == "secret.use"));
    for event in events {
        clean("an event", format!("{event:?} {}", event.json().unwrap()).as_bytes());
    }
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

/// Goes through every verb, and prints whatever can be printed.
async fn say_all(house: &House) -> String {
    let act = |value: String| PutSecret { value: SecretString::from(value), ..put() };
    let asked = act(CANARY.to_owned());
    let mut said = format!("{asked:?} {:?}", house.permit(asked.clone()));
    let view = house.put(asked).await.unwrap();
    said += &format!("{view:?} {}", serde_json::to_string(&view).unwrap());
    house.open(&poll(), &manifest("poll-notify", ID), 1).await.unwrap();
    let running = instance("i-1", &poll());
    let placeholder = house.placeholder(&running);
    let bearer = format!("Bearer {placeholder}");
    let mut parts = head("https://slack.com/api/x", &[("authorization", &bearer)]);
    let attached = house.vault.attach(&running, &SLACK, &mut parts).await.unwrap();
    assert_eq!(parts.headers["authorization"], format!("Bearer {CANARY}"));
    said += &format!("{attached:?} {parts:?} {:?}", house.vault);
    let mut wrong = head("https://slack.com/api/x", &[("x-token", &placeholder)]);
    let problem = house.vault.attach(&running, &SLACK, &mut wrong).await.unwrap_err();
    said += &format!("{problem} {problem:?}");
    for value in [format!("{CANARY}\n"), format!("{CANARY} redacted"), CANARY.repeat(4000)] {
        let error = house.put(act(value)).await.unwrap_err();
        said += &format!("{error} {error:?}");
    }
    let value = SecretString::from(CANARY);
    let (tenant, id) = (TenantId::main(), SecretId::new(ID));
    let rotated = RotateSecret { tenant: tenant.clone(), id, env: model::Env::Prod, value };
    said += &format!("{rotated:?}");
    house.vault.rotate(house.permit(rotated)).await.unwrap();
    let all = house.vault.list(house.permit(ListSecrets { tenant, id: None })).await.unwrap();
    said + &format!("{all:?}")
}
