//! The lines that wait to be kept, and whose they are.
//!
//! Refuses an app more waiting lines than there is room left for all others: however many apps flood, there is room for
//! one that does not. What an app loses is counted, to be said in its own log.

use authority::AppRef;
use gateway::Line;
use sandbox::Level;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// At 16 KiB each, the longest there are, 128 MiB; one app alone has half of them.
pub(super) const LINES: usize = 8_192;
/// Between two words to the operator.
const WARN_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Apps>);

#[derive(Debug, Default)]
struct Apps {
    lines: usize,
    of: HashMap<AppRef, App>,
    warned: Option<Instant>,
}

#[derive(Debug, Default)]
struct App {
    lines: usize,
    lost: u64,
    /// The last that was lost, without its words.
    last: Option<Line>,
}

impl Waiting {
    fn apps(&self) -> MutexGuard<'_, Apps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for a further line of this app; it waits then.
    pub(super) fn enters(&self, app: &AppRef) -> bool {
        let mut apps = self.apps();
        let left = LINES.saturating_sub(apps.lines);
        let of = apps.of.entry(app.clone()).or_default();
        let enters = of.lines < left;
        if enters {
            of.lines += 1;
            apps.lines += 1;
        }
        enters
    }

    /// Counts a line that is not kept.
    pub(super) fn lose(&self, line: Line) {
        let app = line.app.clone();
        let mut apps = self.apps();
        let of = apps.of.entry(app.clone()).or_default();
        of.lost += 1;
        of.last = Some(Line { text: String::new(), at: None, level: Level::Warn, ..line });
        let warns = apps.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if warns {
            apps.warned = Some(Instant::now());
        }
        drop(apps);
        if warns {
            tracing::warn!(app = %app.id, "lines of an app come faster than they can be kept; some are dropped");
        }
    }

    /// These wait no more.
    pub(super) fn left<'a>(&self, apps_of_lines: impl Iterator<Item = &'a AppRef>) {
        let mut apps = self.apps();
        for app in apps_of_lines {
            let Some(of) = apps.of.get_mut(app) else { continue };
            of.lines = of.lines.saturating_sub(1);
            let gone = of.lines == 0 && of.lost == 0;
            apps.lines = apps.lines.saturating_sub(1);
            if gone {
                apps.of.remove(app);
            }
        }
    }

    /// Whether lines were lost of which no log says so yet.
    pub(super) fn owes(&self) -> bool {
        self.apps().of.values().any(|of| of.lost > 0)
    }

    /// For each log that lost lines, the one that says so.
    pub(super) fn owed(&self) -> Vec<Line> {
        let mut apps = self.apps();
        let mut owed = Vec::new();
        for of in apps.of.values_mut() {
            let lost = std::mem::take(&mut of.lost);
            let Some(line) = of.last.take() else { continue };
            let lines = if lost == 1 { "1 line was".to_owned() } else { format!("{lost} lines were") };
            owed.push(Line { text: format!("{lines} dropped: they came faster than they can be kept"), ..line });
        }
        apps.of.retain(|_, of| of.lines > 0);
        owed
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use model::{AppId, Env, ReleaseNumber, Timestamp, TraceId};

    fn app(name: &str) -> AppRef {
        AppRef { id: AppId::new(name), env: Env::Prod }
    }

    pub(in super::super) fn line(app: &AppRef) -> Line {
        Line {
            app: app.clone(),
            name: "poll".into(),
            release: ReleaseNumber(1),
            trace: TraceId::new("0af7651916cd43dd8448eb211c80319c"),
            level: Level::Log,
            text: "words".to_owned(),
            at: None,
            time: Timestamp::from_ms(1),
        }
    }

    #[test]
    fn however_many_flood_there_is_room_for_one_that_does_not() {
        let waiting = Waiting::default();
        let flood = |name: &str| (0..LINES).filter(|_| waiting.enters(&app(name))).count();
        assert_eq!(flood("one"), LINES / 2, "as many as before, when nobody else needs them");
        let further: Vec<usize> = ["two", "three", "four"].map(flood).to_vec();
        assert_eq!(further, [LINES / 4, LINES / 8, LINES / 16]);
        assert!((0..200).all(|_| waiting.enters(&app("quiet"))));
        let written = [app("one")];
        waiting.left(written.iter().cycle().take(LINES / 2));
        assert!(waiting.enters(&app("one")) && waiting.enters(&app("four")));
    }

    #[test]
    fn what_an_app_loses_is_said_once_in_its_own_log() {
        let (waiting, one) = (Waiting::default(), app("one"));
        assert!(!waiting.owes() && waiting.owed().is_empty());
        for _ in 0..3 {
            waiting.lose(line(&one));
        }
        waiting.lose(line(&app("two")));
        assert!(waiting.owes());
        let mut said: Vec<(String, String)> =
            waiting.owed().into_iter().map(|line| (line.app.id.to_string(), line.text)).collect();
        said.sort();
        let says =
            |app: &str, what: &str| (app.to_owned(), format!("{what} dropped: they came faster than they can be kept"));
        assert_eq!(said, [says("one", "3 lines were"), says("two", "1 line was")]);
        assert!(!waiting.owes() && waiting.owed().is_empty() && waiting.apps().of.is_empty());
    }
}
