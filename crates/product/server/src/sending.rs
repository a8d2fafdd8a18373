//! Who sends the files of an app, and what they send.
//!
//! Refuses, before a byte of it is kept, whoever may deploy nothing at all, and what does not fit beside the bundles that
//! are held at this moment.

use crate::{
    Bailiwick,
    reply::Refusal,
    turns::Turn,
    who::{Asked, Known, pass_by},
};
use authority::{Act, Caller, Permit, Rule, Target, rules};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use model::{Problem, TenantId};
use std::sync::Arc;

/// A bundle, with room for what surrounds it.
const BUNDLE_MAX_BYTES: usize = catalog::UPLOAD_MAX_BYTES + (1 << 20);

/// Send files of which nobody knows yet what app they are.
#[derive(Debug)]
pub(crate) struct SendFiles {
    tenant: TenantId,
}

impl Act for SendFiles {
    const RULE: &'static Rule = &rules::APP_SEND;
    fn target(&self) -> Target {
        Target::new(self.tenant.clone(), "app/new")
    }
}

/// A request that brings the files of an app, from somebody who may.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) asked: Asked,
    pub(crate) held: Held,
}

/// That they may, and a place for what they sent, for as long as it is there.
#[derive(Debug)]
pub(crate) struct Held {
    _may: Permit<SendFiles>,
    _place: Turn,
}

impl FromRequest<Arc<Bailiwick>> for Sending {
    type Rejection = Refusal;

    async fn from_request(request: Request, server: &Arc<Bailiwick>) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let known = Known::of(server, &parts).await?;
        match place(server, &known.caller).await {
            Ok(held) => {
                let asked = known.sends(server, &parts, body, BUNDLE_MAX_BYTES).await?;
                Ok(Self { asked, held })
            }
            Err(problem) => {
                pass_by(body, BUNDLE_MAX_BYTES).await;
                known.leave(&parts, Bytes::new());
                Err(Refusal(problem))
            }
        }
    }
}

async fn place(server: &Bailiwick, caller: &Caller) -> Result<Held, Problem> {
    let may = server.permit(caller, SendFiles { tenant: server.tenant.clone() }).await?;
    Ok(Held { _may: may, _place: server.turns.held(caller).await? })
}
