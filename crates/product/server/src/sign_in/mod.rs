//! Signing in and out: by a one-time link, by a passkey, at the provider, and on to an app with a code.
//!
//! Refuses: a link spent by a GET, a passkey's answer in another browser than asked, and going on to anywhere but the
//! console's own pages and its apps.

mod browser;
mod carried;
mod hosts;
mod links;
mod login;
mod me;
mod passkeys;
mod provider;
mod reach;
mod roles;
mod to_app;
mod waiting;

pub(crate) use carried::{Carried, NeedsFactor, Sent, around};
pub(crate) use reach::{Fenced, Outside};
pub(crate) use to_app::signed_out;

use crate::{Bailiwick, pages::above};
use axum::{
    Router,
    response::Redirect,
    routing::{get, post},
};
use std::sync::Arc;

/// The pages of signing in.
pub(crate) fn router() -> Router<Arc<Bailiwick>> {
    Router::new()
        .route("/passkey.js", get(passkeys::script))
        .route("/welcome/{token}", get(links::welcome).post(links::spend))
        .route("/sign-in", get(to_app::sign_in))
        .route("/sign-in/app", get(to_app::sign_in_to_app))
        .route("/sign-in/passkey", post(passkeys::sign_in).get(above))
        .route("/sign-in/confirm", post(passkeys::confirm).get(above))
        .route("/sign-in/provider", get(provider::begin).post(waiting::begin))
        .route("/sign-in/waiting/{id}", get(waiting::page).post(waiting::go_on))
        .route("/sign-in/provider/back", get(provider::back))
        .route("/sign-in/provider/try", get(provider::back_from_try))
        .route("/sign-in/provider/logout", post(provider::logout))
        .route("/sign-out", post(links::sign_out).get(above))
        .route("/login", get(login::page).post(login::confirm))
        .route("/login/begin", post(login::begin))
        .route("/login/take", post(login::take))
        .route("/roles", get(roles::page).post(roles::ask))
        .route("/roles/{id}/grant", post(roles::grant).get(to_roles))
        .route("/roles/{id}/refuse", post(roles::refuse).get(to_roles))
        .route("/me", get(me::page))
        .route("/me/provider", post(provider::connect).get(above))
        .route("/me/passkeys/new", get(passkeys::offer))
        .route("/me/passkeys", post(passkeys::make).get(above))
        .route("/me/passkeys/{id}/remove", post(passkeys::remove).get(to_me))
        .route("/me/sessions/{id}/end", post(me::end).get(to_me))
        .route("/me/sessions/end", post(me::end_others).get(to_me))
}

/// What is done about a line of a page has no page above it but that one.
async fn to_me() -> Redirect {
    Redirect::to("/me")
}

async fn to_roles() -> Redirect {
    Redirect::to("/roles")
}
