//! Commands as they are typed into a shell: words quoted where they have to be, and what goes on with a list: it asks for
//! the same list, with every filter that was given.

use crate::{commands::LIST_DEFAULT, invocation::Invocation, output::Form};
use serde_json::Value;

/// A word as a shell reads it.
pub(crate) fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._/-+@:".contains(c);
    let is_plain = !text.is_empty() && text.chars().all(plain);
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// The command that asks for a list.
#[derive(Debug, Clone)]
pub(crate) struct Typed(String);

impl Typed {
    pub(crate) fn new(command: &str) -> Self {
        Self(format!("bailiwick {command}"))
    }

    /// Adds `--flag value` when there is a value.
    pub(crate) fn with<T: ToString>(mut self, flag: &str, value: Option<T>) -> Self {
        if let Some(value) = value {
            self.0.push_str(&format!(" --{flag} {}", word(&value.to_string())));
        }
        self
    }

    pub(crate) fn limit(self, limit: u32) -> Self {
        self.with("limit", Some(limit).filter(|limit| *limit != LIST_DEFAULT))
    }

    /// Puts it into a document that is shown as text; `--json` is what the server said.
    pub(crate) fn within(self, document: &mut Value, invocation: &Invocation) {
        if let Some(fields) = document.as_object_mut().filter(|_| invocation.output.form() == Form::Text) {
            fields.insert("typed".to_owned(), Value::String(self.0));
        }
    }
}

/// The command for what comes after `after`; `command` where it is not known how the list was asked for.
pub(crate) fn go_on(typed: Option<&str>, command: &str, after: &str) -> String {
    let typed = typed.map_or_else(|| format!("bailiwick {command}"), str::to_owned);
    format!("{typed} --after {}", word(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_for_the_next_page_has_every_filter() {
        let Typed(typed) = Typed::new("audit list")
            .with("app", Some("mtwo"))
            .with("person", None::<&str>)
            .with("kept", Some("bo's search"))
            .with("since", Some("2026-11-03T00:00:00.000Z"))
            .limit(2);
        assert_eq!(
            go_on(Some(&typed), "audit list", "177"),
            r"bailiwick audit list --app mtwo --kept 'bo'\''s search' --since 2026-11-03T00:00:00.000Z --limit 2 --after 177"
        );
        let Typed(plain) = Typed::new("apps").limit(LIST_DEFAULT);
        assert_eq!(go_on(Some(&plain), "apps", "two"), go_on(None, "apps", "two"));
        assert_eq!(go_on(None, "apps", ""), "bailiwick apps --after ''");
    }
}
