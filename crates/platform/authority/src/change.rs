//! Kinds of changes that nodes must hear of, since they keep the thing in memory: the words of the change feed.

/// State, release or grants of an app in one environment; the key is `APP_ID/ENV`.
pub const APP: &str = "app";
/// Who somebody is, or which groups they are in; the key is the id of that person, or nothing for everyone.
pub const PEOPLE: &str = "people";
/// A session ended; the key is its id.
pub const SESSION: &str = "session";
/// A session got another cookie or a fresher factor; the key is its id.
pub const SESSION_CHANGED: &str = "session_changed";
/// Every session of a person ended; the key is the person's id.
pub const SESSIONS_OF: &str = "sessions_of";
/// A secret of an app changed; the key is `APP_ID/ENV`.
pub const SECRET: &str = "secret";
/// How people sign in changed; no key.
pub const SIGN_IN: &str = "sign_in";
/// A waiver was agreed to or ended; no key.
pub const WAIVERS: &str = "waivers";
/// The policy bundle changed; no key.
pub const POLICY: &str = "policy";

/// The key of an app in one environment.
#[must_use]
pub fn app_key(app: &crate::AppRef) -> String {
    format!("{}/{}", app.id, app.env)
}

/// The app of such a key.
#[must_use]
pub fn app_of(key: &str) -> Option<crate::AppRef> {
    let (id, env) = key.split_once('/')?;
    Some(crate::AppRef { id: model::AppId::new(id), env: env.parse().ok()? })
}
