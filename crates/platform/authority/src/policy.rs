//! Policy in Rego: narrows what the table of acts allows. Version 1 and version 0 syntax, bounded work.

use regorus::{
    Engine, Value, languages::rego::compiler::Compiler, rvm::program::Program, rvm::vm::RegoVM,
    utils::limits::ExecutionTimerConfig,
};
use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Instructions that one decision may take; a shipped decision takes about 300.
const INSTRUCTIONS_MAX: usize = 100_000;
/// Wall-clock time that one decision may take.
const TIME_MAX: Duration = Duration::from_millis(50);
/// Work units between looks at the clock.
const CLOCK_EVERY: NonZeroU32 = NonZeroU32::new(1_000).unwrap();
/// Machines that wait for the next decision: more than decide at once on the largest servers.
const IDLE_MAX: usize = 64;
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
    programs: Arc<[Compiled]>,
    /// As it is written, to look for codes in.
    text: Arc<str>,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy").field("programs", &self.programs.len()).finish()
    }
}

/// One program, and the machines that have it loaded: making one costs more than a decision of the shipped bundle.
struct Compiled {
    program: Arc<Program>,
    idle: Mutex<Vec<RegoVM>>,
}

impl Compiled {
    fn machines(&self) -> MutexGuard<'_, Vec<RegoVM>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn machine(&self) -> RegoVM {
        if let Some(machine) = self.machines().pop() {
            return machine;
        }
        let mut machine = RegoVM::new();
        machine.set_max_instructions(INSTRUCTIONS_MAX);
        machine.set_execution_timer_config(Some(ExecutionTimerConfig { limit: TIME_MAX, check_interval: CLOCK_EVERY }));
        machine.load_program(Arc::clone(&self.program));
        machine
    }

    /// Runs the rules. Each run begins anew: the machine forgets registers, caches and counts of the one before.
    fn decide(&self, input: Value) -> Result<Value, PolicyError> {
        let mut machine = self.machine();
        machine.set_input(input);
        // One that failed is not used again.
        let answer = machine.execute().map_err(|error| PolicyError::Undecided { reason: error.to_string() })?;
        machine.set_input(Value::Null);
        let mut idle = self.machines();
        if idle.len() < IDLE_MAX {
            idle.push(machine);
        }
        Ok(answer)
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
                programs.push(Compiled { program: program(engine)?, idle: Mutex::default() });
            }
        }
        let text: String = files.iter().map(|(_, text)| text.as_str()).collect();
        Ok(Self { programs: programs.into(), text: text.into() })
    }

    /// Whether this code is written in it: what is not, it refuses nothing with.
    pub(crate) fn names(&self, code: &str) -> bool {
        self.text.contains(&format!("\"{code}\""))
    }

    /// Every refusal for this input, sorted by code; none means that policy does not object.
    pub(crate) fn refusals(&self, input: &Value) -> Result<Vec<Refusal>, PolicyError> {
        if self.programs.is_empty() {
            return Err(PolicyError::Undecided { reason: "there is no policy bundle".to_owned() });
        }
        let mut refusals = Vec::new();
        for program in &*self.programs {
            let answer = program.decide(input.clone())?;
            // Most are empty, and need no turn through JSON.
            if answer == Value::Undefined || matches!(&answer, Value::Set(refused) if refused.is_empty()) {
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
