//! No query crosses an app, an environment or a tenant.

use crate::support::{House, MANIFEST, app, call, instance, manifest};
use model::{Env, TenantId};
use serde_json::{Value, json};

pub(crate) async fn nothing_crosses(house: House) {
    let other = house.of_tenant(&TenantId::new("other"));
    let places = [
        (&house.data, "main", app("one", Env::Prod)),
        (&house.data, "main", app("one", Env::Staging)),
        (&house.data, "main", app("two", Env::Prod)),
        (&other, "other", app("one", Env::Prod)),
    ];
    for (data, tenant, app) in &places[1..] {
        house.open_in(tenant, data, app, &manifest(MANIFEST), 1).await;
    }
    let first = house.insert("votes", json!({ "person": "ana", "choice": "0" })).await;
    let id = first["id"].as_str().unwrap().to_owned();
    // The same id in every other place, so that only the walls tell them apart.
    for (number, (data, tenant, app)) in places.iter().enumerate().skip(1) {
        let record = json!({ "person": "ana", "choice": number.to_string() });
        let (_, made) = call(data, &instance(tenant, app.clone(), None), "POST", "votes/records", record).await;
        let mut tx = house.tx("main").await;
        let params = store::params![made["id"].as_str().unwrap(), id.as_str()];
        let row = tx.query("SELECT tenant, app_id, env, collection, version, created_at, expires_at, bytes, body FROM data_records WHERE id = $1", &params[..1]).await.unwrap();
        let mut copy = row[0].values().to_vec();
        copy.push(id.as_str().into());
        tx.execute("INSERT INTO data_records (tenant, app_id, env, collection, version, created_at, updated_at, expires_at, bytes, body, id) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10)", &copy).await.unwrap();
        tx.execute("UPDATE data_index SET record = $2 WHERE record = $1", params).await.unwrap();
        tx.execute("DELETE FROM data_records WHERE id = $1", &params[..1]).await.unwrap();
        tx.commit(json!({}), None).await.unwrap();
    }
    let same =
        house.store.read("SELECT COUNT(*) FROM data_records WHERE id = $1", store::params![id.as_str()]).await.unwrap();
    assert_eq!(same[0].int(0).unwrap(), 4);
    for (number, (data, tenant, app)) in places.iter().enumerate() {
        let at = instance(tenant, app.clone(), Some("ana"));
        for (filters, expected) in
            [(json!({}), 1), (json!({ "choice": number.to_string() }), 1), (json!({ "choice": "9" }), 0)]
        {
            let (_, found) = call(data, &at, "POST", "votes/count", json!({ "where": filters })).await;
            assert_eq!(found["count"], expected, "{number} {filters}");
        }
        for (wrong, _) in places.iter().enumerate().filter(|(wrong, _)| *wrong != number) {
            let (_, found) =
                call(data, &at, "POST", "votes/count", json!({ "where": { "choice": wrong.to_string() } })).await;
            assert_eq!(found["count"], 0, "{number} sees {wrong}");
        }
    }
    let path = format!("votes/records/{id}");
    assert_eq!(house.call("DELETE", &path, Value::Null).await.0, 204);
    let same =
        house.store.read("SELECT COUNT(*) FROM data_records WHERE id = $1", store::params![id.as_str()]).await.unwrap();
    assert_eq!(same[0].int(0).unwrap(), 3);

    // An instance of another tenant, or whose caller is another app, is refused.
    let (status, _) =
        call(&house.data, &instance("other", app("one", Env::Prod), None), "POST", "votes/query", json!({})).await;
    assert_eq!(status, 404);
    let mut mixed = instance("main", app("one", Env::Prod), None);
    mixed.caller = instance("main", app("two", Env::Prod), None).caller;
    let (status, problem) = call(&house.data, &mixed, "POST", "votes/query", json!({})).await;
    assert_eq!((status, problem["code"].as_str().unwrap()), (403, "app.wall"));
}
