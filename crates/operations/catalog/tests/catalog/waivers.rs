//! Waivers at the gates: what is waived passes and is shown; on its day, or ended, the rule holds again and says whose the
//! waiver was; a yes is to the waivers that it was told of.

use crate::house::{APP, House, START, manifest, refused};
use authority::BreakGlass;
use catalog::{Deployed, Error, ListWaivers, Restored, Status, WaiverView, WaiverWish};
use model::{Clock, Env, Group, PersonId, ReleaseNumber, RequestId, TenantId, Timestamp, WaiverState};
use std::{sync::Arc, time::Duration};

const DAY: Duration = Duration::from_secs(86_400);
const JOB: &str = "[jobs.remind]\nschedule = \"0 8 * * *\"\nzone = \"Europe/Berlin\"\n";
const LONG: &str = "[data.votes]\nretain = \"400d\"\nfields.who = { class = \"personal\" }\n";
pub(crate) const SENDS: &str =
    "[connect.chat]\nhost = \"chat.example\"\nmethods = [\"POST\"]\npaths = [\"/say\"]\nwhy = \"Says it\"\n";

fn days(days: u32) -> Timestamp {
    START.parse::<Timestamp>().unwrap().plus(DAY * days)
}

impl House {
    async fn wish(&self, code: &str, until: Timestamp) -> Result<WaiverView, catalog::Error> {
        let wish = WaiverWish {
            app: "poll".to_owned(),
            team: Some(Group::new("staff")),
            code: code.to_owned(),
            until,
            why: "until it is mended".to_owned(),
            break_glass: BreakGlass::Yes,
        };
        let act = self.catalog.plan_waiver(wish).await?;
        let granted = self.catalog.grant_waiver(self.permit(act).await?).await;
        self.follow().await;
        granted
    }

    async fn wish_of(&self, who: &str, code: &str) -> WaiverView {
        let wish = WaiverWish { break_glass: BreakGlass::No, ..wished("poll", "staff", code) };
        let act = self.catalog.plan_waiver(wish).await.unwrap();
        let granted = self.catalog.grant_waiver(self.permit_of(who, act).await.unwrap()).await.unwrap();
        self.follow().await;
        granted
    }

    async fn deploy_of(&self, who: &str, files: &[(&str, &str)]) -> Result<Deployed, Error> {
        let (id, unpacked) = (PersonId::new(who), crate::house::unpacked(files));
        let waivers = self.catalog.waivers_for(Some(&id));
        let checked = catalog::check(unpacked, crate::house::sandbox(), &waivers, self.clock.now()).await;
        let checked = Arc::new(checked.unwrap_or_else(|document| panic!("{document:?}")));
        let digest = checked.unpacked().digest().to_string();
        let act = self.catalog.plan(Some(&id), checked.manifest(), &digest, Env::Prod)?;
        let permit = self.permit_of(who, act).await?;
        let deployed = self.catalog.deploy(permit, &checked, &self.catalog.keep(&checked).await?).await;
        self.follow().await;
        deployed
    }

    async fn rollback_of(&self, who: &str, to: u32) -> Result<Deployed, Error> {
        let (asks, to) = (PersonId::new(who), Some(ReleaseNumber(to)));
        let act = self.catalog.plan_rollback(Some(&asks), "poll", Env::Prod, to).await?;
        let deployed = self.catalog.rollback(self.permit_of(who, act).await?).await;
        self.follow().await;
        deployed
    }

    async fn restore_of(&self, who: &str) -> Result<Restored, Error> {
        let act = self.catalog.plan_restore(Some(&PersonId::new(who)), "poll", "again").await?;
        let restored = self.catalog.restore(self.permit_of(who, act).await?).await;
        self.follow().await;
        restored
    }

    async fn approve_of(&self, who: &str, request: &RequestId) -> Result<Deployed, Error> {
        let act = self.catalog.plan_approve(request, BreakGlass::No, "it is needed").await?;
        let deployed = self.catalog.approve(self.permit_of(who, act).await?).await;
        self.follow().await;
        deployed
    }

    /// Sent, and agreed to where its tier asks for that.
    async fn live(&self, env: Env, files: &[(&str, &str)]) -> Deployed {
        let sent = self.deploy_to(env, files).await.unwrap();
        match &sent.request {
            Some(request) => self.approve(request).await.unwrap(),
            None => sent,
        }
    }

    async fn end(&self, waiver: &WaiverView) -> Result<WaiverView, catalog::Error> {
        let permit = self.permit(self.catalog.plan_end_waiver(&waiver.id, "it is mended")?).await?;
        let ended = self.catalog.end_waiver(permit).await;
        self.follow().await;
        ended
    }

    async fn waivers(&self) -> Vec<(String, WaiverState)> {
        let permit = self.permit(ListWaivers { tenant: TenantId::main() }).await.unwrap();
        let all = self.catalog.waivers(permit, Some("poll")).unwrap();
        all.into_iter().map(|waiver| (waiver.code, waiver.state)).collect()
    }
}

fn wished(app: &str, team: &str, code: &str) -> WaiverWish {
    WaiverWish {
        app: app.to_owned(),
        team: Some(Group::new(team)),
        code: code.to_owned(),
        until: days(9),
        why: "until it is mended".to_owned(),
        break_glass: BreakGlass::Yes,
    }
}

/// An app with a job that it has no handler for, in so many words.
fn jobs(more: &str) -> [(&'static str, String); 2] {
    [("bailiwick.toml", manifest("poll", &format!("{JOB}{more}"))), ("app.js", APP.to_owned())]
}

fn files<'a>(files: &'a [(&'static str, String); 2]) -> [(&'static str, &'a str); 2] {
    files.each_ref().map(|(name, text)| (*name, text.as_str()))
}

async fn what_a_gate_blocks_passes_until_the_day(house: House) {
    let app = jobs("");
    let blocked = house.checked(&files(&app)).await.unwrap_err();
    assert!(blocked.findings[0].waiver.is_none() && blocked.findings[0].blocks(), "{blocked:?}");
    let waiver = house.wish("job.no_handler", days(2)).await.unwrap();
    assert_eq!(waiver.exception.as_deref(), Some("break-glass"));
    let live = house.deploy(&files(&app)).await.unwrap();
    assert_eq!((live.status, live.findings.len()), (Status::Live, 1));
    let finding = &live.findings[0];
    let waived = finding.waiver.as_ref().unwrap();
    assert!(finding.is_waived() && finding.code == "job.no_handler", "{finding:?}");
    assert_eq!((&waived.id, waived.until), (&waiver.id, days(2)));
    assert_eq!((waived.by.as_str(), waived.why.as_deref()), ("machine:root", Some("until it is mended")));
    let told = house.events("app.deploy").await.pop().unwrap();
    assert_eq!(told["waivers"], serde_json::json!([waiver.id]));

    // Its day comes: deploying, going back and restoring are stopped, and whose it was is said.
    let other = [app[0].clone(), ("app.js", format!("{APP} "))];
    assert_eq!(house.deploy(&files(&other)).await.unwrap().release.unwrap().0, 2);
    house.clock.advance(DAY * 2);
    let blocked = house.checked(&files(&app)).await.unwrap_err();
    let lapsed = blocked.findings[0].waiver.as_ref().unwrap();
    assert_eq!((lapsed.state, lapsed.by.as_str()), (WaiverState::Lapsed, "machine:root"), "{blocked:?}");
    assert!(blocked.findings[0].blocks());
    house.revoke("poll").await;
    let restored = refused(house.restore("poll").await);
    assert_eq!(restored.code, "waiver.over");
    assert!(restored.why.contains("`machine:root` agreed to ended on 2026-11-25"), "{restored}");
    assert_eq!(house.waivers().await, [("job.no_handler".to_owned(), WaiverState::Lapsed)]);
    // Another one, and it serves again.
    house.wish("job.no_handler", days(9)).await.unwrap();
    assert_eq!(house.restore("poll").await.unwrap().status, Status::Live);
    assert_eq!(house.rollback("poll", Some(1)).await.unwrap().status, Status::Live);
}

async fn what_policy_refuses_passes_until_it_is_ended(house: House) {
    let text = manifest("poll", LONG);
    let app = [("bailiwick.toml", &text[..]), ("app.js", APP)];
    assert_eq!(refused(house.deploy(&app).await).code, "policy.retention");
    let waiver = house.wish("policy.retention", days(9)).await.unwrap();
    let waits = house.deploy(&app).await.unwrap();
    let finding = &waits.findings[0];
    assert!(finding.is_waived() && finding.what.contains("more than a year"), "{finding:?}");
    let live = house.approve(&waits.request.unwrap()).await.unwrap();
    assert_eq!((live.status, live.findings[0].is_waived()), (Status::Live, true));
    // The same again needs nobody, while that very waiver stands.
    assert_eq!(house.deploy(&app).await.unwrap().status, Status::Live);

    let ended = house.end(&waiver).await.unwrap();
    assert_eq!(ended.state, WaiverState::Ended);
    assert_eq!(refused(house.end(&waiver).await).code, "waiver.ended");
    let denied = refused(house.deploy(&app).await);
    assert_eq!(denied.code, "policy.retention");
    assert!(denied.why.contains("the waiver that `machine:root` agreed to ended on 2026-11-23"), "{denied}");
    house.revoke("poll").await;
    assert_eq!(refused(house.restore("poll").await).code, "policy.retention");
    let why: Vec<_> = house.events("waiver.end").await;
    assert_eq!(why.len(), 1);
    // A started node knows the same.
    assert_eq!(house.waivers().await, [("policy.retention".to_owned(), WaiverState::Ended)]);
    let again = house.started_again().await.waivers_of("poll").await.unwrap();
    assert_eq!((again.len(), again[0].why.as_deref()), (1, Some("until it is mended")));
}

async fn a_yes_is_to_the_waivers_that_it_was_told_of(house: House) {
    let app = jobs(SENDS);
    let first = house.wish("job.no_handler", days(2)).await.unwrap();
    let request = async || -> RequestId { house.deploy(&files(&app)).await.unwrap().request.unwrap() };
    let asked = request().await;
    assert_eq!(request().await, asked, "one request, however often it is asked");
    let view = async |request: &RequestId| {
        let permit = house.permit(catalog::ListRequests { tenant: TenantId::main() }).await.unwrap();
        house.catalog.look_at_request(permit, request).await.unwrap().0
    };
    let finding = view(&asked).await.findings.remove(0);
    assert_eq!(finding.waiver.unwrap().why.as_deref(), Some("until it is mended"));
    // Another waiver took its place: whoever decides sees that one first.
    let second = house.wish("job.no_handler", days(9)).await.unwrap();
    assert_eq!(view(&asked).await.findings[0].waiver.as_ref().unwrap().state, WaiverState::Ended);
    assert_eq!(refused(house.approve(&asked).await).code, "request.stale");
    assert_eq!(refused(house.end(&first).await).code, "waiver.ended", "it was replaced");
    let anew = request().await;
    assert_ne!(anew, asked);
    assert_eq!(view(&anew).await.findings[0].waiver.as_ref().unwrap().id, second.id);
    house.approve(&anew).await.unwrap();
    // The yes holds while that waiver does, and no longer.
    assert_eq!(house.deploy(&files(&app)).await.unwrap().status, Status::Live);
    house.end(&second).await.unwrap();
    house.wish("job.no_handler", days(3)).await.unwrap();
    assert_eq!(house.deploy(&files(&app)).await.unwrap().status, Status::Waiting);
}

async fn what_cannot_be_waived_is_refused(house: House) {
    for (code, until, says) in [
        ("secret.found", days(2), "waiver.never"),
        ("manifest.syntax", days(2), "waiver.never"),
        ("app.import", days(2), "waiver.never"),
        ("role.missing", days(2), "waiver.code"),
        ("policy.retention", days(0), "waiver.date"),
        ("policy.retention", days(91), "waiver.date"),
    ] {
        assert_eq!(refused(house.wish(code, until).await).code, says, "{code}");
    }
    let wish = WaiverWish {
        app: "nobodys".to_owned(),
        team: None,
        code: "policy.retention".to_owned(),
        until: days(2),
        why: "x".to_owned(),
        break_glass: BreakGlass::Yes,
    };
    let whose = refused(house.catalog.plan_waiver(wish.clone()).await);
    assert!(whose.code == "app.unknown" && whose.fix.contains("--team"), "{whose}");
    let wish = WaiverWish { why: " ".to_owned(), team: Some(Group::new("staff")), ..wish };
    assert_eq!(refused(house.catalog.plan_waiver(wish.clone()).await).code, "why.missing");
    // Without break-glass the local credential is no person.
    let wish = WaiverWish { why: "x".to_owned(), break_glass: BreakGlass::No, ..wish };
    let act = house.catalog.plan_waiver(wish).await.unwrap();
    assert_eq!(refused(house.permit(act).await).code, "machine.break_glass");
    // One that is for another team's app of the name holds nothing off.
    let text = manifest("poll", LONG);
    let wish = WaiverWish {
        app: "poll".to_owned(),
        team: Some(Group::new("others")),
        code: "policy.retention".to_owned(),
        until: days(2),
        why: "x".to_owned(),
        break_glass: BreakGlass::Yes,
    };
    let act = house.catalog.plan_waiver(wish).await.unwrap();
    house.catalog.grant_waiver(house.permit(act).await.unwrap()).await.unwrap();
    house.follow().await;
    assert_eq!(refused(house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await).code, "policy.retention");
    assert_eq!(house.waivers().await.len(), 1);
}

/// Policy can forbid that a rule of it is waived: it narrows this act as any other.
async fn policy_says_what_is_not_waived(house: House) {
    house.set_policy(&format!(
        "{}\ndeny contains refusal if {{\n\tinput.act == \"waiver.grant\"\n\tinput.facts.code == \"policy.retention\"\n\t\
         refusal := {{\"code\": \"own.law\", \"why\": \"the law says so\", \"fix\": \"keep it shorter\"}}\n}}\n",
        crate::house::SHIPPED
    ));
    assert_eq!(refused(house.wish("policy.retention", days(2)).await).code, "own.law");
    house.wish("policy.broad_secret", days(2)).await.unwrap();
}

async fn what_is_gone_is_waived_no_more(house: House) {
    let app = jobs("");
    house.wish("job.no_handler", days(9)).await.unwrap();
    house.deploy(&files(&app)).await.unwrap();
    let permit = house.permit(house.catalog.plan_retire("poll").unwrap()).await.unwrap();
    house.catalog.retire(permit).await.unwrap();
    house.follow().await;
    assert_eq!(house.waivers().await, [("job.no_handler".to_owned(), WaiverState::Ended)]);
}

/// Whoever agreed brings nothing to life by it alone: not by going back, by restoring, nor by a yes to what they asked.
async fn a_waiver_is_not_for_whoever_agreed_to_it(house: House) {
    let app = jobs(LONG);
    let other = [app[0].clone(), ("app.js", format!("{APP} "))];
    for code in ["job.no_handler", "policy.retention"] {
        house.wish(code, days(9)).await.unwrap();
    }
    house.live(Env::Prod, &files(&app)).await;
    house.live(Env::Prod, &files(&other)).await;

    // What a gate blocks.
    house.wish_of("ana", "job.no_handler").await;
    let refusal = refused(house.rollback_of("ana", 1).await);
    assert!(refusal.code == "waiver.over" && refusal.why.contains("`machine:root` agreed to ended"), "{refusal}");
    assert_eq!(house.rollback_of("ben", 1).await.unwrap().status, Status::Waiting, "for others it holds");
    house.revoke("poll").await;
    assert_eq!(refused(house.restore_of("ana").await).code, "waiver.over");
    let waits = house.restore_of("ben").await.unwrap().waiting.remove(0);

    // What policy refuses; the request is his by now.
    house.wish_of("ben", "policy.retention").await;
    assert_eq!(refused(house.restore_of("ben").await).code, "policy.retention");
    assert_eq!(refused(house.rollback_of("ben", 1).await).code, "policy.retention");
    assert_eq!(refused(house.approve_of("rita", &waits.request).await).code, "policy.retention");

    // Others agreed to both: it serves again, by a yes to these.
    house.wish_of("rita", "policy.retention").await;
    let waits = house.restore_of("ben").await.unwrap().waiting.remove(0);
    assert_eq!(house.approve_of("rita", &waits.request).await.unwrap().status, Status::Live);
    // Nobody is known to have sent it: whether whoever agreed is independent of them is not claimed.
    assert!(house.events("waiver.grant").await.iter().all(|event| event.get("independent").is_none()));
}

/// What was sent by somebody and asked for again by another is still theirs.
async fn a_yes_to_what_they_sent_rests_on_no_waiver_of_theirs(house: House) {
    let text = manifest("poll", LONG);
    let app = [("bailiwick.toml", &text[..]), ("app.js", APP)];
    house.follow().await;
    house.wish_of("ben", "policy.retention").await;
    assert_eq!(refused(house.deploy_of("ben", &app).await).code, "policy.retention", "it is his own");
    house.wish_of("rita", "policy.retention").await;
    let sent = house.deploy_of("ben", &app).await.unwrap();
    house.approve_of("rita", &sent.request.unwrap()).await.unwrap();
    let own = WaiverWish { break_glass: BreakGlass::No, ..wished("poll", "staff", "policy.retention") };
    let act = house.catalog.plan_waiver(own).await.unwrap();
    assert_eq!(refused(house.permit_of("ben", act).await).code, "approval.own", "he sent what is newest");
    house.wish_of("ana", "policy.retention").await;
    let granted = house.events("waiver.grant").await.pop().unwrap();
    assert_eq!(granted["independent"], true, "whoever sent it is known by now");

    // The local credential sent what is newest, and asks for what he sent.
    house.live(Env::Staging, &[("bailiwick.toml", &manifest("poll", "")), ("app.js", APP)]).await;
    house.revoke("poll").await;
    let waits = house.restore("poll").await.unwrap().waiting.remove(0);
    house.wish_of("ben", "policy.retention").await;
    assert_eq!(refused(house.approve_of("rita", &waits.request).await).code, "policy.retention");
}

async fn what_is_over_before_the_commit_holds_nothing_off(house: House) {
    let text = manifest("poll", LONG);
    let app = [("bailiwick.toml", &text[..]), ("app.js", APP)];
    let ended = house.wish("policy.retention", days(9)).await.unwrap();
    let checked = house.checked(&app).await.unwrap();
    let digest = checked.unpacked().digest().to_string();
    let content = house.catalog.keep(&checked).await.unwrap();
    let plan = || house.catalog.plan(None, checked.manifest(), &digest, Env::Prod).unwrap();
    // Ended once the act had taken it along, before anybody was asked.
    let act = plan();
    house.end(&ended).await.unwrap();
    let permit = house.permit(act).await.unwrap();
    let over = refused(house.catalog.deploy(permit, &checked, &content).await);
    assert!(over.code == "waiver.over" && over.why.contains("`machine:root` agreed to ended"), "{over}");
    // Its day comes while the act waits for its turn.
    house.wish("policy.retention", days(2)).await.unwrap();
    let permit = house.permit(plan()).await.unwrap();
    house.clock.advance(DAY * 2);
    assert_eq!(refused(house.catalog.deploy(permit, &checked, &content).await).code, "waiver.over");
    // Another one took its place.
    house.wish("policy.retention", days(5)).await.unwrap();
    let act = plan();
    house.wish("policy.retention", days(6)).await.unwrap();
    let permit = house.permit(act).await.unwrap();
    let over = refused(house.catalog.deploy(permit, &checked, &content).await);
    assert!(over.code == "waiver.over" && over.why.contains("another one took the place"), "{over}");
    assert_eq!(house.deploy(&app).await.unwrap().status, Status::Waiting);
}

async fn nothing_thought_up_comes_into_the_record(house: House) {
    for (app, team, code, says) in [
        ("Anna Schmidt, born 1980", "staff", "policy.retention", "waiver.app"),
        ("poll\nall is well", "staff", "policy.retention", "waiver.app"),
        ("pоll", "staff", "policy.retention", "waiver.app"),
        ("", "staff", "policy.retention", "waiver.app"),
        ("admin", "staff", "policy.retention", "waiver.app"),
        ("poll", "everyone", "policy.retention", "waiver.team"),
        ("poll", "staff; drop", "policy.retention", "waiver.team"),
        ("poll", "staff", "policy.retention\u{1b}[2J", "waiver.code"),
        ("poll", "staff", "secret.<b>", "waiver.code"),
    ] {
        let refusal = refused(house.catalog.plan_waiver(wished(app, team, code)).await);
        assert_eq!(refusal.code, says, "{app} {team} {code}");
        for part in [&refusal.what, &refusal.why, &refusal.fix] {
            assert!(!part.contains(['\n', '\u{1b}', '<']), "{refusal}");
        }
    }
    assert!(house.waivers().await.is_empty() && house.events("waiver.grant").await.is_empty());
}

async fn each_environment_needs_its_own_waivers(house: House) {
    let (long, sends, jobs) = (manifest("poll", LONG), manifest("poll", SENDS), jobs(""));
    let policy = house.wish("policy.retention", days(9)).await.unwrap();
    house.live(Env::Prod, &[("bailiwick.toml", &long), ("app.js", APP)]).await;
    house.live(Env::Staging, &[("bailiwick.toml", &sends), ("app.js", APP)]).await;
    // The yes to what staging serves was told of no waiver, and it needs none.
    house.revoke("poll").await;
    let restored = house.restore("poll").await.unwrap();
    assert_eq!((restored.environments.len(), restored.waiting.len()), (2, 0), "{restored:?}");
    assert_eq!(house.events("app.restore").await.pop().unwrap()["waivers"], serde_json::json!([policy.id]));

    // One is over: its environment stays off, and holds the other back in nothing.
    house.wish("job.no_handler", days(2)).await.unwrap();
    house.live(Env::Staging, &files(&jobs)).await;
    house.revoke("poll").await;
    house.clock.advance(DAY * 3);
    let restored = house.restore("poll").await.unwrap();
    assert_eq!((restored.status, restored.environments.len(), restored.left_off.len()), (Status::Live, 1, 1));
    assert_eq!((restored.environments[0].env, restored.left_off[0].env), (Env::Prod, Env::Staging));
    assert_eq!(restored.left_off[0].problem.code, "waiver.over");
    let event = house.events("app.restore").await.pop().unwrap();
    assert_eq!(
        (&event["waivers"], &event["left_off"]),
        (&serde_json::json!([policy.id]), &serde_json::json!(["staging"]))
    );
    assert_eq!(refused(house.restore("poll").await).code, "waiver.over", "nothing else is off");
    let jobs = house.wish("job.no_handler", days(9)).await.unwrap();
    assert_eq!(house.restore("poll").await.unwrap().environments.len(), 1);
    assert_eq!(house.events("app.restore").await.pop().unwrap()["waivers"], serde_json::json!([jobs.id]));
}

/// A rule that speaks at the approval alone was told to nobody who asked: no waiver of it is taken.
async fn what_only_an_approval_is_refused_for_is_not_waived(house: House) {
    house.set_policy(&format!(
        "{}\ndeny contains refusal if {{\n\tinput.act == \"release.approve\"\n\t\
         refusal := {{\"code\": \"own.late\", \"why\": \"it is too late\", \"fix\": \"come earlier\"}}\n}}\n",
        crate::house::SHIPPED
    ));
    let text = manifest("poll", SENDS);
    house.wish("own.late", days(2)).await.unwrap();
    let request = house.deploy(&[("bailiwick.toml", &text), ("app.js", APP)]).await.unwrap().request.unwrap();
    let denied = refused(house.approve(&request).await);
    assert_eq!(denied.code, "own.late");
    assert!(denied.why.contains("it is too late") && denied.fix.contains("cannot be waived"), "{denied}");
}

both!(
    a_waiver_is_not_for_whoever_agreed_to_it,
    a_yes_to_what_they_sent_rests_on_no_waiver_of_theirs,
    what_is_over_before_the_commit_holds_nothing_off,
    nothing_thought_up_comes_into_the_record,
    each_environment_needs_its_own_waivers,
    what_only_an_approval_is_refused_for_is_not_waived,
    what_a_gate_blocks_passes_until_the_day,
    what_policy_refuses_passes_until_it_is_ended,
    a_yes_is_to_the_waivers_that_it_was_told_of,
    what_cannot_be_waived_is_refused,
    policy_says_what_is_not_waived,
    what_is_gone_is_waived_no_more,
);
