//! One run of the program: where its words go, which server it means, and what it may do unasked.

use crate::{
    cli::Globals,
    client::Client,
    output::Output,
    place::{Environment, Place},
    progress,
    prompt::{self, Consent},
};
use model::{Clock as _, Problem, SystemClock, Timestamp};
use std::path::Path;

pub(crate) struct Invocation {
    pub(crate) output: Output,
    pub(crate) environment: Environment,
    server: Option<String>,
    consent: Consent,
}

impl Invocation {
    pub(crate) fn new(output: Output, globals: Globals, environment: Environment) -> Self {
        let consent = if globals.yes { Consent::Given } else { Consent::Ask };
        Self { output, environment, server: globals.server, consent }
    }

    /// The server that is meant.
    ///
    /// # Errors
    /// An address that is none.
    pub(crate) fn place(&self) -> Result<Place, Problem> {
        Place::find(self.server.as_deref(), &self.environment)
    }

    /// The server whose folder is on this machine, if there is one and no other is named; see [`Place::here`].
    ///
    /// # Errors
    /// As [`Invocation::place`].
    pub(crate) fn place_here(&self, configured: impl FnOnce(&Path) -> Option<String>) -> Result<Place, Problem> {
        Place::here(self.server.as_deref(), &self.environment, configured)
    }

    /// A client for it.
    ///
    /// # Errors
    /// As [`Invocation::place`]; a credential that cannot be used.
    pub(crate) fn client(&self) -> Result<Client, Problem> {
        Client::new(self.place()?, &self.environment)
    }

    /// Waits for work, and says so if it takes long.
    pub(crate) async fn during<F: Future>(&self, words: &str, work: F) -> F::Output {
        progress::during(&self.output, words, work).await
    }

    /// The same, with words that say how far it is.
    pub(crate) async fn watching<F: Future>(&self, words: impl Fn() -> String, work: F) -> F::Output {
        progress::watching(&self.output, words, work).await
    }

    /// Goes on after a yes.
    ///
    /// # Errors
    /// A no; or nobody there to ask.
    pub(crate) fn confirm(&self, question: &str) -> Result<(), Problem> {
        prompt::confirm(&self.output, self.consent, question)
    }

    /// The same, where somebody is there to be asked.
    ///
    /// # Errors
    /// A no.
    pub(crate) fn confirm_if_there(&self, question: &str) -> Result<(), Problem> {
        prompt::confirm_if_there(&self.output, self.consent, question)
    }

    /// Whether a question would be asked.
    pub(crate) fn asks(&self) -> bool {
        self.consent == Consent::Ask && prompt::somebody_there()
    }

    pub(crate) fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}
