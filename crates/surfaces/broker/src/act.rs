//! The act of calling a destination: what authority and policy judge, and what the event is about.

use crate::grants::Covered;
use authority::{Act, AppRef, Instance, Judged, Rule, Target, rules};
use http::Method;
use model::TenantId;

/// One call (one hop of one), or one that was refused before it was covered by a grant.
#[derive(Debug, Clone)]
pub struct EgressCall {
    tenant: TenantId,
    app: AppRef,
    call: Call,
}

#[derive(Debug, Clone)]
enum Call {
    Granted {
        item: String,
        host: String,
        port: u16,
        method: String,
        grant: String,
        pattern: String,
        attaches: bool,
    },
    /// Its host stands in the event's detail alone: what a guest makes up shall not fill the kept decisions.
    Refused,
}

impl EgressCall {
    pub(crate) fn granted(instance: &Instance, covered: &Covered, method: &Method) -> Self {
        let grant = &covered.grant;
        let call = Call::Granted {
            item: grant.item(),
            host: grant.host.clone(),
            port: grant.port,
            method: method.as_str().to_owned(),
            grant: grant.name.clone(),
            pattern: covered.pattern.clone(),
            attaches: grant.secret.is_some(),
        };
        Self { tenant: instance.caller.tenant.clone(), app: instance.app.clone(), call }
    }

    pub(crate) fn refused(instance: &Instance) -> Self {
        Self { tenant: instance.caller.tenant.clone(), app: instance.app.clone(), call: Call::Refused }
    }

    /// What events of calls to `item` are about; uses are counted by it.
    pub(crate) fn resource(app: &AppRef, item: &str) -> String {
        format!("destination/{}/{item}", app.env)
    }
}

impl Act for EgressCall {
    const RULE: &'static Rule = &rules::EGRESS_CALL;

    fn target(&self) -> Target {
        let item = match &self.call {
            Call::Granted { item, .. } => item.as_str(),
            Call::Refused => "none",
        };
        Target::within(self.tenant.clone(), &self.app, Self::resource(&self.app, item))
    }

    fn facts(&self) -> Judged {
        match &self.call {
            Call::Granted { host, port, method, grant, pattern, attaches, item: _ } => serde_json::json!({
                "host": host, "port": port, "method": method, "grant": grant, "path": pattern, "secret": attaches,
            })
            .into(),
            Call::Refused => Judged::default(),
        }
    }
}
