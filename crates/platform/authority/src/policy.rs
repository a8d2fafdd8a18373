//! Policy in Rego: narrows what the table of acts allows. Version 1 and version 0 syntax, bounded work.

use model::Timestamp;
use regorus::{Engine, Value, languages::rego::compiler::Compiler, rvm::program::Program, rvm::vm::RegoVM};
use std::{num::NonZeroU32, sync::Arc, time::Duration};

/// Instructions that one decision may take; a shipped decision takes about 300.
const INSTRUCTIONS_MAX: usize = 100_000;
/// Wall-clock time that one decision may take.
const TIME_MAX: Duration = Duration::from_millis(50);
/// Work units between looks at the clock.
const CLOCK_EVERY: NonZeroU32 = NonZeroU32::new(1_000).unwrap();
/// The set of refusals that a bundle computes.
const ENTRY: &str = "data.bailiwick.deny";

/// A bundle that cannot be used, or a decision that did not come about: both deny.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("the policy `{file}` does not compile: {reason}")]
    Compile { file: String, reason: String },
    #[error("the policy did not decide: {reason}")]
    Undecided { reason: String },
    #[error("the policy answered something that is not a set of refusals")]
    Shape,
}

/// One refusal by policy.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) why: String,
    pub(crate) fix: String,
}

/// A compiled bundle.
#[derive(Clone)]
pub struct Policy {
    programs: Vec<Arc<Program>>,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy").field("programs", &self.programs.len()).finish()
    }
}

impl Policy {
    /// Compiles `(file name, text)` pairs. Files in version 0 syntax are told by their not parsing as version 1;
    /// each version is a program of its own, and both must not refuse.
    ///
    /// # Errors
    /// A file that parses as neither, or a bundle that does not compile.
    pub fn compile(files: &[(String, String)]) -> Result<Self, PolicyError> {
        let (mut v1, mut v0) = (Engine::new(), Engine::new());
        v0.set_rego_v0(true);
        let (mut v1_count, mut v0_count) = (0_usize, 0_usize);
        for (file, text) in files {
            match v1.add_policy(file.clone(), text.clone()) {
                Ok(_) => v1_count += 1,
                Err(as_v1) => {
                    v0.add_policy(file.clone(), text.clone())
                        .map_err(|_| PolicyError::Compile { file: file.clone(), reason: as_v1.to_string() })?;
                    v0_count += 1;
                }
            }
        }
        let mut programs = Vec::new();
        for (engine, count) in [(&mut v1, v1_count), (&mut v0, v0_count)] {
            if count > 0 {
                programs.push(program(engine)?);
            }
        }
        Ok(Self { programs })
    }

    /// Every refusal for this input, sorted by code; none means that policy does not object.
    pub(crate) fn refusals(&self, input: &serde_json::Value, _now: Timestamp) -> Result<Vec<Refusal>, PolicyError> {
        let undecided = |error: &dyn std::fmt::Display| PolicyError::Undecided { reason: error.to_string() };
        if self.programs.is_empty() {
            return Err(PolicyError::Undecided { reason: "there is no policy bundle".to_owned() });
        }
        let input: Value = serde_json::from_value(input.clone()).map_err(|error| undecided(&error))?;
        let mut refusals = Vec::new();
        for program in &self.programs {
            let mut vm = RegoVM::new();
            vm.set_max_instructions(INSTRUCTIONS_MAX);
            vm.set_execution_timer_config(Some(regorus::utils::limits::ExecutionTimerConfig {
                limit: TIME_MAX,
                check_interval: CLOCK_EVERY,
            }));
            vm.load_program(Arc::clone(program));
            vm.set_input(input.clone());
            let answer = vm.execute().map_err(|error| undecided(&error))?;
            if answer == Value::Undefined {
                continue;
            }
            let answer = serde_json::to_value(&answer).map_err(|_| PolicyError::Shape)?;
            refusals.extend(serde_json::from_value::<Vec<Refusal>>(answer).map_err(|_| PolicyError::Shape)?);
        }
        refusals.sort_by(|a, b| a.code.cmp(&b.code));
        Ok(refusals)
    }
}

fn program(engine: &mut Engine) -> Result<Arc<Program>, PolicyError> {
    let failed =
        |error: &dyn std::fmt::Display| PolicyError::Compile { file: ENTRY.to_owned(), reason: error.to_string() };
    let compiled = engine.compile_with_entrypoint(&ENTRY.into()).map_err(|error| failed(&error))?;
    Compiler::compile_from_policy(&compiled, &[ENTRY]).map_err(|error| failed(&error))
}
