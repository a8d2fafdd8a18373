//! What gateway and catalog ask of identity: sessions, tokens and codes of apps; where an approver's say comes from.

use async_trait::async_trait;
use authority::{AppRef, Authority, Caller, Origin, Who};
use catalog::{VouchedFrom, Voucher, Vouchers};
use gateway::{Redeemed, SignIns, SignedIn, Unremembered};
use identity::{EndSession, Identity, Place, Session, SignIn};
use model::{Problem, SessionId, TenantId};
use std::sync::Arc;

pub(crate) struct ByIdentity {
    pub(crate) identity: Arc<Identity>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) tenant: TenantId,
}

impl ByIdentity {
    fn signed_in(&self, session: &Session) -> SignedIn {
        SignedIn { caller: caller(&self.tenant, session), expires_at: session.expires_at }
    }
}

/// The person of a session, as a caller.
pub(crate) fn caller(tenant: &TenantId, session: &Session) -> Caller {
    let (id, single_sign_on) = (session.person.clone(), session.is_single_sign_on());
    let who = Who::Person { id, session: session.id.clone(), factor: session.factor, single_sign_on };
    Caller::new(tenant.clone(), who)
}

/// What the catalog asks of identity: where an approver's say comes from.
pub(crate) struct Vouching(pub(crate) Arc<Identity>);

impl Vouchers for Vouching {
    fn vouchers(&self, caller: &Caller) -> Vec<Voucher> {
        let Some(vouched) = self.0.vouched(caller) else { return vec![] };
        let of = |what: VouchedFrom| move |by: String| Voucher { what, by };
        let account = vouched.account.into_iter().map(of(VouchedFrom::Account));
        let roles = vouched.roles.into_iter().map(of(VouchedFrom::Role));
        let links = vouched.links.into_iter().map(of(VouchedFrom::Link));
        account.chain(roles).chain(links).collect()
    }
}

#[async_trait]
impl SignIns for ByIdentity {
    fn remembered(&self, cookie: &str, app: &AppRef) -> Result<Option<SignedIn>, Unremembered> {
        let found = self.identity.remembered(cookie, &Place::App(app.clone()));
        found.map(|session| session.map(|session| self.signed_in(&session))).map_err(|_| Unremembered)
    }

    async fn session(&self, cookie: &str, app: &AppRef) -> Option<SignedIn> {
        let session = self.identity.session(cookie, &Place::App(app.clone())).await;
        match session {
            Ok(session) => session.map(|session| self.signed_in(&session)),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a session could not be looked up");
                None
            }
        }
    }

    fn goes_on(&self, session: &SessionId) -> bool {
        self.identity.goes_on(session)
    }

    fn bearer(&self, token: &str, app: &AppRef) -> Result<SignedIn, Box<Problem>> {
        let session = self.identity.check_person_token(token, app).map_err(|error| Box::new(Problem::from(&error)))?;
        Ok(self.signed_in(&session))
    }

    async fn redeem(
        &self,
        app: &AppRef,
        code: &str,
        binding: &str,
        device: Option<&str>,
        origin: Origin,
    ) -> Result<Redeemed, Problem> {
        let say = |error: &identity::Error| Problem::from(error);
        let parent = self.identity.code_session(code).await.map_err(|error| say(&error))?;
        let caller = caller(&self.tenant, &parent).from(origin);
        let act = SignIn { tenant: self.tenant.clone(), app: app.clone() };
        let permit = self.authority.permit(&caller, act).await?;
        let redeemed =
            self.identity.redeem(permit, &parent, code, binding, device).await.map_err(|error| say(&error))?;
        Ok(Redeemed {
            cookie: redeemed.session.token.expose().to_owned(),
            return_to: redeemed.return_to,
            expires_at: redeemed.session.session.expires_at,
        })
    }

    async fn sign_out(&self, cookie: &str, app: &AppRef, origin: Origin) -> Result<(), Problem> {
        let found = self.identity.session(cookie, &Place::App(app.clone())).await;
        let Some(session) = found.map_err(|error| Problem::from(&error))? else { return Ok(()) };
        let caller = caller(&self.tenant, &session).from(origin);
        let act = EndSession { tenant: self.tenant.clone(), session: session.id.clone() };
        let permit = self.authority.permit(&caller, act).await?;
        self.identity.end_session(permit).await.map(drop).map_err(|error| Problem::from(&error))
    }
}
