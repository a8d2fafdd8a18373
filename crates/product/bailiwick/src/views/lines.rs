//! What an app printed, and what was refused to it: one line each.

use super::View;
use crate::{ink::Tone, page::Page, when};
use model::Timestamp;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct LinesView {
    lines: Vec<LineView>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LineView {
    at: Timestamp,
    level: String,
    text: String,
    at_code: Option<String>,
    trace_id: Option<String>,
}

impl View for LinesView {
    fn show(&self, page: &mut Page) {
        if self.lines.is_empty() {
            page.line("nothing was printed, and nothing refused");
        }
        for line in &self.lines {
            line.show(page);
        }
    }
}

impl View for LineView {
    fn show(&self, page: &mut Page) {
        let tone = match self.level.as_str() {
            "error" | "refused" => Tone::Bad,
            "warn" => Tone::Doubtful,
            "debug" => Tone::Quiet,
            _ => Tone::Plain,
        };
        let at = page.paint(Tone::Quiet, &when::clock(self.at));
        let level = page.paint(tone, &format!("{:<7}", self.level));
        let failed = ["error", "refused"].contains(&self.level.as_str());
        let trace = self.trace_id.as_deref().filter(|_| failed).map(|id| format!("trace {id}"));
        let place: Vec<String> = self.at_code.clone().into_iter().chain(trace).collect();
        let (first, more) = self.text.trim_end().split_once('\n').unwrap_or((self.text.trim_end(), ""));
        if more.is_empty() {
            let place = page.paint(Tone::Quiet, &place.join("  "));
            page.line(format!("{at}  {level}  {first}  {place}"));
            return;
        }
        // What is of one piece is not broken up: where it was said stands behind all of it.
        page.line(format!("{at}  {level}  {first}"));
        for more in more.lines() {
            page.line(format!("{:23}{more}", ""));
        }
        if !place.is_empty() {
            let place = page.paint(Tone::Quiet, &format!("({})", place.join(", ")));
            page.line(format!("{:23}{place}", ""));
        }
    }
}

/// A token, for a person who looks at one.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenView {
    token: String,
}

impl View for TokenView {
    fn show(&self, page: &mut Page) {
        page.line(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn lines_of_every_kind() {
        let line = |level: &str, text: &str| {
            json!({ "seq": 1, "at": "2026-11-03T11:59:01.120Z", "level": level, "text": text,
            "at_code": "app.js:12", "release": 3, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736" })
        };
        let document = json!({ "lines": [line("info", "voted"), line("error", "TypeError: x\n    at vote (poll.js:3)"),
            line("refused", "\u{1b}[31m`fetch` to evil.example")], "next": 3 });
        insta::assert_snapshot!(shown::<LinesView>(&document), @"
        11:59:01.120  info     voted  app.js:12
        11:59:01.120  error    TypeError: x
                                   at vote (poll.js:3)
                               (app.js:12, trace 4bf92f3577b34da6a3ce929d0e0e4736)
        11:59:01.120  refused  ␛[31m`fetch` to evil.example  app.js:12  trace 4bf92f3577b34da6a3ce929d0e0e4736
        ");
    }

    #[test]
    fn silence() {
        insta::assert_snapshot!(shown::<LinesView>(&json!({ "lines": [], "next": 0 })), @"nothing was printed, and nothing refused");
    }
}
