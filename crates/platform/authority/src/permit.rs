//! The permit: proof that authority was asked about this caller, this act and this target.

use crate::{ACTS, Act, Caller, Durability, HeldOff, Rule, Target};
use model::Timestamp;
use serde::{Deserialize, Serialize};

/// Made by `Authority` alone, used up by the act; not `Clone`.
#[derive(Debug)]
#[must_use = "a permit that is not used is an act that did not happen"]
pub struct Permit<A: Act> {
    caller: Caller,
    act: A,
    epoch: u64,
    good_until: Timestamp,
    exception: Option<&'static str>,
    held_off: Vec<HeldOff>,
}

impl<A: Act> Permit<A> {
    pub(crate) const fn new(
        caller: Caller,
        act: A,
        epoch: u64,
        good_until: Timestamp,
        exception: Option<&'static str>,
    ) -> Self {
        Self { caller, act, epoch, good_until, exception, held_off: Vec::new() }
    }

    pub(crate) fn holding_off(self, held_off: Vec<HeldOff>) -> Self {
        Self { held_off, ..self }
    }

    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    pub const fn act(&self) -> &A {
        &self.act
    }

    /// The earliest expiry among the facts that the decision used; streams are judged again then.
    pub const fn good_until(&self) -> Timestamp {
        self.good_until
    }

    /// The authority epoch that the decision saw.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// `break-glass`, when the permit rests on an exception.
    pub const fn exception(&self) -> Option<&'static str> {
        self.exception
    }

    /// What policy refused, and a waiver held off.
    pub fn held_off(&self) -> &[HeldOff] {
        &self.held_off
    }

    /// Uses the permit up: what the record needs to know of it, without the act's type.
    #[must_use]
    pub fn spend(self) -> (A, Spent) {
        let spent = Spent {
            target: self.act.target(),
            caller: self.caller,
            rule: A::RULE,
            epoch: self.epoch,
            exception: self.exception,
            held_off: self.held_off,
        };
        (self.act, spent)
    }
}

/// A used permit: who, what and on what, for the event. Cannot be made any other way, but from what `keep` gave.
#[derive(Debug)]
pub struct Spent {
    caller: Caller,
    target: Target,
    rule: &'static Rule,
    epoch: u64,
    exception: Option<&'static str>,
    held_off: Vec<HeldOff>,
}

impl Spent {
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    #[must_use]
    pub const fn rule(&self) -> &'static Rule {
        self.rule
    }

    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    #[must_use]
    pub const fn exception(&self) -> Option<&'static str> {
        self.exception
    }

    /// What policy refused, and a waiver held off.
    #[must_use]
    pub fn held_off(&self) -> &[HeldOff] {
        &self.held_off
    }
}

/// A used permit as the journal of cuts keeps it, until the record takes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    caller: Caller,
    target: Target,
    act: String,
    exception: Option<String>,
}

impl Spent {
    /// For the journal of cuts.
    #[must_use]
    pub fn keep(&self) -> Kept {
        Kept {
            caller: self.caller.clone(),
            target: self.target.clone(),
            act: self.rule.name.to_owned(),
            exception: self.exception.map(str::to_owned),
        }
    }

    /// What was kept, once more. Only for acts that take authority away: nothing that comes out of a file gives any.
    #[must_use]
    pub fn again(kept: Kept) -> Option<Self> {
        let rule = ACTS.iter().find(|rule| rule.name == kept.act && rule.durability == Durability::Cut)?;
        Some(Self {
            caller: kept.caller,
            target: kept.target,
            rule,
            epoch: 0,
            exception: kept.exception.map(|_| "break-glass"),
            held_off: Vec::new(),
        })
    }
}
