//! The control API: one list makes the routes and the OpenAPI document alike.

mod apps;
mod backups;
mod deploy;
mod events;
mod export;
mod follow;
mod health;
mod lasting;
mod notices;
mod people;
mod policy;
mod queries;
mod requests;
mod roles;
mod secrets;
mod sign_in;
mod tiles;
mod waivers;
mod whoami;

pub(crate) use apps::Why;
pub(crate) use deploy::Named;
pub(crate) use events::{Found, Which as WhichEvents};
pub(crate) use export::{Exports, Progress, Stage};
pub(crate) use follow::Readers;
pub(crate) use lasting::Seats;
pub(crate) use secrets::NewValue;
pub(crate) use waivers::Wish as WaiverWish;
pub(crate) use whoami::{ReadPolicy, login_over, sign_in_first};

use crate::Bailiwick;
use axum::{Router, extract::State, response::Response};
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

#[derive(OpenApi)]
#[openapi(info(
    title = "Bailiwick",
    description = "The control API. Refusals are `application/problem+json` (RFC 9457) with `code`, `what`, `at`, `why` and `fix`; `type` is `urn:bailiwick:problem:CODE`, `title` is `what`, `detail` is `why`."
))]
struct Document;

/// Every route of the API, with its document.
pub(crate) fn router() -> (Router<Arc<Bailiwick>>, utoipa::openapi::OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(whoami::whoami))
        .routes(routes!(whoami::logout))
        .routes(routes!(whoami::policy))
        .routes(routes!(policy::explain))
        .routes(routes!(apps::list))
        .routes(routes!(apps::see))
        .routes(routes!(apps::revoke))
        .routes(routes!(apps::restore))
        .routes(routes!(apps::retire))
        .routes(routes!(apps::rollback))
        .routes(routes!(apps::token))
        .routes(routes!(apps::logs))
        .routes(routes!(follow::follow))
        .routes(routes!(deploy::deploy))
        .routes(routes!(requests::list))
        .routes(routes!(requests::approve))
        .routes(routes!(requests::reject))
        .routes(routes!(people::list, people::add))
        .routes(routes!(people::groups))
        .routes(routes!(people::disable))
        .routes(routes!(roles::list, roles::ask))
        .routes(routes!(roles::grant))
        .routes(routes!(roles::refuse))
        .routes(routes!(waivers::list, waivers::grant))
        .routes(routes!(waivers::end))
        .routes(routes!(sign_in::show))
        .routes(routes!(sign_in::draft))
        .routes(routes!(sign_in::on))
        .routes(routes!(sign_in::off))
        .routes(routes!(sign_in::links))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::show, secrets::put))
        .routes(routes!(secrets::rotate))
        .routes(routes!(secrets::revoke))
        .routes(routes!(events::list))
        .routes(routes!(events::show))
        .routes(routes!(events::proof))
        .routes(routes!(export::export))
        .routes(routes!(queries::list, queries::save))
        .routes(routes!(queries::forget))
        .routes(routes!(notices::list))
        .routes(routes!(notices::test))
        .routes(routes!(notices::ack))
        .routes(routes!(crate::recover::recover))
        .routes(routes!(tiles::checkpoint))
        .routes(routes!(tiles::key))
        .routes(routes!(tiles::tile))
        .routes(routes!(tiles::jwks))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(backups::create))
        .routes(routes!(backups::list, backups::make))
        .routes(routes!(backups::drilled))
        .split_for_parts();
    name_operations(&mut document);
    (router, document)
}

/// Each operation by its method and address, so that no two have one name; the rest of a path as any other part of it,
/// since OpenAPI knows no such thing.
fn name_operations(document: &mut utoipa::openapi::OpenApi) {
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    for (path, item) in &mut document.paths.paths {
        let place: Vec<&str> = path
            .trim_start_matches("/api/v1")
            .split(['/', '{', '}', '*', '.', '-'])
            .filter(|part| !part.is_empty())
            .collect();
        let methods =
            [("get", &mut item.get), ("put", &mut item.put), ("post", &mut item.post), ("delete", &mut item.delete)];
        for (method, operation) in methods {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}_{}", place.join("_")));
                for parameter in operation.parameters.iter_mut().flatten() {
                    if let utoipa::openapi::RefOr::T(parameter) = parameter {
                        parameter.name = parameter.name.trim_start_matches('*').to_owned();
                    }
                }
            }
        }
    }
}

/// The document itself.
pub(crate) async fn openapi(State(_server): State<Arc<Bailiwick>>) -> Response {
    use axum::response::IntoResponse;
    axum::Json(router().1).into_response()
}
