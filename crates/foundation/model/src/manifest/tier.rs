//! How much care an app needs, from what its manifest asks; every reason is said, and nothing else counts.

use super::{Manifest, Profile, measure};
use crate::{Class, Tier};
use serde::Serialize;
use std::time::Duration;

/// A low-tier app keeps personal data this long at most.
pub const LOW_TIER_RETAIN_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Why an app is not of a lower tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TierReason {
    pub tier: Tier,
    /// In plain words: 'it reaches `slack.com`'.
    pub why: String,
}

impl Manifest {
    /// The highest tier that any line asks for; low without any.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.tier_reasons().iter().map(|reason| reason.tier).max().unwrap_or(Tier::Low)
    }

    /// Every reason for more than low, the highest first. Empty for a low-tier app.
    #[must_use]
    pub fn tier_reasons(&self) -> Vec<TierReason> {
        let mut reasons = Vec::new();
        let mut because = |tier, why: String| reasons.push(TierReason { tier, why });
        if self.app.class >= Class::Confidential {
            because(Tier::High, format!("it handles `{}` data", self.app.class));
        }
        for (collection, kept) in &self.data {
            for (name, field) in kept.fields.iter().filter(|(_, field)| field.class >= Class::Confidential) {
                because(Tier::High, format!("`{collection}.{name}` is `{}`", field.class));
            }
        }
        for path in &self.access.public {
            because(Tier::High, format!("strangers may reach `{path}`"));
        }
        for (name, connect) in &self.connect {
            because(Tier::Medium, format!("it reaches `{}` (`{name}`)", connect.endpoint()));
        }
        for host in &self.browser.hosts {
            because(Tier::Medium, format!("its pages reach `{host}`"));
        }
        for secret in self.secrets.values() {
            because(Tier::Medium, format!("it uses the secret `{}`", secret.id));
        }
        for (collection, kept) in &self.data {
            let personal = kept.fields.values().any(|field| field.class >= Class::Personal);
            if personal && kept.retain > LOW_TIER_RETAIN_MAX {
                let span = measure::duration_words(kept.retain);
                because(Tier::Medium, format!("it keeps personal data in `{collection}` for {span}"));
            }
        }
        if self.runtime.profile == Profile::External {
            because(Tier::Medium, "it runs outside the platform: governed, not contained".to_owned());
        }
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.tier));
        reasons
    }
}
