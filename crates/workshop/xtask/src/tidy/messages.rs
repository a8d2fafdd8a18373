//! The catalogue of messages: every problem, finding, notice and alarm that a person can be shown, in one file that is
//! read like any other change.
//!
//! It follows each problem from where it is made to its words: through `format!`, local names and constants, and through
//! functions that only hand words on (found by what they do, not by a list). What cannot be followed stands there as the
//! code that makes it, so nothing is left out unseen.

mod calls;
mod literals;
mod tokens;
mod words;

use super::{Complaint, File, Weight};
use anyhow::{Context, Result};
use calls::{Message, messages};
use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

const CATALOGUE: &str = "docs/messages.md";
const HEAD: &str = "# Messages

Every problem, finding, notice and alarm that somebody can be shown, by its code: what happened, why, what to do. A notice is its subject and its text. Under `done` stands what a page says after an act, under `page` what it says first of an app that needs a look. Made from the source by `cargo xtask messages`; `tidy` fails when a message changes without it. `{…}` is filled in when it is shown, or is code that makes the words; ` | ` stands between words of which one is shown.
";

/// Rules that speak for themselves.
const RULES: &str = "rules/secrets.toml";

/// The file as it should be.
fn catalogue(files: &[File]) -> Result<String> {
    let mut by_code: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    let rules = files.iter().find(|file| file.path == RULES).map(|file| literals::rules(&file.text)).transpose()?;
    for message in messages(files)?.into_iter().chain(rules.unwrap_or_default()) {
        let known = by_code.entry(message.code.clone()).or_default();
        if !known.contains(&message) {
            known.push(message);
        }
    }
    let mut text = HEAD.to_owned();
    for (code, mut messages) in by_code {
        messages.sort();
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## {code}\n\n");
        for Message { what, why, fix, .. } in messages {
            let why = why.trim_end_matches('.');
            let _ = match (why.is_empty(), fix.is_empty()) {
                (true, _) => writeln!(text, "- **{}**.", what.trim_end_matches('.')),
                (false, true) => writeln!(text, "- **{what}**: {why}."),
                (false, false) => writeln!(text, "- **{what}**: {why}. *{fix}*"),
            };
        }
    }
    Ok(text)
}

pub(super) fn check(root: &Path, files: &[File], complaints: &mut Vec<Complaint>) -> Result<()> {
    // Trees of other rules' tests hold no catalogue, and no problem.
    let wanted = catalogue(files)?;
    let found = fs::read_to_string(root.join(CATALOGUE)).unwrap_or_default();
    if found == wanted || (found.is_empty() && wanted == HEAD) {
        return Ok(());
    }
    let same = wanted.lines().zip(found.lines()).take_while(|(wanted, found)| wanted == found).count();
    let line = wanted.lines().nth(same).unwrap_or("(nothing more)");
    complaints.push(Complaint {
        file: CATALOGUE.to_owned(),
        line: same + 1,
        what: format!("the catalogue does not say what the code does: `{line}`"),
        why: "what a person is shown is read before it is shared",
        fix: "`cargo xtask messages` writes it anew; read the difference".to_owned(),
        weight: Weight::Error,
    });
    Ok(())
}

/// Writes the file anew.
pub(crate) fn write(root: &Path) -> Result<()> {
    let text = catalogue(&super::gathered(root)?)?;
    fs::write(root.join(CATALOGUE), text).with_context(|| format!("writing {CATALOGUE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(sources: &[(&str, &str)]) -> String {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        catalogue(&sources.iter().map(file).collect::<Vec<_>>()).unwrap().replacen(HEAD, "", 1)
    }

    #[test]
    fn words_are_followed_to_where_they_stand() {
        let source = r#"
            const WHY: &str = "it is \"so\"";
            fn direct() -> Problem { Problem::new(ProblemKind::Invalid, "a.one", "what", WHY, "do it").at("x") }
            fn named(name: &str) -> Problem {
                let what = format!("`{name}` is not, and {} is", name.len());
                let fix = if name.is_empty() { "this" } else { "that" };
                Problem::new(ProblemKind::Invalid, "a.two", what, error.to_string(), fix)
            }
        "#;
        assert_eq!(
            said(&[("crates/f/x/src/lib.rs", source)]),
            "\n## a.one\n\n- **what**: it is \"so\". *do it*\n\n## a.two\n\n- **`{name}` is not, and {} is**: {error.to_string()}. *this | that*\n"
        );
    }

    #[test]
    fn a_function_that_hands_words_on_is_followed_to_its_callers() {
        let refusal = r#"
            pub(crate) fn refused(kind: ProblemKind, code: &str, what: impl Into<String>, why: &str, fix: &str) -> Error {
                Error::Refused(Problem::new(kind, code, what, why, fix))
            }
            fn not_ready(what: &str, why: &str) -> Problem { Problem::new(K::U, "b.ready", what, why, "wait") }
        "#;
        let user = r#"
            fn a() { not_ready("the engine is cold", "it is new") }
            fn b() -> Error { Error::refused(K::I, "b.two", "no", "so", "then") }
            impl R { fn wrong(&mut self, key: &str, why: &str) { self.0.push(Problem::new(K::I, "b.key", format!("`{key}` is wrong"), why, "mend it")) } }
            fn c(r: &mut R) { r.wrong("x", "it is five") }
            fn d(r: &mut R) { let mut bad = |why: &str| { r.wrong("y", why); None }; bad("it is six") }
        "#;
        let text = said(&[("crates/f/x/src/a.rs", refusal), ("crates/f/x/src/b.rs", user)]);
        for line in [
            "- **the engine is cold**: it is new. *wait*",
            "- **no**: so. *then*",
            "- **`{key}` is wrong**: it is five. *mend it*",
            "- **`{key}` is wrong**: it is six. *mend it*",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("{what}") && !text.contains("## {"), "who only hands on says nothing: {text}");
    }

    #[test]
    fn what_is_handed_on_too_often_is_not_left_out_silently() {
        let made = "fn f0(what: &str) -> Problem { Problem::new(K::I, \"e.deep\", what, \"so\", \"then\") }";
        let chain = |length: usize| {
            let handed = (1..length).map(|at| format!("fn f{at}(what: &str) -> Problem {{ f{}(what) }}", at - 1));
            let last = format!("fn last() -> Problem {{ f{}(\"deep\") }}", length - 1);
            let text = std::iter::once(made.to_owned()).chain(handed).chain([last]).collect::<Vec<_>>().join("\n");
            catalogue(&[File { path: "crates/f/x/src/lib.rs".to_owned(), text }])
        };
        assert!(chain(5).unwrap().contains("- **deep**: so. *then*"));
        let refused = chain(6).unwrap_err().to_string();
        assert!(refused.contains("`f5`"), "{refused}");
    }

    #[test]
    fn words_that_are_chosen_together_stand_in_their_places() {
        let source = r#"
            fn f(late: bool) -> Problem {
                let (what, fix) = if late { ("too late", "hurry") } else { (&*format!("{late} early"), "wait") };
                Problem::new(K::I, "d.one", what, "so", fix)
            }
        "#;
        assert_eq!(
            said(&[("crates/f/x/src/lib.rs", source)]),
            "\n## d.one\n\n- **too late | {late} early**: so. *hurry | wait*\n"
        );
    }

    #[test]
    fn findings_notices_and_alarms_are_messages_too() {
        let gate = r#"
            fn finding(code: &str, file: &str, what: String, why: &str, fix: String) -> Finding {
                Finding { code: code.to_owned(), file: Some(file.to_owned()), what, why: why.to_owned(), fix, edits: Vec::new() }
            }
            fn missing(name: &str) -> Finding { finding("g.one", name, format!("`{name}` is not there"), "it begins there", "add it".to_owned()) }
            fn whole() -> Finding { Finding { code: "g.two".into(), what: "all".into(), why: "so".into(), fix: "then".into() } }
            fn copied(problem: &Problem) -> Finding { Finding { code: problem.code.clone(), what: problem.what.clone(), why: problem.why.clone(), fix: problem.fix.clone() } }
            fn apart(found: Finding) { let Finding { code, what, why, fix } = found; }
        "#;
        let notices = r#"
            static ALARMS: &[Alarm] = &[Alarm::of_node("record", "it is full.", "make room.")];
            fn waits(&self, name: &str) -> Words {
                Words { subject: format!("`{name}` waits"), what: "someone asks.".to_owned(), why: "you decide", next: "look.".to_owned(), link: self.link() }
            }
        "#;
        assert_eq!(
            said(&[
                ("crates/f/x/src/a.rs", gate),
                ("crates/p/server/src/b.rs", notices),
                (
                    "rules/secrets.toml",
                    "[[rule]]\nid = \"k\"\nname = \"a key\"\nwhy = \"it opens\"\nmend = \"turn it\"\n"
                )
            ]),
            "\n## alarm\n\n- **it is full.**: this comes to you because you are an operator. *make room.*\n\n## g.one\n\n- **`{name}` is not there**: it begins there. *add it*\n\n## g.two\n\n- **all**: so. *then*\n\n## notice\n\n- **`{name}` waits: someone asks**: you decide. *look.*\n\n## secret.found: k\n\n- **a key**: it opens. *turn it*\n"
        );
    }

    #[test]
    fn what_pages_say_after_an_act_stands_there_too() {
        let page = r#"
            fn did(viewer: &Viewer) -> Page { let lead = "Whoever asked sees your words."; Done::new(viewer, Here::Requests, "it is sent back", lead).page() }
            fn look(&self) -> Notice { Notice::new("bad", "off", "It is switched off.").to(link, "The receipt") }
            const fn said(self) -> After { match self { Self::Ask => After { what: "Asked.", next: "Operators are told." } } }
        "#;
        assert_eq!(
            said(&[("crates/p/server/src/pages/x.rs", page)]),
            "\n## done\n\n- **Asked**: Operators are told.\n- **it is sent back**: Whoever asked sees your words.\n\n## page\n\n- **It is switched off**.\n"
        );
    }

    #[test]
    fn a_function_of_ones_own_file_is_not_mixed_up_with_anothers() {
        let maker = "fn unknown(why: &str) -> Problem { Problem::new(K::I, \"h.one\", \"no\", why, \"then\") }\nfn a() { unknown(\"so\") }";
        let other = "fn unknown(event: &Id) -> Problem { Problem::new(K::I, \"h.two\", format!(\"no {event}\"), \"gone\", \"look\") }\nfn b(id: &Id) { unknown(&id.event) }";
        assert_eq!(
            said(&[("crates/f/x/src/a.rs", maker), ("crates/f/x/src/b.rs", other)]),
            "\n## h.one\n\n- **no**: so. *then*\n\n## h.two\n\n- **no {event}**: gone. *look*\n"
        );
    }

    #[test]
    fn tests_and_comments_say_nothing() {
        let source = "// Problem::new(K, \"no\", \"a\", \"b\", \"c\")\n#[cfg(test)]\nmod tests { fn f() { Problem::new(K, \"no\", \"a\", \"b\", \"c\") } }";
        assert_eq!(
            said(&[
                ("crates/f/x/src/lib.rs", source),
                ("crates/f/x/tests/t.rs", "fn f() { Problem::new(K, \"no\", \"a\", \"b\", \"c\") }")
            ]),
            ""
        );
    }
}
