//! Waivers at the gates: what is waived passes and is shown; on its day, or ended, the rule holds again and says whose the
//! waiver was; a yes is to the waivers that it was told of.

use crate::house::{APP, House, START, manifest, refused};
use authority::BreakGlass;
use catalog::{ListWaivers, Status, WaiverView, WaiverWish};
use model::{Group, RequestId, TenantId, Timestamp, WaiverState};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const JOB: &str = "[jobs.remind]\nschedule = \"0 8 * * *\"\nzone = \"Europe/Berlin\"\n";
const LONG: &str = "[data.votes]\nretain = \"400d\"\nfields.who = { class = \"personal\" }\n";
const SENDS: &str =
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

both!(
    what_a_gate_blocks_passes_until_the_day,
    what_policy_refuses_passes_until_it_is_ended,
    a_yes_is_to_the_waivers_that_it_was_told_of,
    what_cannot_be_waived_is_refused,
    policy_says_what_is_not_waived,
    what_is_gone_is_waived_no_more,
);
