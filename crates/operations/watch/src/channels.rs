//! The ways by which people are told: mail, and a webhook. Each sends one notice to one recipient, or says why not.
//!
//! They are, besides `broker` and the sign-in provider, the only places from which the server goes out: to the mail server
//! and the address that its operator named. Refuses a recipient, a subject or an address that would begin a line of its own.

mod mail;
mod webhook;

pub use mail::Mail;
pub use webhook::Webhook;

use crate::Notify;
use model::{Problem, ProblemKind};
use rustls_pki_types::CertificateDer;
use std::error::Error;

/// What a far server said is shown to operators, cut to this.
const WHY_MAX_CHARS: usize = 300;

/// One way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Mail,
    Webhook,
}

impl Channel {
    const ALL: [Self; 2] = [Self::Mail, Self::Webhook];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
        }
    }
}

impl std::str::FromStr for Channel {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text).ok_or(())
    }
}

/// Whether trying again could help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// It may go another time.
    No,
    /// It was refused for good.
    Yes,
}

/// A notice that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    pub why: String,
    pub lasts: Lasts,
}

impl Failed {
    pub(crate) fn now(why: impl AsRef<str>) -> Self {
        Self { why: clean(why.as_ref(), WHY_MAX_CHARS), lasts: Lasts::No }
    }

    pub(crate) fn for_good(why: impl AsRef<str>) -> Self {
        Self { why: clean(why.as_ref(), WHY_MAX_CHARS), lasts: Lasts::Yes }
    }
}

/// One line of plain text: nothing that ends a header, moves a terminal or hides.
pub(crate) fn clean(text: &str, most: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() || hides(c) { ' ' } else { c }).take(most).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Marks that turn or hide what is around them (Unicode, Bidi_Control), and line ends that are no controls.
const fn hides(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The ways that the configuration names.
#[derive(Debug, Default)]
pub struct Channels {
    pub mail: Option<Mail>,
    pub webhook: Option<Webhook>,
}

impl Channels {
    /// Trusts the public roots, and what the operator adds (`[broker] ca`).
    ///
    /// # Errors
    /// A certificate that is none.
    pub fn new(notify: &Notify, more: &[CertificateDer<'static>]) -> Result<Self, Problem> {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let mail = notify.smtp.as_ref().map(|smtp| Mail::new(smtp, more)).transpose();
        let webhook = notify.webhook.as_ref().map(|hook| Webhook::new(hook.clone(), more)).transpose();
        Ok(Self { mail: mail.map_err(|error| unusable(&error))?, webhook: webhook.map_err(|error| unusable(&error))? })
    }

    /// Whether anybody can be told of anything.
    pub(crate) const fn are_there(&self) -> bool {
        self.mail.is_some() || self.webhook.is_some()
    }
}

fn unusable(error: &(dyn Error + 'static)) -> Problem {
    tracing::error!(error, "notices cannot be sent");
    Problem::new(
        ProblemKind::Unavailable,
        "notify.unusable",
        "notices cannot be sent",
        "a certificate of `[broker] ca` cannot be used for it",
        "check the certificates that are named there",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_that_is_not_known_is_none() {
        for channel in Channel::ALL {
            assert_eq!(channel.as_str().parse(), Ok(channel));
        }
        for unknown in ["", "Mail", "pager"] {
            assert_eq!(unknown.parse::<Channel>(), Err(()), "{unknown}");
        }
    }

    #[test]
    fn one_line_stays_one_line() {
        assert_eq!(clean("a\r\nBcc: x@y\u{2028}c\u{202e}d\te", 99), "a Bcc: x@y c d e");
        assert_eq!(clean("abcdef", 3), "abc");
    }
}
