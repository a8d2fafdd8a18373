//! From a notice to those who are told: deliveries are made of it, one for each person and way. Whoever did the act is not
//! told of it.

use super::{channels::Channel, sql, warn::people_in, words::text};
use crate::{Error, Watch};
use authority::Role;
use model::{Env, PersonId, RequestId, SecretId};
use std::collections::BTreeSet;
use store::{FreeWrite, Notice, NoticeKind, StoreError, Table, params};

const DELIVERY: FreeWrite = FreeWrite::new(Table::NoticeDeliveries, sql::INSERT_DELIVERY);
const SPREAD: FreeWrite = FreeWrite::new(Table::Notices, sql::SPREAD);
/// The column of a notice that says when its event was.
const AT: usize = 9;
/// A team with more people reads of it elsewhere.
const PEOPLE_MAX: usize = 200;
/// The one receiver of the webhook.
pub(super) const WEBHOOK: &str = "webhook";

impl Watch {
    /// Makes deliveries of every notice that has none yet.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) async fn spread_notices(&self) -> Result<usize, Error> {
        let (mut at, mut event, mut count) = (i64::MIN, String::new(), 0);
        loop {
            let rows = self.store.read(sql::TO_SPREAD, params![&self.tenant, at, event.as_str()]).await?;
            for row in &rows {
                (at, event) = (row.int(AT)?, row.text(0)?.to_owned());
                // One that cannot be read, as of a newer version's kind, holds up no other, however many there are.
                let spread = match Notice::read(row, 0) {
                    Ok(notice) => self.spread(&notice).await,
                    Err(error) => Err(error.into()),
                };
                match spread {
                    Ok(()) => count += 1,
                    Err(error) => {
                        tracing::error!(error = &error as &dyn std::error::Error, "a notice could not be spread");
                    }
                }
            }
            if rows.is_empty() {
                return Ok(count);
            }
        }
    }

    async fn spread(&self, notice: &Notice) -> Result<(), Error> {
        let people = self.told_of(notice).await?;
        let now = self.clock.now();
        let row = |channel: Channel, recipient: &str| {
            let key = params![&self.tenant, &notice.event, notice.kind.as_str(), channel.as_str(), recipient, now];
            (DELIVERY, key.to_vec())
        };
        let mut batch = Vec::new();
        if self.channels.mail.is_some() {
            batch.extend(people.iter().take(PEOPLE_MAX).map(|person| row(Channel::Mail, person.as_str())));
        }
        if self.channels.webhook.is_some() {
            batch.push(row(Channel::Webhook, WEBHOOK));
        }
        batch.push((SPREAD, params![&self.tenant, &notice.event, notice.kind.as_str(), now].to_vec()));
        Ok(self.store.housekeeping().batch(&batch).await?)
    }

    /// Who is told.
    async fn told_of(&self, notice: &Notice) -> Result<BTreeSet<PersonId>, Error> {
        let operators = || self.with_role(Role::Operator);
        let mut people = match notice.kind {
            NoticeKind::Waits if notice.action == "role.ask" => operators(),
            NoticeKind::Waits => &operators() | &self.with_role(Role::Reviewer),
            NoticeKind::Decided => self.who_asked(notice).await?.into_iter().collect(),
            NoticeKind::Expires => return Ok(people_in(&notice.detail)),
            // A new link, which ended every session of theirs.
            NoticeKind::Revoked if notice.action == "person.add" => BTreeSet::from([about(notice)]),
            NoticeKind::Revoked => &operators() | &self.who_answered_for(notice).await?,
            NoticeKind::Joined | NoticeKind::Alarm => operators(),
        };
        if let Some(by) = &notice.by {
            people.remove(by);
        }
        people.retain(|person| self.is_here(person));
        Ok(people)
    }

    async fn who_asked(&self, notice: &Notice) -> Result<Option<PersonId>, Error> {
        if let Some(id) = notice.resource.strip_prefix("role_request/") {
            return Ok(Some(self.identity.role_request(&RequestId::new(id)).await?.person));
        }
        let key = params![&self.tenant, text(notice, "request")];
        let row = self.store.read_one(sql::REQUESTER, key).await?;
        let requester = row.map(|row| row.opt_text(0).map(|id| id.map(PersonId::new))).transpose();
        Ok(requester?.flatten())
    }

    /// Owner and team of what was cut.
    async fn who_answered_for(&self, notice: &Notice) -> Result<BTreeSet<PersonId>, StoreError> {
        let (owner, team) = match (&notice.app, notice.action.as_str()) {
            (_, "secret.revoke") => {
                let id = SecretId::new(text(notice, "secret"));
                let env: Env = text(notice, "env").parse().unwrap_or(Env::Prod);
                let row = self.store.read_one(sql::SECRET_OWNER, params![&self.tenant, &id, env]).await?;
                let owner = row.map(|row| row.text(0).map(str::to_owned)).transpose()?;
                self.who_keeps(&id, &owner.unwrap_or_default())
            }
            (Some(app), _) => {
                let row = self.store.read_one(sql::DEPLOYER, params![&self.tenant, app]).await?;
                let owner = row.map(|row| row.opt_text(0).map(|id| id.map(PersonId::new))).transpose()?.flatten();
                (owner, self.team_of(app))
            }
            (None, _) => (None, None),
        };
        let mut people = team.map(|team| self.members(&team)).unwrap_or_default();
        people.extend(owner);
        Ok(people)
    }
}

/// Whom it is about.
pub(super) fn about(notice: &Notice) -> PersonId {
    match text(notice, "person") {
        "" => PersonId::new(notice.resource.trim_start_matches("person/")),
        id => PersonId::new(id),
    }
}
