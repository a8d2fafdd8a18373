//! Records to begin with: `mock/data/COLLECTION.json`, inserted as the app itself would, so that the same rules judge them.
//!
//! Once for each collection while this runs: what was changed by hand since stays. A record that is refused is told, and
//! the collection begins empty.

use super::Bench;
use crate::dev::{Happened, Kept, mocks::Mocks};
use authority::{AppRef, Caller, Instance, Who};
use axum::http::{Method, Request, Response, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use model::{AppId, Env, Finding, Manifest, Problem, ReleaseNumber, RequestId, Severity};
use serde_json::Value;

impl Bench {
    /// Begins the collections that have not begun, and says with how many records each did.
    pub(super) async fn begin_collections(&self, manifest: &Manifest, mocks: &Mocks, app: &AppId) -> Vec<Kept> {
        let mut seeded = self.seeded.lock().await;
        let instance = self.instance(manifest, app);
        let mut kept = Vec::new();
        for collection in manifest.data.keys() {
            let begun = format!("{app}/{collection}");
            if let Some(seeds) = mocks.seeds.get(collection).filter(|_| !seeded.contains_key(&begun)) {
                match self.begin(&instance, collection, seeds).await {
                    Ok(()) => {
                        seeded.insert(begun.clone(), seeds.len());
                    }
                    Err(finding) => (self.say)(Happened::Noted { finding: *finding }),
                }
            }
            let records = seeded.get(&begun).copied().unwrap_or_default();
            kept.push(Kept { collection: collection.clone(), records });
        }
        kept
    }

    /// The app as it would call, for no user.
    fn instance(&self, manifest: &Manifest, app: &AppId) -> Instance {
        let app = AppRef { id: app.clone(), env: Env::Prod };
        let facts = self.server.authority.facts(&self.server.tenant);
        let epoch = facts.apps.get(&(app.id.clone(), app.env)).map_or(0, |facts| facts.credential_epoch);
        Instance {
            id: RequestId::generate().to_string().into(),
            name: manifest.app.name.as_str().into(),
            release: ReleaseNumber(0),
            caller: Caller::new(self.server.tenant.clone(), Who::App(app.clone())),
            app,
            proved: None,
            credential_epoch: epoch,
        }
    }

    async fn begin(&self, instance: &Instance, collection: &str, seeds: &[Value]) -> Result<(), Box<Finding>> {
        let path = format!("/v1/collections/{collection}/records");
        let mut inserted = Vec::new();
        for (at, record) in seeds.iter().enumerate() {
            match self.data(instance, Method::POST, &path, record.to_string()).await {
                Ok(record) => inserted.push(super::text(&record, "id")),
                Err(problem) => {
                    for id in inserted {
                        // A leftover would be inserted twice after the file was mended; nothing worse.
                        drop(self.data(instance, Method::DELETE, &format!("{path}/{id}"), String::new()).await);
                    }
                    return Err(Box::new(refused(collection, at, problem)));
                }
            }
        }
        Ok(())
    }

    async fn data(&self, instance: &Instance, method: Method, path: &str, body: String) -> Result<Value, Problem> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", data::HOST))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync())
            .map_err(|_| Problem::internal())?;
        let answered: Response<Full<Bytes>> = self.server.data.answer::<Sent>(instance, request).await;
        let accepted = answered.status().is_success();
        let bytes = match answered.into_body().collect().await {
            Ok(bytes) => bytes.to_bytes(),
            Err(never) => match never {},
        };
        let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if accepted {
            Ok(document)
        } else {
            Err(serde_json::from_value(document).unwrap_or_else(|_| Problem::internal()))
        }
    }
}

type Sent = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

fn refused(collection: &str, at: usize, problem: Problem) -> Finding {
    Finding {
        code: problem.code,
        severity: Severity::Warn,
        file: Some(format!("mock/data/{collection}.json")),
        line: None,
        column: None,
        what: format!("record {} was refused, and `{collection}` begins empty: {}", at + 1, problem.what),
        why: problem.why,
        fix: problem.fix,
        edits: Vec::new(),
        waiver: None,
    }
}
