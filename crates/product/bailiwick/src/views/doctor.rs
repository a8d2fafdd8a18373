//! What the doctor saw.

use super::View;
use crate::page::{Cell, Page};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct DoctorView {
    ok: bool,
    checks: Vec<Line>,
}

#[derive(Debug, Deserialize)]
struct Line {
    check: String,
    state: String,
    what: String,
    fix: Option<String>,
}

impl View for DoctorView {
    fn show(&self, page: &mut Page) {
        let row = |line: &Line| vec![Cell::state(&line.state), line.check.as_str().into(), line.what.as_str().into()];
        page.rows(self.checks.iter().map(row).collect());
        for line in self.checks.iter().filter(|line| line.state != "ok") {
            if let Some(fix) = &line.fix {
                page.blank();
                page.line(format!("{}: {fix}", line.check));
            }
        }
        if self.ok {
            page.blank();
            page.line("nothing is wrong as far as can be seen from here");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn lines() {
        let document = json!({ "ok": false, "checks": [
            { "check": "data folder", "state": "ok", "what": "`/d`, for its owner alone", "fix": null },
            { "check": "server", "state": "fail", "what": "no answer from `http://localhost:7070`", "fix": "start it with `bailiwick up`" }] });
        insta::assert_snapshot!(shown::<DoctorView>(&document), @"
          ✓ ok     data folder   `/d`, for its owner alone
          ✕ fail   server        no answer from `http://localhost:7070`

        server: start it with `bailiwick up`
        ");
    }
}
