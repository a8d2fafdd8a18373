//! Waivers, on the pages of what they are about: what is waived for an app, by whom, why and until when; what agrees to
//! one, and what ends it.

use super::{
    done::Done,
    parts::{Moment, Said, quoted},
    shell::{Here, Viewer, Visit},
};
use crate::{
    Bailiwick,
    api::WaiverWish,
    page::{Page, last_day},
};
use authority::{AppState, Permit, rules};
use axum::extract::{Path, State};
use catalog::{AppView, Error, ListWaivers, WaiverView};
use model::{Timestamp, WaiverId, WaiverState};
use std::{sync::Arc, time::Duration};

/// A form for a waiver is filled in so: most are for a fault that is mended within a month.
const LIFE: Duration = Duration::from_secs(30 * 86_400);

/// One waiver, as a line.
pub(super) struct Waiver {
    pub(super) id: String,
    pub(super) code: String,
    pub(super) state: &'static str,
    pub(super) active: bool,
    pub(super) by: String,
    /// Nobody but the local credential agreed.
    pub(super) exception: bool,
    /// What whoever agreed has from who deploys the app.
    pub(super) dependence: String,
    pub(super) why: Option<String>,
    pub(super) until: String,
    pub(super) ends: Moment,
    /// Of one that was ended: by whom, and when.
    pub(super) ended: Option<(String, Moment)>,
}

impl Waiver {
    fn new(server: &Bailiwick, waiver: WaiverView, now: Timestamp) -> Self {
        Self {
            ended: waiver.ended_by.as_deref().map(|by| server.actor(by)).zip(Moment::opt(waiver.ended_at, now)),
            id: waiver.id.to_string(),
            state: waiver.state.as_str(),
            active: waiver.state == WaiverState::Active,
            by: server.actor(&waiver.by),
            exception: waiver.exception.is_some(),
            dependence: waiver.dependence.join(", "),
            until: last_day(waiver.until),
            ends: Moment::new(waiver.until, now),
            code: waiver.code,
            why: waiver.why,
        }
    }
}

/// Those of an app, newest first.
pub(super) async fn of(server: &Bailiwick, app: &str) -> Result<Vec<Waiver>, Error> {
    let now = server.clock.now();
    let waivers = server.catalog.waivers_of(app).await?;
    Ok(waivers.into_iter().map(|waiver| Waiver::new(server, waiver, now)).collect())
}

/// Those of all apps that hold something off now, with the names of their apps: those that end first, and how many more
/// there are.
pub(super) async fn active(
    server: &Bailiwick,
    permit: Permit<ListWaivers>,
    most: usize,
) -> Result<(Vec<(String, Waiver)>, usize), Error> {
    let mut active = server.catalog.waivers(permit, None)?;
    active.retain(|waiver| waiver.state == WaiverState::Active);
    active.sort_by_key(|waiver| waiver.until);
    let further = active.len().saturating_sub(most);
    active.truncate(most);
    server.catalog.worded(&mut active).await?;
    let now = server.clock.now();
    let lines = active.into_iter().map(|waiver| (waiver.app.clone(), Waiver::new(server, waiver, now)));
    Ok((lines.collect(), further))
}

/// What the forms on an app's page need.
pub(super) struct May {
    pub(super) grant: bool,
    pub(super) end: bool,
    pub(super) until: String,
    pub(super) command: String,
}

impl May {
    pub(super) fn new(viewer: &Viewer, app: &AppView, now: Timestamp) -> Self {
        let retired = app.environments.last().is_some_and(|env| env.state == AppState::Retired);
        Self {
            grant: !retired && viewer.may(&rules::WAIVER_GRANT, None),
            end: viewer.may(&rules::WAIVER_END, None),
            command: format!("bailiwick waivers grant {} RULE --until DAY --why '…'", quoted(&app.app)),
            until: now.plus(LIFE).to_string().chars().take(10).collect(),
        }
    }
}

pub(super) async fn grant(State(server): State<Arc<Bailiwick>>, Path(name): Path<String>, visit: Visit) -> Page {
    let field = |name| visit.asked.field(name).trim().to_owned();
    let (code, until, why) = (field("code"), field("until"), field("why"));
    let command = format!("bailiwick waivers grant {} {} --until {until} --why '…'", quoted(&name), quoted(&code));
    let wish = WaiverWish { app: name.clone(), code, until, why, ..WaiverWish::default() };
    let granted = server.grant_waiver(&visit.asked, wish).await?;
    let lead = format!(
        "`{}` stops no release of `{name}` until {} is over. It is shown as EXCEPTION, with you and your words, wherever it is found.",
        granted.code,
        last_day(granted.until)
    );
    let done = Done::new(&visit.viewer, Here::Apps, &format!("`{}` is waived for `{name}`", granted.code), lead)
        .below(format!("/apps/{name}"), &*name)
        .link(format!("/apps/{name}#waivers"), format!("Back to {name}"))
        .command(command);
    Ok(done.page())
}

pub(super) async fn end(
    State(server): State<Arc<Bailiwick>>,
    Path((name, id)): Path<(String, String)>,
    visit: Visit,
) -> Page {
    let ended = server.end_waiver(&visit.asked, &WaiverId::new(id.as_str()), &visit.asked.field("why")).await?;
    let lead = "The rule holds again: the next release that breaks it is stopped. What serves now goes on serving.";
    let done = Done::new(&visit.viewer, Here::Apps, &format!("the waiver of `{}` is ended", ended.code), lead)
        .state("ended")
        .below(format!("/apps/{name}"), &*name)
        .lines([Said::new(format!("it was for `{}`", ended.app))])
        .link(format!("/apps/{name}#waivers"), format!("Back to {name}"))
        .command(format!("bailiwick waivers end {id} --why '…'"));
    Ok(done.page())
}
