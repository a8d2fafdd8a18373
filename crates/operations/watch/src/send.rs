//! Deliveries: sent when they are due, tried again ever later, given up after the last time. At least once: whoever sends
//! counts up first, so that two senders do not send one, and a sender that crashed in between is followed by another try.
//!
//! Refuses to send to an account that is switched off.

use super::{
    acts::TestNotices,
    channels::{Channel, Failed, Lasts},
    sql,
    words::{People, Words},
};
use crate::{Error, Watch};
use authority::Permit;
use futures_util::{StreamExt, stream};
use model::{PersonId, Timestamp};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;
use store::{FreeWrite, Notice, Outcome, Row, StoreError, Table, params};

const CLAIM: FreeWrite = FreeWrite::new(Table::NoticeDeliveries, sql::CLAIM);
const END: FreeWrite = FreeWrite::new(Table::NoticeDeliveries, sql::END);
const LATER: FreeWrite = FreeWrite::new(Table::NoticeDeliveries, sql::LATER);
const PRUNE_DELIVERIES: FreeWrite = FreeWrite::new(Table::NoticeDeliveries, sql::PRUNE_DELIVERIES);
const PRUNE_NOTICES: FreeWrite = FreeWrite::new(Table::Notices, sql::PRUNE_NOTICES);

const MINUTE_SECS: u64 = 60;
const HOUR_SECS: u64 = 3_600;
/// How long after each failure it is tried again: a mail server may be away over a night and a day. After the last of
/// these it is given up.
const AGAIN_AFTER_SECS: [u64; 7] =
    [30, 2 * MINUTE_SECS, 10 * MINUTE_SECS, HOUR_SECS, 4 * HOUR_SECS, 12 * HOUR_SECS, 24 * HOUR_SECS];
/// Up to a fifth more, so that what failed together does not come back together.
const JITTER: u64 = 5;
/// Sent at once: a mail server that is slow does not hold up the others.
const AT_ONCE: usize = 4;
/// How long it stays known what was sent to whom. The events stay.
const KEPT: Duration = Duration::from_secs(180 * 86_400);

/// When it is tried again after `failures`, or that it is not.
fn again_after(failures: u64, random: u64) -> Option<Duration> {
    let index = usize::try_from(failures.checked_sub(1)?).ok()?;
    let secs = AGAIN_AFTER_SECS.get(index)?;
    let jitter = random % (secs / JITTER + 1);
    Some(Duration::from_secs(secs + jitter))
}

struct Delivery {
    notice: Notice,
    channel: Channel,
    recipient: String,
    /// How often it was tried before.
    attempts: u64,
}

impl Delivery {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            notice: Notice::read(row, 0)?,
            channel: row.parse(10, "a channel")?,
            recipient: row.text(11)?.to_owned(),
            attempts: row.uint(12)?,
        })
    }

    /// The same however often it is tried.
    fn id(&self) -> String {
        match self.channel {
            Channel::Webhook => format!("{}.{}", self.notice.event, self.notice.kind.as_str()),
            Channel::Mail => format!("{}.{}.{}", self.notice.event, self.notice.kind.as_str(), self.recipient),
        }
    }
}

/// How a test went, by one way.
#[derive(Debug, Clone, Serialize)]
pub struct Tested {
    pub channel: &'static str,
    pub to: String,
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Watch {
    /// Sends what is due; how many were tried.
    ///
    /// # Errors
    /// When deliveries cannot be read. One that cannot be sent is no error here: its row says why.
    pub(crate) async fn send_due(&self) -> Result<usize, Error> {
        let rows = self.store.read(sql::DUE, params![&self.tenant, self.clock.now()]).await?;
        let sending = rows.into_iter().map(|row| self.due(row));
        let ended: Vec<Result<(), StoreError>> = stream::iter(sending).buffer_unordered(AT_ONCE).collect().await;
        let count = ended.len();
        ended.into_iter().collect::<Result<(), _>>()?;
        Ok(count)
    }

    async fn due(&self, row: Row) -> Result<(), StoreError> {
        match Delivery::read(&row) {
            Ok(delivery) => self.deliver(delivery).await,
            Err(error) => self.put_off(&row, &error).await,
        }
    }

    /// One that cannot be read, as of a newer version's way, is sent nowhere, holds up no other, and is looked at again
    /// in an hour.
    async fn put_off(&self, row: &Row, error: &StoreError) -> Result<(), StoreError> {
        tracing::error!(%error, "a notice that is due cannot be read; it waits for an hour");
        let later = self.clock.now().plus(Duration::from_secs(HOUR_SECS));
        let (event, kind, channel, recipient) = (row.text(0)?, row.text(1)?, row.text(10)?, row.text(11)?);
        let key = params![&self.tenant, event, kind, channel, recipient, later, "this version cannot read it"];
        self.store.housekeeping().execute(LATER, key).await.map(drop)
    }

    async fn deliver(&self, delivery: Delivery) -> Result<(), StoreError> {
        let random = u64::from_le_bytes(seal::random_bytes());
        let tried = delivery.attempts + 1;
        let again = again_after(tried, random);
        let now = self.clock.now();
        // After a crash in between: as after a failure; once more where it was the last.
        let later = now.plus(again.unwrap_or(Duration::from_secs(HOUR_SECS)));
        let key = |more: &[store::Value]| {
            let notice = &delivery.notice;
            let channel = delivery.channel.as_str();
            let mut key =
                params![&self.tenant, &notice.event, notice.kind.as_str(), channel, &delivery.recipient].to_vec();
            key.extend_from_slice(more);
            key
        };
        let store = self.store.housekeeping();
        if store.execute(CLAIM, &key(params![delivery.attempts, later])).await? != 1 {
            return Ok(());
        }
        let ended = match self.send(&delivery).await {
            Ok(()) => store.execute(END, &key(params!["sent", self.clock.now(), None::<&str>])).await,
            Err(Failed { why, lasts }) => {
                tracing::warn!(event = %delivery.notice.event, channel = delivery.channel.as_str(), tried, why, "a notice was not taken");
                match again.filter(|_| lasts == Lasts::No) {
                    Some(again) => store.execute(LATER, &key(params![self.clock.now().plus(again), why])).await,
                    None => store.execute(END, &key(params!["failed", self.clock.now(), why])).await,
                }
            }
        };
        ended.map(drop)
    }

    async fn send(&self, delivery: &Delivery) -> Result<(), Failed> {
        match delivery.channel {
            Channel::Mail => {
                let person = self.identity.person(&PersonId::new(&*delivery.recipient));
                let Some(person) = person.filter(|person| person.enabled) else {
                    return Err(Failed::for_good("the account is switched off or gone"));
                };
                let Some(mail) = &self.channels.mail else { return Err(not_set_up()) };
                let words = self.words(&delivery.notice, People::Named);
                mail.send(&person.email, &delivery.id(), &words).await
            }
            Channel::Webhook => {
                let Some(webhook) = &self.channels.webhook else { return Err(not_set_up()) };
                let words = self.words(&delivery.notice, People::ById);
                webhook.send(&delivery.id(), self.clock.now(), &words.json(&delivery.notice)).await
            }
        }
    }

    /// Sends one to whoever asks, by every way that there is, now; says how each went.
    ///
    /// # Errors
    /// When the record does not take it. A way that does not work is no error here.
    pub async fn test_notices(&self, permit: Permit<TestNotices>) -> Result<Vec<Tested>, Error> {
        let person = permit.caller().person().and_then(|id| self.identity.person(id));
        let event = self.store.record(permit, Outcome::Allowed, serde_json::Value::Null).await?.event;
        let words = Words {
            subject: "a test from Bailiwick".to_owned(),
            what: "this is the notice that you asked for: notices reach you.".to_owned(),
            why: "this comes to you because you sent it to yourself",
            next: "see what was sent to whom:".to_owned(),
            link: format!("{}/notices", self.public_url),
        };
        let mut tested = Vec::new();
        if let Some(mail) = &self.channels.mail {
            let (to, sent) = match person {
                Some(person) => {
                    (person.email.clone(), mail.send(&person.email, &format!("{event}.test"), &words).await)
                }
                // This machine has no address: it is looked whether the mail server lets us in.
                None => (mail.server.clone(), mail.check().await),
            };
            tested.push(tested_by(Channel::Mail, to, sent));
        }
        if let Some(webhook) = &self.channels.webhook {
            let now = self.clock.now();
            let body =
                json!({ "type": "notice.test", "timestamp": now, "data": { "event": event, "what": words.what } });
            let sent = webhook.send(&format!("{event}.test"), now, &body).await;
            tested.push(tested_by(Channel::Webhook, webhook.host(), sent));
        }
        Ok(tested)
    }

    /// Deletes what nobody asks for any more.
    ///
    /// # Errors
    /// As a write.
    pub async fn prune_notices(&self) -> Result<(), Error> {
        let before: Timestamp = self.clock.now().minus(KEPT);
        let key = params![&self.tenant, before].to_vec();
        let batch = [(PRUNE_DELIVERIES, key.clone()), (PRUNE_NOTICES, key)];
        Ok(self.store.housekeeping().batch(&batch).await?)
    }
}

fn tested_by(channel: Channel, to: String, sent: Result<(), Failed>) -> Tested {
    let error = sent.err().map(|failed| failed.why);
    Tested { channel: channel.as_str(), to, ok: error.is_none(), error }
}

fn not_set_up() -> Failed {
    Failed::for_good("`[notify]` does not name this way any more")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_ever_later_and_then_given_up() {
        let after = |failures| again_after(failures, 0).map(|again| again.as_secs());
        let waits: Vec<u64> = (1..).map_while(after).collect();
        assert_eq!(waits, AGAIN_AFTER_SECS);
        assert!(waits.windows(2).all(|pair| pair[0] < pair[1]));
        for random in [0, 7, u64::MAX] {
            let again = again_after(4, random).unwrap().as_secs();
            assert!((HOUR_SECS..=HOUR_SECS + HOUR_SECS / JITTER).contains(&again), "{again}");
        }
        assert_eq!((again_after(0, 0), again_after(8, 0)), (None, None));
    }
}
