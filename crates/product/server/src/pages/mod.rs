//! The console's pages: one file for each. A page answers one question above the fold; a handler reads who → may → do →
//! say, as the API's do, with the same verbs.

mod app;
mod apps;
mod done;
mod gallery;
mod mine;
mod new;
mod notices;
mod parts;
mod people;
mod policy;
mod receipt;
mod record;
mod requests;
mod secrets;
mod shell;
mod sign_in;
mod switch;
mod tries;

pub(crate) use parts::Said;
pub(crate) use shell::{Here, Shell};
pub(crate) use sign_in::tried;

use crate::{
    Bailiwick,
    page::{ICON, STYLE, Trouble},
    reply::Refusal,
};
use authority::AppState;
use axum::{
    Router,
    http::{Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use catalog::AppView;
use model::{Problem, ProblemKind};
use std::sync::Arc;

/// Every page.
pub(crate) fn router() -> Router<Arc<Bailiwick>> {
    gallery::router()
        .route("/", get(mine::mine))
        .route("/style.css", get(style))
        .route("/icon.svg", get(icon))
        .route("/apps", get(apps::list))
        .route("/apps/{name}", get(app::overview))
        .route("/apps/{name}/releases", get(app::releases))
        .route("/apps/{name}/log", get(app::log))
        .route("/apps/{name}/edit", get(new::edit))
        .route("/apps/{name}/revoke", post(switch::revoke))
        .route("/apps/{name}/restore", post(switch::restore))
        .route("/apps/{name}/retire", post(switch::retire))
        .route("/apps/{name}/rollback", post(switch::rollback))
        .route("/apps/{name}/receipts/{event}", get(receipt::show))
        .route("/switch", get(switch::ask).post(switch::revoke_named))
        .route("/new", get(new::ask).post(new::send))
        .route("/tries/{label}", get(tries::show))
        .route("/tries/{label}/open", get(tries::open))
        .route("/tries/{label}/end", post(tries::end))
        .route("/requests", get(requests::list))
        .route("/requests/{id}", get(requests::show))
        .route("/requests/{id}/approve", post(requests::approve))
        .route("/requests/{id}/reject", post(requests::reject))
        .route("/people", get(people::list).post(people::add))
        .route("/people/sign-in", get(sign_in::show).post(sign_in::save))
        .route("/people/sign-in/try", post(sign_in::begin))
        .route("/people/sign-in/on", post(sign_in::on))
        .route("/people/sign-in/off", post(sign_in::off))
        .route("/people/sign-in/links", post(sign_in::links))
        .route("/people/{id}", get(people::show))
        .route("/people/{id}/groups", post(people::groups))
        .route("/people/{id}/disable", post(people::disable))
        .route("/secrets", get(secrets::list).post(secrets::put))
        .route("/secrets/{team}/{name}", get(secrets::show))
        .route("/secrets/{team}/{name}/rotate", post(secrets::rotate))
        .route("/secrets/{team}/{name}/revoke", post(secrets::revoke))
        .route("/policy", get(policy::show))
        .route("/notices", get(notices::list))
        .route("/notices/test", post(notices::test))
        .route("/notices/{event}", get(notices::show).post(notices::take_on))
        .route("/record", get(record::search))
        .route("/record/queries", post(record::save))
        .route("/record/queries/{id}/forget", post(record::forget))
        .route("/record/export", post(record::begin))
        .route("/record/export/{id}", get(record::progress))
        .route("/record/{id}", get(record::show))
        .fallback(nothing)
}

async fn style() -> Response {
    let kept = "public, max-age=31536000, immutable";
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, kept)], STYLE).into_response()
}

async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")], ICON).into_response()
}

async fn nothing(uri: Uri) -> Response {
    let problem = Problem::new(
        ProblemKind::NotFound,
        "page.unknown",
        "there is no such page",
        "the address is misspelt, or what was here is gone",
        "go to your apps",
    );
    // Programs get what programs read.
    if uri.path().starts_with("/api/") { Refusal(problem).into_response() } else { Trouble(problem).into_response() }
}

/// The state of an app in one word: that of `prod`, or of what there is.
fn word(app: &AppView) -> &'static str {
    app.environments.last().map_or("waiting", |env| state_word(env.state))
}

const fn state_word(state: AppState) -> &'static str {
    match state {
        AppState::Live => "live",
        AppState::Expired => "expired",
        AppState::Revoked => "revoked",
        AppState::Retired => "retired",
        AppState::Waiting => "waiting",
    }
}
