//! Passkeys are bound to the console's host name for good: a server whose name changed would lock everyone out without
//! a word. It refuses to start instead, until an operator says which.

use crate::Bailiwick;
use authority::Caller;
use identity::ForgetPasskeys;
use model::{Problem, ProblemKind};

impl Bailiwick {
    /// Whether every passkey is of this host name; those of a name that the configuration gives up are deleted first.
    pub(crate) async fn check_passkey_hosts(&self) -> Result<(), Problem> {
        let say = |error: identity::Error| Problem::from(&error);
        if let Some(host) = &self.config.forget_passkeys {
            let elsewhere = self.identity.passkeys_elsewhere().await.map_err(say)?;
            if elsewhere.iter().any(|(old, _)| old == host) {
                let caller = Caller::system("passkeys");
                let act = ForgetPasskeys { tenant: self.tenant.clone(), host: host.clone() };
                let forgotten = self.store.again(|| async {
                    let permit = self.permit(&caller, act.clone()).await?;
                    self.identity.forget_passkeys(permit).await
                });
                let count: u64 = forgotten.await.map_err(say)?;
                tracing::warn!(%host, count, "passkeys of another host name were deleted");
            }
        }
        match self.identity.passkeys_elsewhere().await.map_err(say)?.first() {
            None => Ok(()),
            Some((host, count)) => Err(self.moved(host, *count)),
        }
    }

    fn moved(&self, host: &str, count: i64) -> Problem {
        let now = self.config.control_host();
        Problem::new(
            ProblemKind::Unavailable,
            "passkeys.host",
            format!("{count} passkeys were made for `{host}`, and the console is now at `{now}`"),
            "a passkey works for one host name for ever, so nobody could sign in with theirs",
            format!(
                "put `[server] public_url` back to `{host}`; or, to give those passkeys up, write `forget_passkeys = \"{host}\"` under `[sign_in]` and make new links with `bailiwick people add`"
            ),
        )
        .at("server.public_url")
    }
}
