//! The log of deliveries: what was sent to whom, what was not and why, and when it is tried next. For operators and
//! auditors.

use super::{acts::ListNotices, sql, warn::Warning, words::People};
use crate::{Error, Watch};
use authority::Permit;
use model::{EventId, PersonId, Problem, ProblemKind, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Notice, NoticeKind, Outcome, Row, StoreError, params};
use utoipa::IntoParams;

const LIST_DEFAULT: u32 = 100;
const LIST_MAX: u32 = 1_000;
const STATES: [&str; 3] = ["waiting", "sent", "failed"];

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WhichNotices {
    /// `waiting`, `sent` or `failed`.
    pub state: Option<String>,
    /// `waits`, `decided`, `expires`, `revoked`, `joined` or `alarm`.
    pub kind: Option<String>,
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub after: Option<String>,
}

/// One delivery.
#[derive(Debug, Clone, Serialize)]
pub struct Sent {
    pub event: EventId,
    pub kind: &'static str,
    pub subject: String,
    /// `mail` or `webhook`.
    pub channel: String,
    pub to: String,
    pub state: String,
    pub attempts: u64,
    pub made_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip)]
    cursor: String,
}

/// What the page and the command show.
#[derive(Debug, Clone, Serialize)]
pub struct Notices {
    /// Warnings that nobody has taken on.
    pub warnings: Vec<Warning>,
    pub notices: Vec<Sent>,
    pub next: Option<String>,
    /// By which ways people are told: none, when `[notify]` says nothing.
    pub channels: Vec<String>,
}

impl Watch {
    /// A page of the log, newest first.
    ///
    /// # Errors
    /// A filter or a place that there is not; when the log cannot be read.
    pub async fn sent_notices(&self, permit: Permit<ListNotices>, which: &WhichNotices) -> Result<Notices, Error> {
        self.store.access(permit, Outcome::Allowed, serde_json::Value::Null)?;
        let state = one_of("state", which.state.as_deref(), &STATES)?;
        let kind = one_of("kind", which.kind.as_deref(), &NoticeKind::ALL.map(NoticeKind::as_str))?;
        let (before, key) = place(which.after.as_deref())?;
        let limit = which.limit.unwrap_or(LIST_DEFAULT).clamp(1, LIST_MAX);
        let rows = self.store.read(sql::LOG, params![&self.tenant, state, kind, before, key, limit]).await?;
        let mut notices = Vec::with_capacity(rows.len());
        for row in &rows {
            notices.push(self.sent(row)?);
        }
        let full = u32::try_from(notices.len()).is_ok_and(|count| count >= limit);
        let next = notices.last().filter(|_| full).map(|sent| sent.cursor.clone());
        let warnings = self.open_warnings().await?;
        Ok(Notices { warnings, notices, next, channels: self.ways() })
    }

    /// The ways, in words.
    fn ways(&self) -> Vec<String> {
        let mail = self.channels.mail.as_ref().map(|mail| format!("mail by {}", mail.server));
        let webhook = self.channels.webhook.as_ref().map(|webhook| format!("webhook to {}", webhook.host()));
        mail.into_iter().chain(webhook).collect()
    }

    fn sent(&self, row: &Row) -> Result<Sent, StoreError> {
        let notice = Notice::read(row, 0)?;
        let (channel, recipient, made_at) = (row.text(10)?, row.text(11)?, row.time(14)?);
        let person = self.identity.person(&PersonId::new(recipient));
        let to = match (channel, person) {
            ("webhook", _) => self.channels.webhook.as_ref().map_or_else(|| "webhook".to_owned(), |hook| hook.host()),
            (_, Some(person)) => person.email.clone(),
            (_, None) => "(gone)".to_owned(),
        };
        Ok(Sent {
            cursor: format!("{}/{}/{}/{channel}/{recipient}", made_at.as_ms(), notice.event, notice.kind.as_str()),
            subject: self.words(&notice, People::Named).subject,
            kind: notice.kind.as_str(),
            event: notice.event,
            channel: channel.to_owned(),
            to,
            attempts: row.uint(12)?,
            state: row.text(13)?.to_owned(),
            made_at,
            next_at: row.opt_time(15)?,
            ended_at: row.opt_time(16)?,
            error: row.opt_text(17)?.map(str::to_owned),
        })
    }
}

/// Where the page before ended.
fn place(after: Option<&str>) -> Result<(i64, String), Error> {
    let Some(after) = after else { return Ok((i64::MAX, String::new())) };
    let parsed = after.split_once('/').and_then(|(at, key)| Some((at.parse().ok()?, key.to_owned())));
    parsed.ok_or_else(|| {
        let what = "that is no place in the log of notices";
        let why = "`after` is what `next` of the page before said";
        Error::Refused(Problem::new(ProblemKind::Invalid, "request.after", what, why, "begin again without `after`"))
    })
}

fn one_of<'a>(field: &str, given: Option<&'a str>, all: &[&str]) -> Result<Option<&'a str>, Error> {
    let Some(given) = given.filter(|given| !given.is_empty()) else { return Ok(None) };
    if all.contains(&given) {
        return Ok(Some(given));
    }
    let names: Vec<String> = all.iter().map(|one| format!("`{one}`")).collect();
    let what = format!("`{given}` is not a {field} of notices");
    let fix = format!("use one of {}", names.join(", "));
    Err(Error::Refused(Problem::new(ProblemKind::Invalid, "notice.filter", what, "nothing could have it", fix)))
}
