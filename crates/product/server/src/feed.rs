//! Keeps this node's memory fresh: what the change feed names is read again, then authority's facts are replaced.

use crate::{Bailiwick, jobs::survived};
use authority::{Facts, change};
use futures_util::StreamExt;
use model::{PersonId, Problem, SessionId};
use std::sync::{Arc, Weak};
use store::{Change, EPOCH_CHANGED};
use tokio::sync::Notify;

/// Between two tries to follow a change.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(250);

impl Bailiwick {
    /// Reads everything, at start and whenever the feed was lost.
    pub(crate) async fn load_all(&self) -> Result<(), Problem> {
        self.identity.load_all().await.map_err(|error| Problem::from(&error))?;
        self.catalog.load_apps().await.map_err(|error| Problem::from(&error))?;
        self.vault.load_all().await.map_err(|error| Problem::from(&error))?;
        self.data.load_all().await.map_err(|error| Problem::from(&error))?;
        self.broker.load_all().await.map_err(|error| unread(&error))?;
        self.gateway.load_all().await.map_err(|error| unread(&error))?;
        self.replace_facts().await
    }

    /// Puts people and apps into authority, under an epoch that is not newer than they are.
    pub(crate) async fn replace_facts(&self) -> Result<(), Problem> {
        // The epoch first: what is read after it is at least as new, so newer facts never pass for older ones.
        let epoch = self.store.epoch(&self.tenant).await.map_err(|error| error.problem())?;
        self.identity.refresh_people("").await.map_err(|error| Problem::from(&error))?;
        self.catalog.load_apps().await.map_err(|error| Problem::from(&error))?;
        self.put_facts(epoch);
        Ok(())
    }

    /// An epoch began. Which apps and which people it is about, the feed has said before it: only they were read again.
    async fn follow_epoch(&self, key: &str) -> Result<(), Problem> {
        // A node of an older version says no more than that there is one.
        let Ok(epoch) = key.parse() else { return self.replace_facts().await };
        self.put_facts(epoch);
        Ok(())
    }

    fn put_facts(&self, epoch: u64) {
        let facts = Facts { epoch, people: self.identity.people_facts(), apps: self.catalog.app_facts() };
        self.authority.replace(&self.tenant, facts);
    }

    async fn apply(&self, change: Change) -> Result<(), Problem> {
        match change {
            Change::ReloadEverything { .. } => {
                self.doubt().await?;
                self.load_all().await
            }
            Change::Changed { kind, key, .. } => match kind.as_str() {
                EPOCH_CHANGED => self.follow_epoch(&key).await,
                change::PEOPLE => self.identity.refresh_people(&key).await.map_err(|error| Problem::from(&error)),
                change::SIGN_IN => self.identity.sign_in_changed(&key).await.map_err(|error| Problem::from(&error)),
                change::WAIVERS => self.catalog.load_waivers().await.map_err(|error| Problem::from(&error)),
                change::SESSION => {
                    self.identity.session_ended(&SessionId::new(key));
                    Ok(())
                }
                change::SESSION_CHANGED => {
                    let read = self.identity.refresh_session(&SessionId::new(key)).await;
                    read.map_err(|error| Problem::from(&error))
                }
                change::SESSIONS_OF => {
                    self.identity.sessions_of_ended(&PersonId::new(key));
                    Ok(())
                }
                change::APP | change::SECRET => match change::app_of(&key) {
                    Some(app) => self.catalog.follow(&app).await.map_err(|error| Problem::from(&error)),
                    None => self.catalog.load_apps().await.map_err(|error| Problem::from(&error)),
                },
                // The word of a newer version. INVARIANT: what is confirmed is done, as far as this one can do it.
                _ => self.load_all().await,
            },
        }
    }

    /// Follows the feed from `position` until the server is gone; and looks again at what the store came to doubt while it
    /// ran, by itself, so that no two look at once.
    pub(crate) fn follow(self: &Arc<Self>, position: u64) -> impl Future<Output = ()> + Send + 'static {
        self.ready.followed.reached(position);
        let mut changes = self.store.subscribe(&self.tenant, position);
        let (server, doubted): (Weak<Self>, _) = (Arc::downgrade(self), self.store.doubted());
        async move {
            loop {
                let change = tokio::select! {
                    change = changes.next() => change,
                    () = doubted.notified() => {
                        if look_again(&server, &doubted).await.is_none() { return }
                        continue;
                    }
                };
                let Some(change) = change else { return };
                if do_as_said(&server, &doubted, change).await.is_none() {
                    return;
                }
            }
        }
    }
}

/// Until it is done. INVARIANT: what was not done is not confirmed, and nothing later overtakes it. `None` when the server
/// is gone.
async fn do_as_said(server: &Weak<Bailiwick>, doubted: &Notify, change: Change) -> Option<()> {
    let (Change::Changed { position, .. } | Change::ReloadEverything { position }) = change;
    loop {
        let strong = server.upgrade()?;
        match survived("feed", strong.apply(change.clone())).await {
            Ok(()) => {
                strong.ready.followed.reached(position);
                strong.nodes.confirm(position);
                return Some(());
            }
            Err(problem) => tracing::error!(%problem, "memory is behind the database; it is tried again"),
        }
        drop(strong);
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            // What cannot be read may be of another history.
            () = doubted.notified() => look_again(server, doubted).await?,
        }
    }
}

/// `None` when the server is gone.
async fn look_again(server: &Weak<Bailiwick>, doubted: &Notify) -> Option<()> {
    let server = server.upgrade()?;
    if let Err(problem) = survived("doubt", server.doubt()).await {
        tracing::error!(%problem, "the database is in doubt, and could not be compared; it is tried again");
        doubted.notify_one();
        tokio::time::sleep(AGAIN).await;
    }
    Some(())
}

fn unread(error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::error!(error, "memory could not be read from the database");
    Problem::internal()
}
