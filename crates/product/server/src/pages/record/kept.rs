//! Searches that are kept under a name.

use super::{super::parts::query, Which};
use crate::{
    Bailiwick,
    page::{Page, Trouble},
    pages::shell::Visit,
    queries::{For, Query},
};
use axum::{
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::{collections::BTreeMap, sync::Arc};

/// One, as the page of the record links to it.
pub(in crate::pages) struct Kept {
    pub(super) href: String,
    pub(super) name: String,
    pub(super) here: bool,
    /// To forget it: one's own alone.
    pub(super) forget: Option<String>,
    /// Whose it is, when another shares it; that it is shared, when it is one's own.
    pub(super) hint: String,
}

impl Kept {
    pub(super) fn new(kept: Query, here: &str) -> Self {
        let pairs: Vec<(&str, &str)> =
            FIELDS.iter().filter_map(|field| Some((*field, kept.filter.get(*field)?.as_str()))).collect();
        let href = format!("/record?{}", query(&pairs));
        let hint = match (kept.own, kept.shared) {
            (false, _) => format!("shared by {}", kept.owner),
            (true, true) => "shared with everyone who reads the record".to_owned(),
            (true, false) => String::new(),
        };
        Self { here: href == here, forget: kept.own.then_some(kept.id), name: kept.name, href, hint }
    }
}

/// In the order of an address, as `Which::href` has them.
const FIELDS: [&str; 9] = ["person", "app", "action", "outcome", "secret", "resource", "trace", "since", "until"];

fn back_to(href: &str) -> Result<Response, Trouble> {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let to = HeaderValue::from_str(href).map_err(|_| Trouble(model::Problem::internal()))?;
    response.headers_mut().insert(header::LOCATION, to);
    Ok(response)
}

/// Keeps what the form searched by.
pub(in crate::pages) async fn save(State(server): State<Arc<Bailiwick>>, visit: Visit) -> Page {
    let which = Which {
        person: visit.asked.field("person"),
        app: visit.asked.field("app"),
        action: visit.asked.field("action"),
        outcome: visit.asked.field("outcome"),
        secret: visit.asked.field("secret"),
        resource: visit.asked.field("resource"),
        trace: visit.asked.field("trace"),
        since: visit.asked.field("since"),
        until: visit.asked.field("until"),
        after: String::new(),
    };
    let filter: BTreeMap<String, String> =
        which.fields().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let seen_by = if visit.asked.field("shared").is_empty() { For::Oneself } else { For::Auditors };
    let id = server.save_query(&visit.asked, &visit.asked.field("name"), seen_by, &filter).await?;
    // As it is kept: names are written as the directory has them.
    let kept = server.queries(&visit.asked).await?.into_iter().find(|query| query.id == id);
    back_to(&kept.map_or_else(|| which.href(&[]), |kept| Kept::new(kept, "").href))
}

/// Forgets one's own.
pub(in crate::pages) async fn forget(
    State(server): State<Arc<Bailiwick>>,
    Path(id): Path<String>,
    visit: Visit,
) -> Page {
    server.forget_query(&visit.asked, &id).await?;
    back_to("/record")
}
