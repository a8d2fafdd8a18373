//! Why an act would be allowed or refused, step by step, without a permit: for people who ask.
//!
//! It is answered by the same code that decides, so that the two cannot differ. What an act brings along itself (the
//! manifest of a deploy, who asked for what is approved) is not known here, and so not judged.

use crate::{
    Act, Authority, BreakGlass, Caller, Denied, MachineMay, Rule, SecondFactor, Target, authority::Case, rules,
};
use model::Group;
use serde::Serialize;

/// An act that somebody would do.
#[derive(Debug, Clone)]
pub struct Question {
    pub rule: &'static Rule,
    pub target: Target,
    /// The team that owns the target.
    pub team: Option<Group>,
    pub break_glass: BreakGlass,
}

/// What authority would answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    pub act: &'static str,
    pub says: &'static str,
    pub allowed: bool,
    /// Of the first step that refuses.
    pub code: Option<String>,
    pub why: Option<String>,
    pub fix: Option<String>,
    /// Who may, in words.
    pub who: String,
    /// Whether a person's session needs a second factor, not older than ten minutes.
    pub second_factor: bool,
    /// Whether the local credential may by `--break-glass` alone.
    pub break_glass: bool,
    pub steps: Vec<Step>,
}

/// One thing that was looked at, in order; all must pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub looked_at: &'static str,
    pub passed: bool,
    pub code: Option<String>,
    pub why: Option<String>,
}

/// Stands for whichever act is asked about: the case has its rule and target.
#[derive(Debug)]
struct Asked {
    target: Target,
    team: Option<Group>,
    break_glass: BreakGlass,
}

impl Act for Asked {
    const RULE: &'static Rule = &rules::POLICY_EXPLAIN;
    fn target(&self) -> Target {
        self.target.clone()
    }
    fn team(&self) -> Option<Group> {
        self.team.clone()
    }
    fn break_glass(&self) -> BreakGlass {
        self.break_glass
    }
}

impl Authority {
    /// What would be answered, now.
    #[must_use]
    pub fn explain(&self, caller: &Caller, question: Question) -> Explanation {
        let Question { rule, target, team, break_glass } = question;
        let facts = self.facts(&caller.tenant);
        let case = Case::new(caller, rule, target.clone(), &facts, self.clock.now());
        let asked = Asked { target, team, break_glass };
        let answers = [
            ("walls", case.walls()),
            ("table of acts", case.matrix(&asked)),
            ("second factor", case.second_factor()),
            ("policy", self.policy_answer(&case, &asked).map(drop)),
        ];
        let refused = answers.iter().find_map(|(_, answer)| answer.as_ref().err()).cloned();
        let step = |(looked_at, answer): (&'static str, Result<(), Denied>)| {
            let denied = answer.err();
            Step {
                looked_at,
                passed: denied.is_none(),
                code: denied.as_ref().map(|denied| denied.code.clone()),
                why: denied.map(|denied| denied.why),
            }
        };
        Explanation {
            act: rule.name,
            says: rule.says,
            allowed: refused.is_none(),
            code: refused.as_ref().map(|denied| denied.code.clone()),
            why: refused.as_ref().map(|denied| denied.why.clone()),
            fix: refused.map(|denied| denied.fix),
            who: case.who_could(),
            second_factor: rule.second_factor == SecondFactor::Fresh,
            break_glass: rule.machine == MachineMay::BreakGlass,
            steps: answers.into_iter().map(step).collect(),
        }
    }
}
