//! Waivers, as authority hears of them: an act that would bring something to life says which refusals of policy somebody
//! with a name took on for it. They hold a refusal off, and only such; the table of acts and every wall stand as they do.

use crate::{Act, Authority, Caller, Denied, Facts, authority::Case, policy::Refusal};
use model::{PersonId, Timestamp, WaiverId};

/// A waiver of one code, as the act that needs it tells of it. The newest of its code for that app, whether or not it
/// holds: one that does not is named in the denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    pub id: WaiverId,
    pub code: String,
    /// Who agreed: `person:ID`, `machine:USER`.
    pub by: String,
    /// It holds before this moment; of one that was ended early, when that was.
    pub until: Timestamp,
}

/// A refusal of policy that a waiver held off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldOff {
    pub waiver: Waiver,
    pub why: String,
    pub fix: String,
}

impl Case<'_> {
    /// What a waiver makes of a refusal today. One that holds no more is named, with whoever agreed to it.
    pub(crate) fn held_off(&self, refusal: Refusal, waivers: &[Waiver]) -> Result<HeldOff, Denied> {
        let Refusal { code, why, fix } = refusal;
        match waivers.iter().find(|waiver| waiver.code == code) {
            Some(waiver) if self.now < waiver.until => Ok(HeldOff { waiver: waiver.clone(), why, fix }),
            Some(over) => {
                let why = format!("{why}; {}", self.facts.waiver_is_over(over));
                Err(Denied::new(self.rule.name, &code, why, fix))
            }
            None => Err(Denied::new(self.rule.name, &code, why, fix)),
        }
    }
}

impl Authority {
    /// What policy refuses of a part of an act and a waiver holds off, for an act about several things at once: which of
    /// the waivers that its permit rests on each of them needs. Gives no permit.
    ///
    /// # Errors
    /// What policy refuses of that part and nothing holds off.
    pub fn held_off_of<A: Act>(&self, caller: &Caller, part: &A) -> Result<Vec<HeldOff>, Denied> {
        let (now, facts) = (self.clock.now(), self.facts(&caller.tenant));
        let case = Case::new(caller, A::RULE, part.target(), &facts, now);
        self.policy_answer(&case, part)
    }
}

impl Facts {
    /// An actor of an event (`person:ID`) as people know them.
    #[must_use]
    pub fn actor(&self, actor: &str) -> String {
        let person = actor.strip_prefix("person:").and_then(|id| self.people.get(&PersonId::new(id)));
        person.map_or_else(|| actor.to_owned(), |person| person.email.to_string())
    }

    /// Half a sentence that names a waiver which holds no more.
    #[must_use]
    pub fn waiver_is_over(&self, waiver: &Waiver) -> String {
        let on = waiver.until.to_string();
        let on = on.split('T').next().unwrap_or(&on);
        format!("the waiver that `{}` agreed to ended on {on}", self.actor(&waiver.by))
    }
}
