//! Where the provider sends browsers back to: a try has an address of its own.
//!
//! INVARIANT: what a provider gives for one address is redeemed from that address alone (RFC 6749, section 4.1.3). An
//! issuer that is only tried could lead the browser on to the provider in force and be handed what that one gives: it is
//! refused here, and worth nothing there.

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackAt {
    /// From the provider in force.
    SignIn,
    /// From one that an operator tries.
    Try,
}

impl BackAt {
    /// Under the console's address.
    pub(super) fn under(self, public_url: &str) -> String {
        let path = match self {
            Self::SignIn => "/sign-in/provider/back",
            Self::Try => "/sign-in/provider/try",
        };
        format!("{public_url}{path}")
    }
}
