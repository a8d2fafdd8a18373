//! Whether the server's own certificate counts today, and for how long.

use super::{Examined, Health};
use crate::Config;
use model::Timestamp;
use std::time::Duration;

/// What renews certificates by itself has done so by then.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// `None`: there is none, or its dates cannot be read.
pub(super) fn certificate(config: &Config, now: Timestamp) -> Option<Examined> {
    let own = ::watch::own_certificate(config.tls.as_ref()?)?;
    Some(judge(own.since, own.ends_at, now))
}

fn judge(since: Timestamp, ends_at: Timestamp, now: Timestamp) -> Examined {
    let day = |at: Timestamp| at.to_jiff().strftime("%Y-%m-%d").to_string();
    let fix = "put a new one in the place of the files that `[server] tls` names: it is taken up without a restart";
    let wrong = |health, what: String| Examined::wrong("certificate", health, what, fix);
    if ends_at <= now {
        wrong(Health::Ill, format!("the server's certificate file ended on {}: no browser accepts it", day(ends_at)))
    } else if now < since {
        wrong(
            Health::Ill,
            format!(
                "the server's certificate file counts from {} on: no browser accepts it yet, and a server that runs goes on with the one before",
                day(since)
            ),
        )
    } else if ends_at.since(now) < SOON {
        wrong(Health::Doubtful, format!("the server's certificate ends on {}", day(ends_at)))
    } else {
        Examined::well("certificate", format!("the server's certificate lasts until {}", day(ends_at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_judged_by_its_dates() {
        let at = |day: &str| format!("{day}T12:00:00Z").parse::<Timestamp>().unwrap();
        let on = |day| judge(at("2026-11-01"), at("2027-01-30"), at(day));
        assert_eq!(on("2026-12-01").health, Health::Well);
        assert_eq!(on("2027-01-20").health, Health::Doubtful);
        let ended = on("2027-02-01");
        assert!(ended.health == Health::Ill && ended.what.contains("ended on 2027-01-30"), "{ended:?}");
        assert_eq!(on("2026-10-31").health, Health::Ill);
    }
}
