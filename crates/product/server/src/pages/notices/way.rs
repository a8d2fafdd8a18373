//! The way on from a warning that something ends: what happens then, what to do, and where, for whoever looks.
//!
//! Refuses to lead to a page that its reader may not open.

use crate::{
    Bailiwick,
    pages::{parts::Tab, shell::Viewer},
};
use authority::{AppRef, rules};
use model::{Env, Group, PersonId, SecretId};
use watch::{Thing, Warning};

pub(super) struct Way {
    pub(super) after: &'static str,
    /// One sentence, or two.
    pub(super) next: String,
    pub(super) links: Vec<Tab>,
}

impl Way {
    pub(super) fn on(server: &Bailiwick, viewer: &Viewer, warning: &Warning) -> Self {
        let thing = warning.about();
        let after = thing.as_ref().map_or("", Thing::after);
        let (next, links) = match &thing {
            Some(Thing::App(app)) => of_app(server, viewer, app),
            Some(Thing::Removal(id)) => of_app(server, viewer, &AppRef { id: id.clone(), env: Env::Prod }),
            Some(Thing::Secret { id, env }) => of_secret(viewer, id, *env),
            Some(Thing::Role { person, role }) => of_role(viewer, person, role),
            Some(Thing::Waiver { app, code }) => of_waiver(server, viewer, app, code),
            Some(Thing::Certificate(_)) => (
                "put a new certificate where `[server] tls` of the configuration says; it is read without a restart."
                    .to_owned(),
                vec![],
            ),
            None => ("ask an operator what it is.".to_owned(), vec![]),
        };
        Self { after, next, links }
    }
}

type Next = (String, Vec<Tab>);

fn of_app(server: &Bailiwick, viewer: &Viewer, app: &AppRef) -> Next {
    let found = server.catalog.name_of(&app.id).and_then(|name| {
        let (_, team) = server.catalog.find(&name).ok()?;
        Some((name, team))
    });
    let Some((name, team)) = found else { return ("deploy it again, or let it end.".to_owned(), vec![]) };
    let mut links = vec![];
    let deploys = viewer.may(&rules::APP_DEPLOY, Some(&team));
    // What is changed in the page goes to `prod`.
    if app.env == Env::Prod && deploys && viewer.may(&rules::APP_SOURCE, Some(&team)) {
        links.push(Tab::new(format!("/apps/{name}/edit"), format!("Edit {name}"), false));
    }
    if viewer.may(&rules::APP_SEE, Some(&team)) {
        links.push(Tab::new(format!("/apps/{name}"), format!("What {name} is now"), false));
    }
    let next = if deploys {
        "deploy it again with a later `expires` in its `bailiwick.toml`, or let it end.".to_owned()
    } else {
        format!(
            "ask a builder of its team, `{team}`, to deploy it again with a later `expires` in its `bailiwick.toml`, or let it end."
        )
    };
    (next, links)
}

fn of_secret(viewer: &Viewer, id: &SecretId, env: Env) -> Next {
    let mut links = vec![];
    let puts = viewer.may(&rules::SECRET_PUT, None);
    if puts {
        links.push(Tab::new("/secrets#put", "Put it anew", false));
    }
    if viewer.may(&rules::SECRET_LIST, None) {
        links.push(Tab::new(format!("/secrets/{id}"), "What it is now", false));
    }
    let next = if puts {
        format!(
            "put `{id}` anew for {env}, with a later date and the same hosts, or let it end. What was approved with it stays approved."
        )
    } else {
        "ask an operator to put it anew with a later date, or let it end.".to_owned()
    };
    (next, links)
}

fn of_role(viewer: &Viewer, person: &PersonId, role: &Group) -> Next {
    let roles = vec![Tab::new("/roles", "Roles", false)];
    let next = if *person == viewer.id {
        format!("ask for the role `{role}` again if you still need it, or let it end.")
    } else {
        format!("whoever has the role `{role}` asks for it again, and an operator gives it. Or let it end.")
    };
    (next, roles)
}

fn of_waiver(server: &Bailiwick, viewer: &Viewer, app: &str, code: &str) -> Next {
    let seen = server.catalog.find(app).is_ok_and(|(_, team)| viewer.may(&rules::APP_SEE, Some(&team)));
    let links = if seen {
        vec![Tab::new(format!("/apps/{app}#waivers"), format!("What is waived for {app}"), false)]
    } else {
        vec![]
    };
    let next = if viewer.may(&rules::WAIVER_GRANT, None) {
        format!("see to it that what breaks `{code}` is mended, or agree to another waiver until a later day.")
    } else {
        format!("mend what breaks `{code}`, or ask a reviewer for another waiver.")
    };
    (next, links)
}
