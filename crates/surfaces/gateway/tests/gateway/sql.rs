//! Statements of this suite.

pub(crate) const CUT_AT: &str = "SELECT cut_at FROM gateway_routes";
