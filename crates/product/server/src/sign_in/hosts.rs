//! What would lock everyone out without a word, so that the server refuses to start instead: another host name, to which
//! no passkey belongs, until an operator says which; and no way in at all.

use crate::Bailiwick;
use authority::Caller;
use identity::{ForgetPasskeys, Links};
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

    /// Whether anybody could sign in: with one-time links switched off, by single sign-on or with a passkey that somebody
    /// has. Else it would lock everyone out, without a word.
    pub(crate) async fn check_ways_in(&self) -> Result<(), Problem> {
        let closed = self.identity.links() == Links::Off && self.identity.provider_host().is_none();
        if !closed || self.identity.anyone_has_a_passkey().await.map_err(|error| Problem::from(&error))? {
            return Ok(());
        }
        Err(Problem::new(
            ProblemKind::Unavailable,
            "links.only_way",
            "with one-time links switched off, nobody could sign in",
            "there is no single sign-on, and nobody who may sign in has a passkey",
            "name your provider: `oidc` under `[sign_in]`; or write `links = true` there, and let people make passkeys first",
        )
        .at("sign_in.links"))
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
