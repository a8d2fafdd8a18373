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
mod waivers;

pub(crate) use new::Drafts;
pub(crate) use parts::Said;
pub(crate) use shell::{Here, Read, Shell, Viewer};
pub(crate) use sign_in::tried;

use crate::{
    Bailiwick,
    page::{ICON, STYLE, Trouble},
    reply::Refusal,
};
use axum::{
    Router,
    extract::{FromRequest, Request, State},
    http::{Uri, header},
    response::{IntoResponse, Redirect, Response},
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
        .route("/follow.js", get(app::follow_script))
        .route("/apps/{name}/edit", get(new::edit))
        .route("/apps/{name}/revoke", post(switch::revoke).get(above))
        .route("/apps/{name}/restore", post(switch::restore).get(above))
        .route("/apps/{name}/retire", post(switch::retire).get(above))
        .route("/apps/{name}/rollback", post(switch::rollback).get(above))
        .route("/apps/{name}/waivers", post(waivers::grant).get(above))
        .route("/apps/{name}/waivers/{id}/end", post(waivers::end).get(of_app))
        .route("/apps/{name}/receipts/{event}", get(receipt::show))
        .route("/switch", get(switch::ask).post(switch::revoke_named))
        .route("/new", get(new::ask).post(new::send))
        .route("/tries/{label}", get(tries::show))
        .route("/tries/{label}/open", get(tries::open))
        .route("/tries/{label}/end", post(tries::end).get(above))
        .route("/requests", get(requests::list))
        .route("/requests/{id}", get(requests::show))
        .route("/requests/{id}/approve", post(requests::approve).get(above))
        .route("/requests/{id}/reject", post(requests::reject).get(above))
        .route("/people", get(people::list).post(people::add))
        .route("/people/sign-in", get(sign_in::show).post(sign_in::save))
        .route("/people/sign-in/try", post(sign_in::begin).get(above))
        .route("/people/sign-in/on", post(sign_in::on).get(above))
        .route("/people/sign-in/off", post(sign_in::off).get(above))
        .route("/people/sign-in/links", post(sign_in::links).get(above))
        .route("/people/{id}", get(people::show))
        .route("/people/{id}/groups", post(people::groups).get(above))
        .route("/people/{id}/disable", post(people::disable).get(above))
        .route("/secrets", get(secrets::list).post(secrets::put))
        .route("/secrets/{team}/{name}", get(secrets::show))
        .route("/secrets/{team}/{name}/rotate", post(secrets::rotate).get(above))
        .route("/secrets/{team}/{name}/revoke", post(secrets::revoke).get(above))
        .route("/policy", get(policy::show))
        .route("/notices", get(notices::list))
        .route("/notices/test", post(notices::test).get(above))
        .route("/notices/{event}", get(notices::show).post(notices::take_on))
        .route("/record", get(record::search))
        .route("/record/queries", post(record::save).get(above))
        .route("/record/queries/{id}/forget", post(record::forget).get(to_record))
        .route("/record/export", post(record::begin).get(above))
        .route("/record/export/{id}", get(record::progress))
        .route("/record/{id}", get(record::show))
        .fallback(nothing)
}

/// An act has no page of its own: whoever opens its address, as when it was kept from the bar, comes to what it is about.
pub(crate) async fn above(uri: Uri) -> Redirect {
    Redirect::to(uri.path().rsplit_once('/').map(|(above, _)| above).filter(|above| !above.is_empty()).unwrap_or("/"))
}

/// The same for what is about a part of an app's page.
async fn of_app(uri: Uri) -> Redirect {
    // As it was sent: what is decoded may be no address.
    Redirect::to(uri.path().rsplitn(4, '/').last().unwrap_or("/"))
}

/// The same for a search that is kept, which stands on the page of all.
async fn to_record() -> Redirect {
    Redirect::to("/record")
}

async fn style() -> Response {
    let kept = "public, max-age=31536000, immutable";
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, kept)], STYLE).into_response()
}

async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")], ICON).into_response()
}

async fn nothing(State(server): State<Arc<Bailiwick>>, request: Request) -> Response {
    let problem = Problem::new(
        ProblemKind::NotFound,
        "page.unknown",
        "there is no such page",
        "the address is misspelt, or what was here is gone",
        "go to your apps",
    );
    // Programs get what programs read.
    if request.uri().path().starts_with("/api/") {
        return Refusal(problem).into_response();
    }
    // Whoever is signed in finds the way on around it; what else there is to say of them does not matter here.
    let _visit = shell::Visit::from_request(request, &server).await;
    Trouble(problem).into_response()
}

/// The state of an app in one word: that of `prod`, or of what there is.
fn word(app: &AppView) -> &'static str {
    app.environments.last().map_or("waiting", |env| env.word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_of_an_act_leads_to_its_app_as_it_was_sent() {
        for (sent, to) in [
            ("/apps/poll/waivers/w1/end", "/apps/poll"),
            ("/apps/%0A/waivers/x/end", "/apps/%0A"),
            ("/apps/%2F%2Fevil.example/waivers/x/end", "/apps/%2F%2Fevil.example"),
        ] {
            let answer = of_app(Uri::from_static(sent)).await.into_response();
            assert_eq!(answer.headers()[header::LOCATION], to, "{sent}");
        }
    }
}
