//! How people sign in: the provider in force, one that is set up and tried before it is switched on, and one-time links.
//!
//! A client secret is asked for and never shown. A try is a whole way to the provider and back, in this browser.

use super::{
    done::Done,
    parts::{Moment, Said},
    shell::{Here, Shell, Visit},
};
use crate::{
    Bailiwick,
    page::{Page, Trouble, html},
    reply::Refusal,
    sign_in::signed_out,
    who::Asked,
};
use askama::Template;
use authority::rules;
use axum::{extract::State, http::HeaderMap, http::StatusCode};
use identity::{
    ClientSecretIs, Described, LeftOut, Links, Method, ProviderView, Register, Returned, SaidIn, SetUpDone, Settings,
    Tried, TryProvider, Would,
};
use model::{Group, Problem, ProblemKind, Timestamp};
use std::{collections::BTreeMap, sync::Arc};

const AT: &str = "/people/sign-in";
const TITLE: &str = "How people sign in";

#[derive(Template)]
#[template(path = "how_people_sign_in.html")]
struct How {
    shell: Shell,
    lead: Said,
    now: Option<Shown>,
    draft: Option<Shown>,
    /// What the form begins with.
    form: Form,
    /// The configuration names the provider: it is changed there.
    configured: bool,
    register: Register,
    links: bool,
    links_configured: bool,
    /// What becomes of people without links.
    without_links: Said,
    /// Whether somebody is left out then.
    anyone_left_out: bool,
    may: bool,
    /// Whoever looks is signed in by it.
    own: bool,
}

/// A provider, in lines.
struct Shown {
    issuer: String,
    client_id: String,
    secret: &'static str,
    groups: Vec<Said>,
    set: Option<(String, Moment)>,
    described: Option<Described>,
    warnings: Vec<Said>,
    digest: String,
    tried: Option<Moment>,
}

#[derive(Default)]
struct Form {
    issuer: String,
    client_id: String,
    has_secret: bool,
    public: bool,
    groups_claim: String,
    groups: String,
    everyone: String,
    second_factor: String,
    scopes: String,
}

impl Form {
    fn of(view: Option<&ProviderView>) -> Self {
        let Some(view) = view else {
            return Self { groups_claim: "groups".to_owned(), second_factor: "mfa".to_owned(), ..Self::default() };
        };
        let groups: Vec<String> = view.groups.iter().map(|(there, here)| format!("{there} = {here}")).collect();
        Self {
            issuer: view.issuer.clone(),
            client_id: view.client_id.clone(),
            has_secret: view.client_secret,
            public: !view.client_secret,
            groups_claim: view.groups_claim.clone(),
            groups: groups.join("\n"),
            everyone: names(&view.everyone),
            second_factor: view.second_factor.join(", "),
            scopes: view.scopes.as_deref().unwrap_or_default().join(" "),
        }
    }
}

fn names(groups: &[Group]) -> String {
    groups.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ")
}

impl Bailiwick {
    fn provider_lines(&self, view: &ProviderView, now: Timestamp) -> Shown {
        let mut groups: Vec<Said> = view
            .groups
            .iter()
            .map(|(there, here)| Said::new(format!("`{}` there is `{here}` here", there.replace('`', ""))))
            .collect();
        if !view.everyone.is_empty() {
            groups.push(Said::new(format!(
                "everyone who signs in there is in `{}`",
                names(&view.everyone).replace(", ", "`, `")
            )));
        }
        Shown {
            issuer: view.issuer.clone(),
            client_id: view.client_id.clone(),
            secret: if view.client_secret { "stored, and never shown" } else { "none: a public client" },
            groups,
            set: view
                .changed_by
                .as_deref()
                .zip(view.changed_at)
                .map(|(by, at)| (self.called(by), Moment::new(at, now))),
            warnings: view
                .described
                .iter()
                .flat_map(|said| &said.warnings)
                .map(|one| Said::new(one.says.as_str()))
                .collect(),
            described: view.described.clone(),
            digest: view.digest.clone().unwrap_or_default(),
            tried: Moment::opt(view.tried_at, now),
        }
    }
}

pub(super) async fn show(State(server): State<Arc<Bailiwick>>, visit: Visit) -> Page {
    let view = server.see_sign_in(&visit.asked).await?;
    let now = server.clock.now();
    let mut ways = Vec::new();
    if let Some(host) = server.identity.provider_host() {
        ways.push(format!("by single sign-on at `{host}`"));
    }
    if server.identity.passkeys_work() {
        ways.push("with a passkey".to_owned());
    }
    if view.links.on {
        ways.push("by a one-time link".to_owned());
    }
    let page = How {
        shell: visit.viewer.shell(Here::People),
        lead: Said::new(either(&ways)),
        now: view.provider.as_ref().map(|provider| server.provider_lines(provider, now)),
        draft: view.draft.as_ref().map(|draft| server.provider_lines(draft, now)),
        form: Form::of(view.draft.as_ref().or(view.provider.as_ref())),
        configured: view.provider.as_ref().is_some_and(|provider| provider.said_in == SaidIn::Configuration),
        register: view.register,
        links: view.links.on,
        without_links: Said::new(without_links(&view.left_out, if view.links.on { Links::On } else { Links::Off })),
        anyone_left_out: view.left_out.count > 0,
        links_configured: view.links.said_in == Some(SaidIn::Configuration),
        may: visit.viewer.may(&rules::PROVIDER_DRAFT, None),
        own: visit.asked.session.as_ref().is_some_and(|session| session.method == Method::Oidc),
    };
    Ok(html(StatusCode::OK, &page))
}

/// `People sign in with a passkey or by a one-time link.`
fn either(ways: &[String]) -> String {
    match ways {
        [] => "Nobody can sign in.".to_owned(),
        [only] => format!("People sign in {only}."),
        [most @ .., last] => format!("People sign in {} or {last}.", most.join(", ")),
    }
}

/// Who has no way in, or would have none: `2 people`, and their addresses.
fn without_links(left_out: &LeftOut, links: Links) -> String {
    let many = match left_out.count {
        0 => return "Everyone here has another way to sign in.".to_owned(),
        1 => "One person".to_owned(),
        many => format!("{many} people"),
    };
    let names = left_out.first.iter().map(|email| format!("`{email}`")).collect::<Vec<_>>().join(", ");
    let names = match left_out.count.saturating_sub(left_out.first.len()) {
        0 => names,
        more => format!("{names} and {more} more"),
    };
    let without = "no passkey, and their account is not connected with single sign-on";
    match links {
        Links::On => format!(
            "{many} would have no way to sign in without links: {names}. They have {without}. Let them make a passkey on the page `Where I am signed in` before you switch links off; with it they can connect single sign-on too."
        ),
        Links::Off => format!(
            "{many} cannot sign in: {names}. They have {without}. Switch links on, and make them one on the page `People`; signed in by it, they make a passkey."
        ),
    }
}

/// `there = here`, one a line.
fn mapping(text: &str) -> Result<BTreeMap<String, Group>, Problem> {
    let mut groups = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        // The last one: a name there may have one in it, a group here has none.
        let (there, here) = line.rsplit_once('=').ok_or_else(|| unread(line))?;
        groups.insert(there.trim().to_owned(), Group::new(here.trim()));
    }
    Ok(groups)
}

fn listed(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn unread(line: &str) -> Problem {
    Problem::new(
        ProblemKind::Invalid,
        "provider.groups",
        format!("`{}` does not say which group is which", line.replace('`', "")),
        "each line names a group there, and what it is here",
        "write `people-ops-eu = people-ops`, one a line",
    )
}

pub(super) async fn save(State(server): State<Arc<Bailiwick>>, visit: Visit) -> Page {
    let field = |name: &str| visit.asked.field(name);
    let secret = field("secret");
    // What was pasted goes before a box that was left ticked.
    let client_secret = match (secret.trim(), field("public").as_str()) {
        ("", "") => ClientSecretIs::Kept,
        ("", _) => ClientSecretIs::None,
        (secret, _) => ClientSecretIs::New(secret.to_owned()),
    };
    let settings = Settings {
        issuer: field("issuer"),
        client_id: field("client_id"),
        client_secret,
        groups_claim: field("groups_claim"),
        groups: mapping(&field("groups")).map_err(Trouble)?,
        everyone: listed(&field("everyone")).into_iter().map(Group::new).collect(),
        second_factor: listed(&field("second_factor")),
        scopes: Some(field("scopes").split([' ', ',']).map(str::to_owned).collect()),
    };
    let SetUpDone { event, now } = server.draft_provider(&visit.asked, settings).await?;
    let draft = now.draft.as_ref();
    let warnings =
        draft.and_then(|draft| draft.described.as_ref()).map(|said| said.warnings.clone()).unwrap_or_default();
    let lead = match warnings.len() {
        0 => "The provider answers, and has all that is asked of one. Try it before it is switched on.".to_owned(),
        _ => "The provider answers. Read what people will miss, then try it before it is switched on.".to_owned(),
    };
    let done = Done::new(&visit.viewer, Here::People, "single sign-on is set up, not on", lead)
        .state("waiting")
        .event(Some(&event))
        .below(AT, TITLE)
        .lines(warnings.into_iter().map(|warning| Said::new(warning.says)))
        .link(format!("{AT}#t-try"), "Try it")
        .command("bailiwick sign-in set ISSUER --client-id ID");
    Ok(done.page())
}

/// Off to the provider. Asked for now, so that nobody goes there in vain; the act itself asks again.
pub(super) async fn begin(State(server): State<Arc<Bailiwick>>, headers: HeaderMap, visit: Visit) -> Page {
    let Some(session) = &visit.asked.session else { return Ok(signed_out(None)) };
    server.allowed(&visit.asked, TryProvider { tenant: server.tenant.clone() }).await.map(drop)?;
    server.off_to_try(&headers, session).await
}

#[derive(Template)]
#[template(path = "tried.html")]
struct TriedPage {
    shell: Shell,
    works: bool,
    lead: Said,
    would: Said,
    issuer: String,
    subject: String,
    email: String,
    groups_there: Vec<String>,
    groups_more: usize,
    groups_here: String,
    auth_time: Option<Moment>,
    factors: String,
    second: &'static str,
    digest: String,
    may: bool,
}

/// Back from a try. Nobody is signed in and nothing connected by it.
pub(crate) async fn tried(server: &Arc<Bailiwick>, asked: Asked, returned: Returned) -> Page {
    let Some(session) = asked.session.clone() else { return Ok(signed_out(None)) };
    let Some(viewer) = server.viewer(&asked).await else { return Ok(signed_out(None)) };
    let act = TryProvider { tenant: server.tenant.clone() };
    // Before the code is redeemed, which works once.
    server.allowed(&asked, act.clone()).await.map(drop)?;
    let trial = server.identity.finish_trial(returned, &session).await?;
    let tried = server
        .store
        .again(|| async {
            let permit = server.permit(&asked.caller, act.clone()).await?;
            server.identity.record_trial(permit, &trial).await
        })
        .await
        .map_err(|error| Refusal((&error).into()))?;
    let now = server.clock.now();
    let may = viewer.may(&rules::PROVIDER_ON, None);
    Ok(html(StatusCode::OK, &TriedPage::new(tried, viewer.shell(Here::People), now, may)))
}

impl TriedPage {
    fn new(tried: Tried, shell: Shell, now: Timestamp, may: bool) -> Self {
        let works = tried.would.works();
        let lead = if works {
            "The provider said who you are, and it could be proven. Nobody was signed in, and nothing is connected."
        } else {
            "The way there and back works, and still nobody could sign in by it. Nothing was changed."
        };
        let second = match (tried.second, tried.auth_time, tried.factors.is_empty()) {
            (true, ..) => "yes: it counts as a second factor here",
            (false, None, _) => "no: without `auth_time` there is no knowing when it was",
            (false, Some(_), true) => "no: it did not say how you signed in",
            (false, Some(_), false) => "no: none of the words that count came",
        };
        Self {
            shell,
            works,
            lead: Said::new(lead),
            would: Said::new(would(&tried.would)),
            issuer: tried.issuer,
            subject: tried.subject,
            email: tried.email.unwrap_or_default(),
            groups_more: tried.groups_count.saturating_sub(tried.groups_there.len()),
            groups_there: tried.groups_there,
            groups_here: names(&tried.groups_here),
            auth_time: Moment::opt(tried.auth_time, now),
            factors: tried.factors.join(", "),
            second,
            digest: tried.digest,
            may,
        }
    }
}

fn would(would: &Would) -> String {
    match would {
        Would::SignIn { email } => format!("It would sign you in as `{email}`: that account is connected already."),
        Would::MakeAccount { email } => format!("It would make a new account, `{email}`, and sign you in to it."),
        Would::BeTaken { email } => format!(
            "It would refuse you: `{email}` is the address of an account that is here already, and an address proves nothing. Once it is on, connect the two on the page `Where I am signed in`. People who are not here yet get an account of their own."
        ),
        Would::BeSwitchedOff => "It would refuse you: the account that is connected is switched off.".to_owned(),
        Would::LackEmail => {
            "It would refuse you: the provider did not say your address. Release the claim `email` to this client there, and try it again.".to_owned()
        }
    }
}

pub(super) async fn on(State(server): State<Arc<Bailiwick>>, visit: Visit) -> Page {
    let done = server.switch_provider_on(&visit.asked, visit.asked.field("digest")).await?;
    let host = server.identity.provider_host().unwrap_or_default();
    let lead = format!("The sign-in page offers `{host}` from now on, on every node. Operators are told.");
    let page = Done::new(&visit.viewer, Here::People, "single sign-on is on", lead)
        .event(Some(&done.event))
        .below(AT, TITLE)
        .link("/me", "Connect my own account")
        .link(AT, TITLE)
        .command("bailiwick sign-in on");
    Ok(page.page())
}

pub(super) async fn off(State(server): State<Arc<Bailiwick>>, visit: Visit) -> Page {
    let done = server.switch_provider_off(&visit.asked).await?;
    let many = match done.sessions_ended {
        0 => "Nobody was signed in by it.".to_owned(),
        1 => "One session that began there is over.".to_owned(),
        many => format!("{many} sessions that began there are over."),
    };
    let reach = if done.everywhere { "on any node" } else { "on this node" };
    let mut lead = format!("Nobody signs in by it any more, {reach}. {many}");
    if done.own {
        lead.push_str(" Yours is among them: sign in again with your passkey or by a one-time link.");
    }
    if !done.recorded {
        lead.push_str(" The record cannot be written now; its event follows as soon as it can be.");
    }
    let page = Done::new(&visit.viewer, Here::People, "single sign-on is off", lead).state("off");
    let page =
        page.heard(done.everywhere).event(Some(&done.event).filter(|_| done.recorded && !done.own)).below(AT, TITLE);
    let page = if done.own { page.link("/sign-in", "Sign in") } else { page.link(AT, TITLE) };
    Ok(page.command("bailiwick sign-in off").page())
}

pub(super) async fn links(State(server): State<Arc<Bailiwick>>, visit: Visit) -> Page {
    let to = if visit.asked.field("to") == "off" { Links::Off } else { Links::On };
    let done = server.switch_links(&visit.asked, to).await?;
    let (title, lead, word) = match to {
        Links::On => (
            "one-time links are on",
            "Operators can make them, and those that were made work again until they run out.",
            "on",
        ),
        Links::Off => ("one-time links are off", "None is made, and none that was made works.", "off"),
    };
    let left_out = Some(&done.now.left_out).filter(|left_out| to == Links::Off && left_out.count > 0);
    let page = Done::new(&visit.viewer, Here::People, title, lead)
        .state(if to == Links::On { "done" } else { "off" })
        .lines(left_out.map(|left_out| Said::new(without_links(left_out, to))))
        .event(Some(&done.event))
        .below(AT, TITLE)
        .link(AT, TITLE)
        .command(format!("bailiwick sign-in links {word}"));
    Ok(page.page())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_group() {
        let groups = mapping("ops = people-ops\n\n cn=it,dc=corp = it \n").unwrap();
        assert_eq!(groups.get("ops"), Some(&Group::new("people-ops")));
        assert_eq!(groups.get("cn=it,dc=corp"), Some(&Group::new("it")));
        assert_eq!(mapping("ops people-ops").unwrap_err().code, "provider.groups");
    }

    #[test]
    fn who_is_left_out_is_named_and_counted() {
        let left_out =
            |count, first: &[&str]| LeftOut { count, first: first.iter().map(|email| (*email).to_owned()).collect() };
        let said = without_links(&left_out(5, &["a@x.example", "b@x.example"]), Links::On);
        assert!(said.starts_with("5 people would") && said.contains("`b@x.example` and 3 more. They have"), "{said}");
        let said = without_links(&left_out(1, &["a@x.example"]), Links::Off);
        assert!(said.starts_with("One person cannot sign in: `a@x.example`. They have"), "{said}");
        assert!(without_links(&left_out(0, &[]), Links::On).starts_with("Everyone"));
    }
}
