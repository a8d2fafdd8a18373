//! How far a cut has come: whether the record has it, and whether every node has done it.

use crate::{ink::Tone, page::Page};
use serde::Deserialize;

/// What a document says of it. A server that says nothing has nothing to say.
#[derive(Debug, Deserialize)]
pub(crate) struct Reach {
    #[serde(default = "yes")]
    recorded: bool,
    #[serde(default = "yes")]
    pub(crate) everywhere: bool,
}

const fn yes() -> bool {
    true
}

impl Reach {
    /// Nothing, where all is done.
    pub(crate) fn show(&self, page: &mut Page) {
        if !self.recorded {
            page.line("the record cannot be written now; its event follows as soon as it can be");
        }
        if !self.everywhere {
            let words =
                "not everywhere yet: another node has not said that it has done so, and may go on until it hears of it";
            let words = page.paint(Tone::Bad, words);
            page.line(words);
            page.under("the server's log says what failed; a node that you stop serves nothing");
        }
    }
}
