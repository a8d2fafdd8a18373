//! What a notice says: what happened, why it comes to this person, what to do, and where. The same words in mail, on the
//! page and in the webhook, which has ids in the place of people.
//!
//! Refuses free text of people: a reason, a purpose or an address that the recipient may not see has no way in here.
//! Names of apps, secrets and groups are what manifests let them be.

use super::{alarms, endings::Thing, spread::about};
use crate::Watch;
use authority::AppRef;
use jiff::tz::TimeZone;
use model::{AppId, Env, PersonId, Said, Timestamp};
use serde_json::{Value, json};
use std::fmt::Write as _;
use store::{Notice, NoticeKind};

/// How people are spoken of: a name is an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum People {
    Named,
    /// Where what is said leaves the platform: the webhook.
    ById,
}

/// A notice in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words {
    /// One line; backticks around the user's words.
    pub(crate) subject: String,
    pub(crate) what: String,
    /// Why it comes to whoever reads it.
    pub(crate) why: &'static str,
    pub(crate) next: String,
    /// The page of the console where it can be done.
    pub(crate) link: String,
}

impl Words {
    /// Plain text: lines that are short enough for a terminal are not promised, sentences are.
    pub(crate) fn text(&self) -> String {
        let plain = |text: &str| text.replace('`', "");
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{}\n\n{}\n{}\n\n{}.\n\n-- \nBailiwick\n",
            Said::sentence(&self.what).plain(),
            Said::sentence(&plain(&self.next)).plain(),
            self.link,
            Said::sentence(self.why).plain()
        );
        text
    }

    /// The same as a page of paragraphs: nothing is fetched when it is read.
    pub(crate) fn html(&self) -> String {
        let link = Said::new(self.link.as_str());
        format!(
            "<!doctype html><html lang=\"en\"><body style=\"font-family:system-ui,sans-serif;line-height:1.5;max-width:36em\">\
             <p><strong>{}</strong></p><p>{}</p><p><a href=\"{link}\">{link}</a></p><p style=\"color:#666\">{}.</p></body></html>",
            Said::sentence(&self.what),
            Said::sentence(&self.next),
            Said::sentence(self.why)
        )
    }

    /// What the webhook gets. Ids and links; whoever may see more opens the page.
    pub(crate) fn json(&self, notice: &Notice) -> Value {
        json!({
            "type": format!("notice.{}", notice.kind.as_str()),
            "timestamp": notice.at,
            "data": {
                "event": notice.event, "action": notice.action, "app_id": notice.app, "env": notice.env,
                "resource": notice.resource, "person_id": notice.by, "exception": notice.exception,
                "subject": self.subject, "what": self.what, "next": self.next, "link": self.link,
            },
        })
    }
}

/// A day as people write it, by UTC: `1 December 2026`.
fn day(at: Timestamp) -> String {
    at.to_jiff().to_zoned(TimeZone::UTC).strftime("%-d %B %Y").to_string()
}

/// `within 1 day`, `within 7 days`: as warned.
fn within(days: i64) -> String {
    if days == 1 { "within 1 day".to_owned() } else { format!("within {days} days") }
}

pub(super) fn text<'a>(notice: &'a Notice, field: &str) -> &'a str {
    notice.detail.get(field).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn time(notice: &Notice, field: &str) -> Timestamp {
    text(notice, field).parse().unwrap_or(notice.at)
}

impl Watch {
    /// What a notice says, to whoever is told.
    pub(crate) fn words(&self, notice: &Notice, people: People) -> Words {
        match notice.kind {
            NoticeKind::Waits => self.words_of_waiting(notice, people),
            NoticeKind::Decided => self.words_of_decision(notice),
            NoticeKind::Expires => self.words_of_ending(notice, people),
            NoticeKind::Revoked => self.words_of_cut(notice, people),
            NoticeKind::Joined => self.words_of_joining(notice, people),
            NoticeKind::Alarm => self.words_of_alarm(notice),
        }
    }

    fn link(&self, path: impl AsRef<str>) -> String {
        format!("{}{}", self.public_url, path.as_ref())
    }

    fn person_in(&self, people: People, person: Option<&PersonId>) -> String {
        match (people, person) {
            (People::ById, Some(person)) => person.to_string(),
            (People::Named, _) | (_, None) => self.identity.name_of(person),
        }
    }

    fn app_name(&self, app: Option<&AppId>) -> String {
        let Some(app) = app else { return String::new() };
        self.names.app(app).map_or_else(|| app.to_string(), |name| name.to_string())
    }

    fn release(&self, notice: &Notice) -> String {
        let number = notice.detail.get("release").and_then(Value::as_u64).unwrap_or_default();
        let env = notice.env.map_or("prod", Env::as_str);
        format!("release {number} of `{}` to {env}", self.app_name(notice.app.as_ref()))
    }

    fn words_of_waiting(&self, notice: &Notice, people: People) -> Words {
        let who = self.person_in(people, notice.by.as_ref());
        if notice.action == "role.ask" {
            let (role, until) = (text(notice, "role"), day(time(notice, "until")));
            return Words {
                subject: format!("someone asks for the role `{role}`"),
                what: format!("`{who}` asks for the role `{role}`, until {until}."),
                why: "this comes to you because operators decide who has a role",
                next: "give it or refuse it; the reason stands on the page.".to_owned(),
                link: self.link("/roles"),
            };
        }
        if notice.action == "app.restore" {
            let name = self.app_name(notice.app.as_ref());
            return Words {
                subject: format!("`{name}` waits for your yes"),
                what: format!(
                    "`{who}` wants `{name}` to serve again. The yes of before no longer holds, so a second person decides."
                ),
                why: "this comes to you because reviewers and operators decide requests",
                next: "see what it may touch, then approve it or send it back.".to_owned(),
                link: self.link(format!("/requests/{}", text(notice, "request"))),
            };
        }
        let release = self.release(notice);
        let tier = text(notice, "tier");
        Words {
            subject: format!("`{}` waits for your yes", self.app_name(notice.app.as_ref())),
            what: format!("`{who}` asks for {release}. It is of {tier} tier, so a second person decides."),
            why: "this comes to you because reviewers and operators decide requests",
            next: "see what it may touch and what changes, then approve it or send it back.".to_owned(),
            link: self.link(format!("/requests/{}", text(notice, "request"))),
        }
    }

    fn words_of_decision(&self, notice: &Notice) -> Words {
        let why = "this comes to you because you asked for it";
        match notice.action.as_str() {
            "role.grant" => Words {
                subject: format!("you have the role `{}`", text(notice, "role")),
                what: format!("you have the role `{}` until {}.", text(notice, "role"), day(time(notice, "until"))),
                why,
                next: "it ends by itself; ask again if you need it for longer.".to_owned(),
                link: self.link("/me"),
            },
            "role.refuse" => Words {
                subject: "the role that you asked for was refused".to_owned(),
                what: "the role that you asked for was refused.".to_owned(),
                why,
                next: "talk to an operator if you need it for something else.".to_owned(),
                link: self.link("/me"),
            },
            action => {
                let (release, name) = (self.release(notice), self.app_name(notice.app.as_ref()));
                let link = self.link(format!("/requests/{}", text(notice, "request")));
                if action == "release.approve" {
                    let what = format!("{release} was approved, and serves now.");
                    let next = "see who decided, and what the app may touch.".to_owned();
                    Words { subject: format!("`{name}` was approved"), what, why, next, link }
                } else {
                    let what = format!("{release} was sent back. What serves now goes on serving.");
                    let next = "read the words of whoever decided, mend it, and deploy again.".to_owned();
                    Words { subject: format!("`{name}` was sent back"), what, why, next, link }
                }
            }
        }
    }

    fn words_of_ending(&self, notice: &Notice, people: People) -> Words {
        let days = notice.detail.get("days").and_then(Value::as_i64).unwrap_or_default();
        let ends = time(notice, "ends_at");
        let thing = Thing::parse(text(notice, "thing"));
        let named = thing.as_ref().map_or_else(|| "something".to_owned(), |thing| self.thing_in(people, thing));
        let after = thing.as_ref().map_or("", Thing::after);
        let rung = notice.detail.get("rung").and_then(Value::as_i64);
        let next = match &thing {
            Some(Thing::App(_)) => "deploy it again with a later `expires`, or say that it may end.",
            Some(Thing::Removal(_)) => {
                "deploy the app again with a later `expires`, and its data stays; nothing else keeps it."
            }
            // Whoever answers for a secret may not put it: operators do.
            Some(Thing::Secret { .. }) if matches!(rung, Some(0 | 1)) => {
                "ask an operator to put it anew with a later date, or say that it may end."
            }
            Some(Thing::Secret { .. }) => "put the value anew with a later date, or say that it may end.",
            Some(Thing::Role { .. }) => "ask for it again if it is still needed.",
            Some(Thing::Waiver { .. }) => "mend what is waived, or ask a reviewer for another waiver.",
            Some(Thing::Certificate(_)) => {
                "put a new certificate where `[server] tls` says; it is read without a restart."
            }
            None => "look at it.",
        };
        let why = match rung {
            Some(0) => "this comes to you because you answer for it",
            Some(1) => "this comes to you because your team answers for it, and nobody has taken it on yet",
            _ => "this comes to you because you are an operator, and nobody else has taken it on",
        };
        let how = if matches!(thing, Some(Thing::Removal(_))) { "is deleted" } else { "ends" };
        Words {
            subject: format!("{named} {how} {}", within(days)),
            what: format!("{named} {how} on {}. {after}", day(ends)),
            why,
            next: format!("{next} Take it on here, and nobody else is asked:"),
            link: self.link(format!("/notices/{}", notice.event)),
        }
    }

    /// A thing, as a sentence begins with it.
    pub(crate) fn named_thing(&self, thing: &Thing) -> String {
        self.thing_in(People::Named, thing)
    }

    fn thing_in(&self, people: People, thing: &Thing) -> String {
        match thing {
            Thing::App(AppRef { id, env: Env::Prod }) => format!("the app `{}`", self.app_name(Some(id))),
            Thing::App(AppRef { id, env }) => format!("the app `{}` ({env})", self.app_name(Some(id))),
            Thing::Secret { id, env } => format!("the secret `{id}` ({env})"),
            Thing::Role { person, role } => format!("the role `{role}` of `{}`", self.person_in(people, Some(person))),
            Thing::Waiver { app, code } => format!("the waiver of `{code}` for `{app}`"),
            Thing::Certificate(_) => "the certificate of this server".to_owned(),
            Thing::Removal(id) => format!("the data of the app `{}`", self.app_name(Some(id))),
        }
    }

    fn words_of_cut(&self, notice: &Notice, people: People) -> Words {
        let by = notice
            .by
            .as_ref()
            .map_or_else(|| "this machine".to_owned(), |by| format!("`{}`", self.person_in(people, Some(by))));
        let why = "this comes to you because you deployed it, are in its team, or are an operator";
        match notice.action.as_str() {
            "secret.revoke" => {
                let id = text(notice, "secret");
                Words {
                    subject: format!("the secret `{id}` was revoked"),
                    what: format!("{by} made the secret `{id}` ({}) unusable.", text(notice, "env")),
                    why: "this comes to you because you answer for it, are in its team, or are an operator",
                    next: "whoever needs it puts a new value; then what was approved with it works again.".to_owned(),
                    link: self.link(format!("/secrets/{id}")),
                }
            }
            "person.add" => Words {
                subject: "a new sign-in link was made for you".to_owned(),
                what: format!("{by} made a new link that signs in as you. Where you were signed in, you are no more."),
                why: "this comes to you because whoever holds the link is you",
                next: "if you did not ask for it, tell an operator at once.".to_owned(),
                link: self.link("/me"),
            },
            "person.disable" => {
                let person = about(notice);
                let name = self.person_in(people, Some(&person));
                Words {
                    subject: format!("the account `{name}` was switched off"),
                    what: format!("{by} switched the account `{name}` off. Its sessions, tokens and links ended."),
                    why: "this comes to you because operators see every change of who is here",
                    next: "see what the person answered for: apps and secrets may need another owner.".to_owned(),
                    link: self.link(format!("/people/{person}")),
                }
            }
            "app.expire" => self.words_of_suspension(notice),
            action => {
                let name = self.app_name(notice.app.as_ref());
                let link = self.link(format!("/apps/{name}"));
                if action == "app.remove" {
                    let what = format!(
                        "nobody deployed `{name}` again in the time after its date. What it kept and the values of its secrets were deleted; its name stays taken."
                    );
                    let next = format!("see what was deleted: `bailiwick app {name} --json` shows the certificate.");
                    Words { subject: format!("the data of `{name}` was deleted"), what, why, next, link }
                } else {
                    let what = format!("{by} switched `{name}` off. Everything that it held was cut.");
                    let next = "see the receipt and the reason. An operator can restore it.".to_owned();
                    Words { subject: format!("`{name}` was switched off"), what, why, next, link }
                }
            }
        }
    }

    /// With the day on which its data goes, when no other environment serves.
    fn words_of_suspension(&self, notice: &Notice) -> Words {
        let why = "this comes to you because you deployed it, are in its team, or are an operator";
        let (name, env) = (self.app_name(notice.app.as_ref()), notice.env.map_or("prod", Env::as_str));
        let link = self.link(format!("/apps/{name}"));
        let subject = format!("`{name}` was suspended on its date");
        if text(notice, "removed_from").is_empty() {
            let what = format!("`{name}` ({env}) reached its date and was suspended: requests are refused.");
            let next = "deploy it again with a later `expires`, or retire it.".to_owned();
            return Words { subject, what, why, next, link };
        }
        let from = day(time(notice, "removed_from"));
        let what = format!(
            "`{name}` ({env}) reached its date and was suspended: requests are refused. It ends for good on {from}: its data and the values of its secrets are deleted, and its name stays taken."
        );
        let next = "deploy it again with a later `expires` before that day to keep them, or retire it now.".to_owned();
        Words { subject, what, why, next, link }
    }

    fn words_of_joining(&self, notice: &Notice, people: People) -> Words {
        let person = about(notice);
        let named = ["role", "groups", "join"].into_iter().find_map(|field| notice.detail.get(field));
        let groups: Vec<&str> = match named {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => vec![one],
            _ => vec![],
        };
        let groups: Vec<String> = groups.into_iter().map(|group| format!("`{group}`")).collect();
        let name = self.person_in(people, Some(&person));
        Words {
            subject: format!("`{name}` joined {}", groups.join(", ")),
            what: format!(
                "`{name}` joined {}, by `{}`.",
                groups.join(", "),
                self.person_in(people, notice.by.as_ref())
            ),
            why: "this comes to you because operators see who joins a group that carries a role",
            next: "if that should not be, change the groups of the person.".to_owned(),
            link: self.link(format!("/people/{person}")),
        }
    }

    fn words_of_alarm(&self, notice: &Notice) -> Words {
        let why = "this comes to you because you are an operator";
        let copies = notice.detail.get("copies").and_then(Value::as_u64).unwrap_or_default();
        let mut words = match notice.action.as_str() {
            "release.approve" => Words {
                subject: format!("EXCEPTION: `{}` was approved by break-glass", self.app_name(notice.app.as_ref())),
                what: format!("{} was approved past the rule of a second person.", self.release(notice)),
                why,
                next: "see what it may touch, and switch it off if it should not be.".to_owned(),
                link: self.link(format!("/requests/{}", text(notice, "request"))),
            },
            "waiver.grant" => {
                let (code, name) = (text(notice, "code"), text(notice, "name"));
                Words {
                    subject: format!("EXCEPTION: `{code}` was waived for `{name}` by break-glass"),
                    what: format!("the rule `{code}` was waived for `{name}`, past the rule of a second person."),
                    why,
                    next: "see why, and end the waiver if it should not be.".to_owned(),
                    link: self.link(format!("/apps/{name}")),
                }
            }
            action @ ("provider.on" | "provider.off" | "links.switch") => {
                let who = self.identity.name_of(notice.by.as_ref());
                let (what, to) = match action {
                    "provider.on" => ("single sign-on, as it is set up now,", "on"),
                    "provider.off" => ("single sign-on", "off"),
                    _ => ("one-time links", text(notice, "links")),
                };
                Words {
                    subject: "how people sign in was changed".to_owned(),
                    what: format!("`{who}` switched {what} {to}.{}", sessions_over(notice)),
                    why,
                    next: "see who can sign in now, and switch it back if you do not know of it.".to_owned(),
                    link: self.link("/people/sign-in"),
                }
            }
            action => {
                let name = if action == "alarm.raise" { text(notice, "alarm") } else { action };
                alarms::said(name, text(notice, "node")).words(why, self.link("/notices"))
            }
        };
        if copies > 0 {
            let times = if copies == 1 { "once".to_owned() } else { format!("{copies} times") };
            words.what = format!("{} It came again {times} since this was told last.", words.what);
        }
        words
    }
}

/// What a switch ended, where it ended anything.
fn sessions_over(notice: &Notice) -> String {
    match notice.detail.get("sessions_ended").and_then(Value::as_u64) {
        None | Some(0) => String::new(),
        Some(1) => " One session that began there is over.".to_owned(),
        Some(many) => format!(" {many} sessions that began there are over."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_escaped_where_they_are_read() {
        let words = Words {
            subject: "x".to_owned(),
            what: "`<b>` ends.".to_owned(),
            why: "this comes to you",
            next: "look at `it`.".to_owned(),
            link: "http://localhost:7070/x?a=1&b=2".to_owned(),
        };
        insta::assert_snapshot!(words.text(), @r"
        <b> ends.

        Look at it.
        http://localhost:7070/x?a=1&b=2

        This comes to you.

        -- 
        Bailiwick
        ");
        let html = words.html();
        assert!(html.contains("<code>&lt;b&gt;</code> ends.") && html.contains("a=1&amp;b=2\">"), "{html}");
    }
}
