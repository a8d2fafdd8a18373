//! The rows, in the order of the table.

mod acts;
mod decision;
mod deploy;
mod entrance;
mod fleet;
mod growth;
mod idle;
mod nodes;
mod overload;
mod record;
mod request;
mod revoke;
mod verify;

use crate::{arguments::Effort, report::Line};
use futures_util::future::BoxFuture;

/// One row, which may hold several promises.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) work: &'static str,
    pub(crate) measure: fn(Effort) -> BoxFuture<'static, Vec<Line>>,
}

pub(crate) const ALL: &[Row] = &[
    Row {
        name: "request",
        work: "a request, from the socket to a fresh instance",
        measure: |e| Box::pin(request::measure(e)),
    },
    Row { name: "gateway", work: "the way as far as the sandbox", measure: |e| Box::pin(entrance::measure(e)) },
    Row { name: "acts", work: "audited acts of 64 writers", measure: |e| Box::pin(acts::measure(e)) },
    Row { name: "decision", work: "a decision, and a kept one", measure: |e| Box::pin(decision::measure(e)) },
    Row { name: "deploy", work: "start, first deploy, next deploys", measure: |e| Box::pin(deploy::measure(e)) },
    Row { name: "revoke", work: "revoke, from asked to last byte", measure: |e| Box::pin(revoke::measure(e)) },
    Row { name: "verify", work: "an export, verified with no server", measure: |e| Box::pin(verify::measure(e)) },
    Row { name: "growth", work: "a record of millions of events", measure: |e| Box::pin(growth::measure(e)) },
    Row { name: "nodes", work: "two nodes on one database", measure: |e| Box::pin(nodes::measure(e)) },
    Row { name: "overload", work: "twice the load", measure: |e| Box::pin(overload::measure(e)) },
    Row { name: "fleet", work: "thousands of apps", measure: |e| Box::pin(fleet::measure(e)) },
    Row { name: "record", work: "searches of a million events", measure: |e| Box::pin(record::measure(e)) },
    Row { name: "idle", work: "a server at rest", measure: |e| Box::pin(idle::measure(e)) },
];
