//! The way out of an instance: the broker, with the vault's placeholders; and the names that never leave the process.

use authority::Instance;
use broker::{Broker, Inside};
use data::Data;
use futures_util::future::BoxFuture;
use gateway::{Doors, Gateway, Opened};
use http::{Request, Response};
use http_body_util::BodyExt;
use model::ReleaseNumber;
use sandbox::{Door, LogLine, Report, Sending};
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};
use vault::Vault;

/// Opens a way out for each instance.
pub(crate) struct WaysOut {
    pub(crate) broker: Arc<Broker>,
    pub(crate) vault: Arc<Vault>,
}

struct WayOut {
    broker: Arc<Broker>,
    vault: Arc<Vault>,
    instance: Instance,
}

impl Doors for WaysOut {
    fn open(&self, instance: Instance, secrets: &[String]) -> Opened {
        let placeholders = if secrets.is_empty() { BTreeMap::new() } else { self.vault.placeholders(&instance) };
        let door = WayOut { broker: Arc::clone(&self.broker), vault: Arc::clone(&self.vault), instance };
        Opened { door: Arc::new(door), placeholders }
    }
}

impl Door for WayOut {
    fn send(&self, request: Request<sandbox::Body>) -> Sending {
        let (broker, instance) = (Arc::clone(&self.broker), self.instance.clone());
        Box::pin(async move { Ok(broker.call(&instance, request).await) })
    }

    fn log(&self, _line: LogLine) {
        // The gateway wraps this door, and takes the lines.
    }

    fn ended(&self, _report: Report) {
        self.vault.forget(&self.instance.id);
    }
}

impl Drop for WayOut {
    fn drop(&mut self) {
        self.vault.forget(&self.instance.id);
    }
}

/// A guest's body broke off.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
struct Failed(#[source] broker::BoxError);

/// `http://data.bailiwick`.
pub(crate) struct DataInside(pub(crate) Arc<Data>);

impl Inside for DataInside {
    fn answer(
        &self,
        instance: &Instance,
        request: Request<broker::Body>,
    ) -> BoxFuture<'static, Response<broker::Body>> {
        let (data, instance) = (Arc::clone(&self.0), instance.clone());
        // Erased to an error that has a name, which the future's type needs.
        let request = request.map(|body| body.map_err(Failed).boxed_unsync());
        Box::pin(async move {
            let response = data.answer(&instance, request).await;
            response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
        })
    }
}

/// `http://assets.bailiwick`: the static files of the app that asks.
pub(crate) struct AssetsInside(pub(crate) Weak<Gateway>);

impl Inside for AssetsInside {
    fn answer(
        &self,
        instance: &Instance,
        request: Request<broker::Body>,
    ) -> BoxFuture<'static, Response<broker::Body>> {
        let (gateway, app) = (self.0.upgrade(), instance.app.clone());
        Box::pin(async move {
            let (asked, _body) = request.into_parts();
            match gateway {
                Some(gateway) => gateway.asset(&app, &asked).await.map(|body| body.map_err(Into::into).boxed_unsync()),
                None => Response::new(broker::empty()),
            }
        })
    }
}

/// `http://self.bailiwick/v1/context`: who the instance is, for components that do not use the shared engine.
pub(crate) struct SelfInside;

impl Inside for SelfInside {
    fn answer(
        &self,
        instance: &Instance,
        request: Request<broker::Body>,
    ) -> BoxFuture<'static, Response<broker::Body>> {
        let ReleaseNumber(release) = instance.release;
        let known = request.uri().path() == "/v1/context";
        let context = serde_json::json!({
            "app": { "id": instance.app.id, "name": instance.name, "env": instance.app.env, "release": release },
            "user": instance.caller.person().map(|id| serde_json::json!({ "id": id })),
        });
        Box::pin(async move {
            let mut response = Response::new(broker::full(context.to_string()));
            if known {
                response
                    .headers_mut()
                    .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
            } else {
                *response.status_mut() = http::StatusCode::NOT_FOUND;
                *response.body_mut() = broker::empty();
            }
            response
        })
    }
}
