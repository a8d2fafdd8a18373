//! The words of the vault's refusals. None of them repeats a value or a placeholder.

use crate::{Destination, entry::Entry};
use authority::Instance;
use model::{Env, Problem, ProblemKind, SecretId};

/// User words in messages are cut to this many characters.
const SHOWN_MAX: usize = 80;

pub(crate) fn shown(text: &str) -> String {
    let mut out: String =
        text.chars().take(SHOWN_MAX).map(|c| if c.is_control() || c == '`' { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        out.push('…');
    }
    out
}

fn invalid(code: &str, what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Invalid, code, what, why, fix)
}

fn unprocessable(code: &str, what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Unprocessable, code, what, why, fix)
}

fn denied(code: &str, what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Denied, code, what, why, fix)
}

pub(crate) fn id(id: &str) -> Problem {
    let why = "an id is the team that it belongs to, `/`, and a name: small letters, digits, `-` and in the name `_`";
    invalid("secret.id", format!("`{}` is not a secret's id", shown(id)), why, "write it as in `people-ops/slack-bot`")
}

pub(crate) fn field(name: &str, why: &str, fix: &str) -> Problem {
    unprocessable("secret.incomplete", format!("the entry needs its `{name}`"), why, fix)
}

pub(crate) fn app_name(name: &str) -> Problem {
    invalid(
        "secret.app",
        format!("`{}` is not an app's name", shown(name)),
        "an app's name is small letters, digits and single `-`",
        "write it as in its `bailiwick.toml`",
    )
}

pub(crate) fn expiry(why: &str) -> Problem {
    unprocessable(
        "secret.expiry",
        "the secret cannot expire on that day",
        why,
        "give `--expires` as a day from today to a year ahead, such as `2027-02-01`",
    )
}

pub(crate) fn host(text: &str) -> Problem {
    let why = "a secret goes to exact hosts alone: no scheme, path, user, wildcard or dot at the end";
    invalid(
        "secret.host",
        format!("`{}` is not a host", shown(text)),
        why,
        "write it as in `--host slack.com`, or with a port as in `rooms.corp.example:8443`",
    )
}

pub(crate) fn attach(text: &str) -> Problem {
    let why = "a value attaches in one plain position, and never where it could change which request is sent";
    let fix = "use `bearer`, `basic`, `header:NAME`, `header:NAME:WORD` or `query:NAME`";
    invalid("secret.attach", format!("`{}` is not a place for a secret", shown(text)), why, fix)
}

pub(crate) fn value(why: &str, fix: &str) -> Problem {
    unprocessable("secret.value", "this value cannot be kept", why, fix)
}

pub(crate) fn unknown(id: &SecretId, env: Env) -> Problem {
    let what = format!("there is no secret `{}` in {env}", shown(id.as_str()));
    Problem::new(
        ProblemKind::NotFound,
        "secret.unknown",
        what,
        "nothing was put under that id in that environment",
        "`bailiwick secret list` shows what there is",
    )
}

pub(crate) fn gone(id: &SecretId, env: Env) -> Problem {
    let what = format!("`{id}` in {env} was revoked");
    Problem::new(
        ProblemKind::Gone,
        "secret.revoked",
        what,
        "its value was deleted, and does not come back",
        format!(
            "ask an operator to run `bailiwick secret put {id} --env {env} --owner {} --purpose WHAT --expires DATE --host HOST`, which asks for the value",
            owner(id)
        ),
    )
}

pub(crate) fn shared(id: &SecretId, other: &str) -> Problem {
    let what = format!("`{id}` belongs to the app `{}`", shown(other));
    let why = "a secret belongs to one app, so that switching one app off touches no other, and each use has one owner";
    Problem::new(
        ProblemKind::Conflict,
        "secret.shared",
        what,
        why,
        "ask the other side for a credential of this app's own, and put it under another id",
    )
}

pub(crate) fn other_team(id: &SecretId, team: &str) -> Problem {
    let why = format!("its id says that it is another team's, and the app is of the team `{team}`");
    denied(
        "secret.not_granted",
        format!("the app may not use `{id}`"),
        why,
        format!("use a secret of the team, such as `{team}/NAME`"),
    )
}

/// The team that an id begins with.
fn owner(id: &SecretId) -> &str {
    id.as_str().split('/').next().unwrap_or("WHO")
}

/// What the guest's code sees: its own variable, its own destination.
pub(crate) struct Use<'a> {
    pub(crate) instance: &'a Instance,
    pub(crate) to: &'a Destination<'a>,
    pub(crate) variable: &'a str,
    pub(crate) id: &'a SecretId,
    /// A last day for a value that is put now.
    pub(crate) until: String,
}

impl Use<'_> {
    fn what(&self) -> String {
        format!("`{}` may not use `{}` towards `{}`", self.instance.name, self.id, shown(self.to.host))
    }

    /// The exact command, and where the app says that it uses this one.
    fn put_again(&self) -> String {
        let Self { instance, to, variable, id, until } = self;
        let (app, env, host, owner) = (&instance.name, instance.app.env, to.host, owner(id));
        format!(
            "ask an operator to run `bailiwick secret put {id} --app {app} --env {env} --owner {owner} --purpose \"{app} calls {host}\" --expires {until} --host {host}`, which asks for the value; `[secrets.{variable}]` of `bailiwick.toml` names it"
        )
    }

    pub(crate) fn not_of_grant(&self) -> Problem {
        let why = format!("the destination does not name `{}` under `secret`", self.variable);
        let (variable, host) = (self.variable, shown(self.to.host));
        let fix = format!(
            "add `secret = \"{variable}\"` to the `[connect]` section of `bailiwick.toml` that has `host = \"{host}\"`, then deploy again"
        );
        denied("secret.not_granted", self.what(), why, fix)
    }

    pub(crate) fn missing(&self) -> Problem {
        let what = format!("`{}` has no value in {}", self.id, self.instance.app.env);
        Problem::new(
            ProblemKind::Conflict,
            "secret.missing",
            what,
            "the app is allowed to use it, and nobody has put it yet",
            self.put_again(),
        )
    }

    pub(crate) fn revoked(&self) -> Problem {
        Problem::new(
            ProblemKind::Gone,
            "secret.revoked",
            self.what(),
            "the secret was revoked, and its value deleted",
            self.put_again(),
        )
    }

    pub(crate) fn expired(&self, entry: &Entry) -> Problem {
        let why = format!("its value was good until {}", entry.expires_at);
        Problem::new(ProblemKind::Gone, "secret.expired", self.what(), why, self.put_again())
    }

    pub(crate) fn changed(&self) -> Problem {
        let why = "its hosts or its position were changed after the app was approved";
        let fix = format!(
            "deploy the app again; a reviewer is asked to agree to the change; `[secrets.{}]` of `bailiwick.toml` names it",
            self.variable
        );
        denied("secret.changed", self.what(), why, fix)
    }

    pub(crate) fn other_host(&self, entry: &Entry) -> Problem {
        let hosts: Vec<String> = entry.hosts.iter().map(|host| format!("`{host}`")).collect();
        let why = format!("the secret goes to {} alone", hosts.join(", "));
        let fix = format!(
            "call that host, or ask an operator to put the secret with this `--host` too; `[secrets.{}]` of `bailiwick.toml` names it",
            self.variable
        );
        denied("secret.wrong_place", self.what(), why, fix)
    }

    pub(crate) fn wrong_place(&self, entry: &Entry) -> Problem {
        let what = format!("the placeholder of `{}` is not where it attaches", self.id);
        let why = format!("it attaches as `{}`, and a placeholder anywhere else is refused", entry.place);
        let (example, variable) = (entry.place.example(self.variable), self.variable);
        let fix = format!("write {example}; `[secrets.{variable}]` of `bailiwick.toml` names the entry");
        denied("secret.wrong_place", what, why, fix)
    }
}

pub(crate) fn odd_placeholder() -> Problem {
    let why = "a call carries one whole placeholder, once, in the position that its secret declares";
    denied(
        "secret.wrong_place",
        "a placeholder stands where none may, more than once, or in part",
        why,
        "put it into its one header or parameter, as it is; the entry that `[secrets]` of `bailiwick.toml` names says which",
    )
}

pub(crate) fn foreign_placeholder() -> Problem {
    let why = "a placeholder is good for the request in which the app was given it, and for nothing else";
    denied(
        "secret.not_granted",
        "this placeholder is unknown here",
        why,
        "take it from `env` each time, by the name of its section under `[secrets]` of `bailiwick.toml`; do not keep it or pass it on",
    )
}
