//! How people sign in.

use super::{View, reach::Reach};
use crate::{
    ink::Tone,
    page::{Cell, Page},
};
use model::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
pub(crate) struct SignInView {
    provider: Option<Provider>,
    draft: Option<Provider>,
    links: Links,
    #[serde(default)]
    left_out: LeftOut,
    register: Register,
}

#[derive(Debug, Deserialize)]
struct Provider {
    issuer: String,
    client_id: String,
    #[serde(default)]
    said_in: String,
    #[serde(default)]
    client_secret: bool,
    #[serde(default)]
    groups: BTreeMap<String, String>,
    #[serde(default)]
    everyone: Vec<String>,
    described: Option<Described>,
    tried_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct Described {
    #[serde(default)]
    warnings: Vec<Warning>,
}

#[derive(Debug, Deserialize)]
struct Warning {
    says: String,
}

#[derive(Debug, Deserialize)]
struct Links {
    on: bool,
    said_in: Option<String>,
}

/// Who has no other way in than a one-time link.
#[derive(Debug, Default, Deserialize)]
struct LeftOut {
    count: usize,
    first: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Register {
    redirect: String,
    /// Where a try comes back; older servers have one address for both.
    try_redirect: Option<String>,
    logout: String,
}

impl Register {
    fn show(&self, page: &mut Page) {
        page.line("to be registered at the provider:");
        for address in [Some(&self.redirect), self.try_redirect.as_ref(), Some(&self.logout)].into_iter().flatten() {
            page.under(address);
        }
    }
}

impl LeftOut {
    fn show(&self, page: &mut Page, links: &Links) {
        let many = match self.count {
            0 => return,
            1 => "one person".to_owned(),
            many => format!("{many} people"),
        };
        let names = self.first.join(", ");
        let names = match self.count.saturating_sub(self.first.len()) {
            0 => names,
            more => format!("{names} and {more} more"),
        };
        let how = if links.on { "would have no way to sign in without links" } else { "cannot sign in" };
        page.line(format!("{many} {how}: {names}"));
    }
}

const fn word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn place(said_in: Option<&str>) -> &'static str {
    if said_in == Some("configuration") { ", set in config.toml: change it there" } else { "" }
}

impl Provider {
    fn facts(&self) -> Vec<(&'static str, Cell)> {
        let mut groups: Vec<String> = self.groups.iter().map(|(there, here)| format!("{there} = {here}")).collect();
        groups.extend(self.everyone.iter().map(|group| format!("everyone = {group}")));
        vec![
            ("issuer", Cell::new(Tone::Strong, self.issuer.as_str())),
            ("client", self.client_id.as_str().into()),
            ("secret", if self.client_secret { "stored" } else { "none: a public client" }.into()),
            ("groups", Cell::or_none(Some(groups.join(", ").as_str()).filter(|text| !text.is_empty()))),
        ]
    }
}

impl View for SignInView {
    fn show(&self, page: &mut Page) {
        let provider = self.provider.as_ref();
        let said_in = provider.map(|provider| provider.said_in.as_str());
        page.line(format!("single sign-on is {}{}", word(provider.is_some()), place(said_in)));
        if let Some(provider) = provider {
            page.facts(provider.facts());
        }
        page.line(format!("one-time links are {}{}", word(self.links.on), place(self.links.said_in.as_deref())));
        self.left_out.show(page, &self.links);
        let Some(draft) = &self.draft else {
            if provider.is_none() {
                page.blank();
                self.register.show(page);
                page.next("bailiwick sign-in set ISSUER --client-id ID");
            }
            return;
        };
        page.blank();
        page.heading("set up, not on");
        page.facts(draft.facts());
        for warning in draft.described.iter().flat_map(|said| &said.warnings) {
            page.under(warning.says.replace('`', ""));
        }
        self.register.show(page);
        match draft.tried_at {
            Some(at) => {
                page.line(format!("tried {}", page.ago(at)));
                page.next("bailiwick sign-in on");
            }
            None => page.line("try it in a browser, on the page *How people sign in*: /people/sign-in"),
        }
    }
}

/// What switching single sign-on off came to.
#[derive(Debug, Deserialize)]
pub(crate) struct SwitchedOff {
    event: String,
    sessions_ended: u64,
    #[serde(default)]
    own: bool,
    links: Option<Links>,
    #[serde(flatten)]
    reach: Reach,
}

impl View for SwitchedOff {
    fn show(&self, page: &mut Page) {
        let nodes = if self.reach.everywhere { "on every node" } else { "on this node" };
        page.line(format!("single sign-on is off, {nodes}"));
        let mut facts: Vec<(&str, Cell)> = vec![
            ("sessions ended", self.sessions_ended.to_string().as_str().into()),
            ("event", self.event.as_str().into()),
        ];
        if let Some(links) = &self.links {
            facts.push(("one-time links", word(links.on).into()));
        }
        page.facts(facts);
        self.reach.show(page);
        if self.own {
            page.line("your own session was among them: sign in again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn what_is_on_and_what_waits() {
        let register = json!({ "redirect": "https://b.example/sign-in/provider/back", "try_redirect": "https://b.example/sign-in/provider/try", "logout": "https://b.example/sign-in/provider/logout" });
        let none = shown::<SignInView>(
            &json!({ "provider": null, "draft": null, "links": { "on": true, "said_in": null }, "register": register }),
        );
        assert!(none.contains("single sign-on is off") && none.contains("one-time links are on"), "{none}");
        assert!(none.contains("provider/back") && none.contains("bailiwick sign-in set"), "{none}");
        assert!(none.contains("provider/try") && !none.contains("no way to sign in"), "{none}");
        let draft = json!({ "said_in": "console", "issuer": "https://login.example", "client_id": "b", "client_secret": true,
            "described": { "warnings": [{ "code": "provider.no_pkce", "says": "It does not say `S256`." }] }, "tried_at": "2026-11-03T11:58:00Z" });
        let waits = shown::<SignInView>(
            &json!({ "provider": null, "draft": draft, "links": { "on": false, "said_in": "configuration" }, "register": register,
                "left_out": { "count": 3, "first": ["a@x.example", "b@x.example"] } }),
        );
        assert!(waits.contains("It does not say S256.") && waits.contains("bailiwick sign-in on"), "{waits}");
        assert!(waits.contains("one-time links are off, set in config.toml"), "{waits}");
        assert!(waits.contains("3 people cannot sign in: a@x.example, b@x.example and 1 more"), "{waits}");
    }
}
