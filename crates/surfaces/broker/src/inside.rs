//! Names that never leave the process: `data.bailiwick`, `assets.bailiwick`, `self.bailiwick`.
//!
//! Whoever answers is told which instance asks; nothing that the guest sends says so. Refuses every such name that
//! nobody has registered, and `bailiwick-*` headers from the guest.

use crate::{
    Broker,
    body::Body,
    destination::{Destination, Scheme},
    headers, refusal,
};
use authority::Instance;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use model::Problem;
use std::{collections::HashMap, sync::Arc};

/// Answers for one of the platform's own names.
pub trait Inside: Send + Sync {
    fn answer(&self, instance: &Instance, request: Request<Body>) -> BoxFuture<'static, Response<Body>>;
}

impl Broker {
    /// Registers who answers for `host`, a name that ends in `.bailiwick`. The last registration counts.
    pub fn inside(&self, host: &str, answers: Arc<dyn Inside>) {
        self.insides.rcu(|all| {
            let mut next = HashMap::clone(all);
            next.insert(host.to_owned(), Arc::clone(&answers));
            next
        });
    }

    pub(crate) async fn answer_inside(
        &self,
        instance: &Instance,
        to: &Destination,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, Problem> {
        let answers = self.insides.load().get(&to.host).cloned();
        let Some(answers) = answers.filter(|_| to.scheme == Scheme::Http && to.port == 80) else {
            return Err(refusal::denied(
                "egress.inside",
                format!("nothing answers at `{}`", to.origin()),
                "names that end in `.bailiwick` are the platform's own",
                "call `http://data.bailiwick`, `http://assets.bailiwick` or `http://self.bailiwick`",
            ));
        };
        headers::enter(request.headers_mut(), to)?;
        let mut response = answers.answer(instance, request).await;
        headers::strip_hop_by_hop(response.headers_mut());
        Ok(response)
    }
}
