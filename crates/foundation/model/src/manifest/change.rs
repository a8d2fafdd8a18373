//! What a new manifest may do that the old one might not, and the other way round: the diff that an approver reads.

use super::{Manifest, SurfaceName, difference::Difference, sentences};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Which way authority moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// A new line of authority.
    Added,
    /// An old line reaches further.
    Widened,
    /// An old line reaches less far.
    Narrowed,
    /// A line is gone.
    Removed,
    /// The same authority for another stated reason.
    Reworded,
}

impl ChangeKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Widened => "widened",
            Self::Narrowed => "narrowed",
            Self::Removed => "removed",
            Self::Reworded => "reworded",
        }
    }

    /// Whether the app may do more than before.
    #[must_use]
    pub const fn gives_more(self) -> bool {
        matches!(self, Self::Added | Self::Widened)
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One change of authority, in plain words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub kind: ChangeKind,
    pub surface: SurfaceName,
    pub text: String,
}

/// Endpoint, path and secret → methods: authority by what it reaches, whatever the builder called it.
pub(super) type Reach<'m> = BTreeMap<(String, &'m str, Option<&'m str>), BTreeSet<&'m str>>;

impl Manifest {
    /// All changes of authority from `old` to this one, what gives more first. Empty exactly when
    /// [`Manifest::canonical_json`] is the same.
    #[must_use]
    pub fn changes_from(&self, old: &Self) -> Vec<Change> {
        let mut found = Difference::default();
        app(old, self, &mut found);
        access(old, self, &mut found);
        people_and_pages(old, self, &mut found);
        super::difference::limits(old, self, &mut found);
        super::difference::data(old, self, &mut found);
        vault(old, self, &mut found);
        broker(old, self, &mut found);
        let mut changes = found.changes;
        changes.sort_by_key(|change| (change.kind, change.surface));
        changes
    }

    pub(super) fn reach(&self) -> Reach<'_> {
        let mut reach = Reach::new();
        for connect in self.connect.values() {
            for path in &connect.paths {
                let methods = reach.entry((connect.endpoint(), path.as_str(), connect.secret.as_deref())).or_default();
                methods.extend(connect.methods.iter().map(String::as_str));
            }
        }
        reach
    }

    /// Endpoint → the reasons given for it.
    pub(super) fn reasons(&self) -> BTreeMap<String, BTreeSet<&str>> {
        let mut reasons = BTreeMap::<String, BTreeSet<&str>>::new();
        for connect in self.connect.values() {
            reasons.entry(connect.endpoint()).or_default().insert(connect.why.as_str());
        }
        reasons
    }
}

fn app(old: &Manifest, new: &Manifest, found: &mut Difference) {
    let surface = SurfaceName::Identity;
    let (was, is) = (&old.app, &new.app);
    if (&was.name, &was.team) != (&is.name, &is.team) {
        found.push(ChangeKind::Removed, surface, format!("acts as `{}` of the team `{}`", was.name, was.team));
        found.push(ChangeKind::Added, surface, format!("acts as `{}` of the team `{}`", is.name, is.team));
    }
    let text = format!("may serve until {} (was {})", is.expires, was.expires);
    found.more_is_wider(&was.expires, &is.expires, surface, text);
    // A lower class means weaker protection of the same data.
    found.more_is_narrower(
        &was.class,
        &is.class,
        surface,
        format!("the app's class is `{}` (was `{}`)", is.class, was.class),
    );
    let (was, is) = (old.runtime.profile, new.runtime.profile);
    if was != is {
        let contained = |profile| match profile {
            super::Profile::Static => 0,
            super::Profile::Wasm => 1,
            super::Profile::External => 2,
        };
        let text = format!("the profile is `{}` (was `{}`)", is.as_str(), was.as_str());
        found.more_is_wider(&contained(was), &contained(is), SurfaceName::Gateway, text);
    }
}

fn access(old: &Manifest, new: &Manifest, found: &mut Difference) {
    let gateway = SurfaceName::Gateway;
    let (was, is) = (&old.access, &new.access);
    found.more_is_wider(
        &was.everyone,
        &is.everyone,
        gateway,
        if is.everyone {
            "everyone who is signed in may use it"
        } else {
            "no longer everyone who is signed in may use it"
        },
    );
    let users = |m: &Manifest| m.access.groups.iter().map(|g| format!("people in `{g}` may use it")).collect();
    found.sets(users(old), users(new), gateway);
    let public = |m: &Manifest| m.access.public.iter().map(|p| sentences::public(p.as_str())).collect();
    found.sets(public(old), public(new), gateway);
    let paths = |m: &Manifest| -> BTreeSet<String> { m.access.mfa.iter().map(|p| p.as_str().to_owned()).collect() };
    let (before, after) = (paths(old), paths(new));
    for path in after.difference(&before) {
        found.push(ChangeKind::Narrowed, gateway, sentences::second_factor(path));
    }
    for path in before.difference(&after) {
        found.push(ChangeKind::Widened, gateway, format!("`{path}` no longer needs a second factor"));
    }
    addresses(old, new, found);
}

/// No list means from anywhere.
fn addresses(old: &Manifest, new: &Manifest, found: &mut Difference) {
    let gateway = SurfaceName::Gateway;
    let (was, is) = (&old.access.addresses, &new.access.addresses);
    match (was.is_empty(), is.is_empty()) {
        (false, true) => found.push(ChangeKind::Widened, gateway, "it answers any address"),
        (true, false) => found.push(ChangeKind::Narrowed, gateway, "it answers only the addresses that are named"),
        (true, true) | (false, false) => {
            for net in is.iter().filter(|net| !was.contains(net)) {
                found.push(ChangeKind::Widened, gateway, format!("it answers {net}"));
            }
            for net in was.iter().filter(|net| !is.contains(net)) {
                found.push(ChangeKind::Narrowed, gateway, format!("it no longer answers {net}"));
            }
        }
    }
}

fn people_and_pages(old: &Manifest, new: &Manifest, found: &mut Difference) {
    let gateway = SurfaceName::Gateway;
    let roles = |m: &Manifest| -> BTreeSet<String> {
        let roles = m.access.roles.iter();
        roles.flat_map(|(role, groups)| groups.iter().map(move |g| sentences::has_role(g.as_str(), role))).collect()
    };
    found.sets(roles(old), roles(new), SurfaceName::Identity);
    let hosts = |m: &Manifest| m.browser.hosts.iter().map(|host| sentences::page_reach(host)).collect();
    found.sets(hosts(old), hosts(new), gateway);
    let jobs = |m: &Manifest| m.jobs.iter().map(|(name, job)| sentences::runs(name, job)).collect();
    found.sets(jobs(old), jobs(new), gateway);
}

fn vault(old: &Manifest, new: &Manifest, found: &mut Difference) {
    let secrets =
        |m: &Manifest| m.secrets.iter().map(|(name, s)| sentences::uses_secret(name, s.id.as_str())).collect();
    found.sets(secrets(old), secrets(new), SurfaceName::Vault);
}

fn broker(old: &Manifest, new: &Manifest, found: &mut Difference) {
    let surface = SurfaceName::Broker;
    let (before, after) = (old.reach(), new.reach());
    let (reasons_before, reasons) = (old.reasons(), new.reasons());
    let fresh = |from: &Reach<'_>, to: &Reach<'_>| -> Vec<(String, String)> {
        let mut lines = Vec::new();
        for ((endpoint, path, secret), methods) in to {
            let known = from.get(&(endpoint.clone(), *path, *secret));
            let fresh: Vec<&str> =
                methods.iter().copied().filter(|m| known.is_none_or(|known| !known.contains(m))).collect();
            if !fresh.is_empty() {
                lines.push((endpoint.clone(), sentences::sends(&fresh, endpoint, path, *secret)));
            }
        }
        lines
    };
    for (endpoint, text) in fresh(&before, &after) {
        let why: Vec<&str> = reasons.get(&endpoint).into_iter().flatten().copied().collect();
        found.push(ChangeKind::Added, surface, format!("{text}: {}", why.join("; ")));
    }
    for (_, text) in fresh(&after, &before) {
        found.push(ChangeKind::Removed, surface, text);
    }
    for (endpoint, why) in &reasons {
        if reasons_before.get(endpoint).is_some_and(|was| was != why) {
            let why: Vec<&str> = why.iter().copied().collect();
            found.push(ChangeKind::Reworded, surface, format!("reaches {endpoint}: {}", why.join("; ")));
        }
    }
}
