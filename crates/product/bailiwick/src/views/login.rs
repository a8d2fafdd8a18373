//! What `login` and `logout` say when they are done.

use super::View;
use crate::{ink::Tone, page::Page};
use model::Timestamp;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct LoginView {
    server: String,
    person: String,
    expires_at: Timestamp,
}

impl View for LoginView {
    fn show(&self, page: &mut Page) {
        let person = page.paint(Tone::Strong, &self.person);
        page.line(format!("signed in to {} as {person}, until {}", self.server, self.expires_at));
        page.next("bailiwick whoami".to_owned());
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct LogoutView {
    server: String,
    person: String,
    ended: bool,
}

impl View for LogoutView {
    fn show(&self, page: &mut Page) {
        let how = if self.ended { "signed out of" } else { "forgot the login to" };
        page.line(format!("{how} {} as {}", self.server, self.person));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::shown;
    use serde_json::json;

    #[test]
    fn both_ends() {
        let out = json!({ "server": "https://b.example", "person": "ana@example.test", "ended": false });
        insta::assert_snapshot!(shown::<LogoutView>(&out), @"forgot the login to https://b.example as ana@example.test");
    }
}
