//! Direct connections: one that listens for the feed's notices, one for each session lock.

use super::{Postgres, errors::write_error, tls::MakeTls, values};
use crate::{Row, StoreError, Value, sql};
use futures_util::{StreamExt, stream};
use std::{sync::Weak, time::Duration};
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, types::ToSql};

/// How long after a lost connection the next is tried; readers poll meanwhile.
const RECONNECT: Duration = Duration::from_millis(500);

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

/// A lock that lives as long as its own connection: leadership. The server frees it when the node is gone.
#[derive(Debug)]
pub(crate) struct SessionLock {
    client: Client,
    connection: JoinHandle<()>,
}

impl SessionLock {
    /// `None` when another session holds it.
    pub(crate) async fn take(postgres: &Postgres, name: &str) -> Result<Option<Self>, StoreError> {
        let (client, connection) = postgres.config.connect(postgres.tls.clone()).await.map_err(write_error)?;
        let connection = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a leader's connection ended");
            }
        });
        let lock = Self { client, connection };
        let row = lock.client.query_one(sql::TRY_LEAD, &[&name]).await.map_err(write_error)?;
        Ok(row.try_get::<_, bool>(0).map_err(write_error)?.then_some(lock))
    }

    pub(crate) fn is_held(&self) -> bool {
        !self.client.is_closed()
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
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
