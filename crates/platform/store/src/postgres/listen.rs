//! Direct connections: one that listens for the feed's notices, one for each session lock.

use super::{ANSWER, Postgres, UNHEARD, errors::write_error, tls::MakeTls, values};
use crate::{Row, StoreError, Value, sql};
use futures_util::{StreamExt, stream};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::task::{AbortHandle, JoinHandle};
use tokio_postgres::{AsyncMessage, Client, error::SqlState, types::ToSql};

/// How long after a lost connection the next is tried; readers poll meanwhile.
const RECONNECT: Duration = Duration::from_millis(500);
/// How often whoever holds a lock shows that it lives. With `UNHEARD` it is below what `sql::END_SILENT` says, so that a
/// holder who is not heard gives up before the server gives the lock to another.
const ALIVE_EVERY: Duration = Duration::from_secs(2);

/// Wakes the feed's readers when another node has changed something. Ends with the store.
pub(crate) async fn listen(postgres: Weak<Postgres>) {
    loop {
        let Some(strong) = postgres.upgrade() else {
            return;
        };
        let (config, tls) = (strong.config.clone(), strong.tls.clone());
        drop(strong);
        if let Err(error) = hear(&config, tls, &postgres).await {
            tracing::warn!(%error, "listening for changes was interrupted");
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn hear(config: &tokio_postgres::Config, tls: MakeTls, postgres: &Weak<Postgres>) -> Result<(), StoreError> {
    let (client, mut connection) = config.connect(tls).await.map_err(write_error)?;
    let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
    let started = client.batch_execute(sql::LISTEN);
    tokio::pin!(started);
    let mut listening = false;
    loop {
        tokio::select! {
            done = &mut started, if !listening => {
                done.map_err(write_error)?;
                listening = true;
                // What was committed while nobody listened.
                wake(postgres);
            }
            message = messages.next() => match message {
                Some(Ok(AsyncMessage::Notification(_))) => wake(postgres),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(write_error(error)),
                None => return Ok(()),
            },
        }
        if postgres.strong_count() == 0 {
            return Ok(());
        }
    }
}

fn wake(postgres: &Weak<Postgres>) {
    if let Some(postgres) = postgres.upgrade() {
        postgres.fed.send_modify(|count| *count += 1);
    }
}

/// A lock that lives as long as its own connection: leadership. The server frees it when the node is gone, and when it is
/// silent: a process that is stopped keeps its connection, and would lead for ever.
#[derive(Debug)]
pub(crate) struct SessionLock {
    client: Arc<Client>,
    connection: JoinHandle<()>,
    showing: Option<JoinHandle<()>>,
}

impl SessionLock {
    /// `None` when another session holds it.
    pub(crate) async fn take(postgres: &Postgres, name: &str) -> Result<Option<Self>, StoreError> {
        let taken = tokio::time::timeout(ANSWER, Self::ask(postgres, name)).await;
        taken.unwrap_or_else(|_| Err(StoreError::unwritable("the database does not answer")))
    }

    async fn ask(postgres: &Postgres, name: &str) -> Result<Option<Self>, StoreError> {
        let (client, connection) = postgres.config.connect(postgres.tls.clone()).await.map_err(write_error)?;
        let connection = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a leader's connection ended");
            }
        });
        let mut lock = Self { client: Arc::new(client), connection, showing: None };
        let row = lock.client.query_one(sql::TRY_LEAD, &[&name]).await.map_err(write_error)?;
        if !row.try_get::<_, bool>(0).map_err(write_error)? {
            return Ok(None);
        }
        // Before PostgreSQL 14 there is no such setting: then the connection's end alone frees it.
        if let Err(error) = lock.client.batch_execute(sql::END_SILENT).await
            && error.code() != Some(&SqlState::UNDEFINED_OBJECT)
        {
            return Err(write_error(error));
        }
        lock.showing = Some(tokio::spawn(show(Arc::clone(&lock.client), lock.connection.abort_handle())));
        Ok(Some(lock))
    }

    pub(crate) fn is_held(&self) -> bool {
        !self.client.is_closed()
    }
}

/// Shows that the holder lives, until nobody answers: then it does not hold the lock any more.
async fn show(client: Arc<Client>, connection: AbortHandle) {
    loop {
        tokio::time::sleep(ALIVE_EVERY).await;
        let asked = tokio::time::timeout(UNHEARD, client.batch_execute(sql::ALIVE)).await;
        if !matches!(asked, Ok(Ok(()))) {
            tracing::warn!("the database does not answer a leader; it leads no more");
            connection.abort();
            return;
        }
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        if let Some(showing) = &self.showing {
            showing.abort();
        }
        self.connection.abort();
    }
}

/// A connection for one purpose, outside the pools.
#[derive(Debug)]
pub(crate) struct Direct {
    client: Client,
    connection: JoinHandle<()>,
}

impl Direct {
    pub(crate) async fn open(postgres: &Postgres) -> Result<Self, StoreError> {
        let (client, connection) = postgres.config.connect(postgres.tls.clone()).await.map_err(write_error)?;
        let connection = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a direct connection ended");
            }
        });
        Ok(Self { client, connection })
    }

    /// One statement, committed by itself; the row that it gave. Whoever calls bounds the wait.
    pub(crate) async fn query_one(&self, sql: &'static str, params: &[Value]) -> Result<Option<Row>, StoreError> {
        Value::check(params)?;
        let params = params.iter().map(|value| value as &(dyn ToSql + Sync)).collect::<Vec<_>>();
        self.client.query_opt(sql, &params).await.map_err(write_error)?.as_ref().map(values::row).transpose()
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
