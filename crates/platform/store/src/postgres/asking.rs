//! A reading connection while its answer is waited for. When nobody waits any more the server is told to stop, and only
//! then does the connection go back to the others: whoever took it next would wait for what nobody wants.

use super::{CONNECT, tls::MakeTls};
use deadpool_postgres::Object;
use tokio::runtime::Handle;

pub(super) struct Asking {
    /// Gone once it was answered.
    client: Option<Object>,
    tls: MakeTls,
}

impl Asking {
    pub(super) const fn new(client: Object, tls: MakeTls) -> Self {
        Self { client: Some(client), tls }
    }

    pub(super) const fn client(&self) -> Option<&Object> {
        self.client.as_ref()
    }

    /// Nothing is under way any more.
    pub(super) fn answered(mut self) -> Option<Object> {
        self.client.take()
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let (Some(client), Ok(runtime)) = (self.client.take(), Handle::try_current()) else { return };
        let tls = self.tls.clone();
        runtime.spawn(async move {
            let cancelled = tokio::time::timeout(CONNECT, client.cancel_token().cancel_query(tls)).await;
            if !matches!(cancelled, Ok(Ok(()))) {
                // It runs on, for as long as the server lets it, and keeps nobody from a connection.
                drop(Object::take(client));
            }
        });
    }
}
