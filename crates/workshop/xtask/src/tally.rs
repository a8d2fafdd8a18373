//! Reads what `cargo test` prints, as it comes: counts, keeps what a person needs, drops the rest.
//! Refuses to lose a failure: a test binary that ends without a result counts as one, and unknown lines are shown.

use std::collections::BTreeSet;

/// The sum over all test binaries so far.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// The binary whose result is still to come.
    running: Option<String>,
    /// The tests that failed, by name.
    fell: Vec<String>,
    /// What cargo must be told to run their binaries again: `--test followed`.
    binaries: BTreeSet<String>,
}

impl Tally {
    /// Takes one line of output; gives back what to show for it.
    pub(crate) fn take(&mut self, line: &str) -> Option<String> {
        let text = line.trim_start();
        if let Some(binary) = binary(text) {
            let lost = self.lost();
            self.running = Some(binary);
            return lost;
        }
        if let Some(result) = text.strip_prefix("test result: ") {
            return Some(self.result(result, line));
        }
        if let Some(test) = text.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.fell.push(test.to_owned());
        }
        self.binaries.extend(rerun(text));
        (!is_noise(text)).then(|| line.to_owned())
    }

    /// The output has ended; gives back what to show for a binary that never told its result.
    pub(crate) fn end(&mut self) -> Option<String> {
        self.lost()
    }

    /// How cargo runs again what failed, and nothing else; `None` when that cannot be said, or is more than `most`.
    pub(crate) fn again(&self, most: usize) -> Option<Vec<String>> {
        let few = !self.fell.is_empty() && self.fell.len() <= most;
        // Whatever failed besides has no name: a binary that died, one that was not built.
        if !few || u64::try_from(self.fell.len()) != Ok(self.failed) || self.binaries.is_empty() {
            return None;
        }
        let words = self.binaries.iter().flat_map(|binary| binary.split(' '));
        let exact = ["--", "--exact"].into_iter().chain(self.fell.iter().map(String::as_str));
        Some(words.chain(exact).map(str::to_owned).collect())
    }

    /// Takes what failed for passed, when all of it passed in `second`; gives back the names.
    pub(crate) fn settle(&mut self, second: &Self) -> Vec<String> {
        if second.failed > 0 || second.passed < self.failed {
            return Vec::new();
        }
        self.passed += self.failed;
        self.failed = 0;
        std::mem::take(&mut self.fell)
    }

    fn lost(&mut self) -> Option<String> {
        let binary = self.running.take()?;
        self.failed += 1;
        Some(format!("  {binary}: ended without a result"))
    }

    fn result(&mut self, result: &str, line: &str) -> String {
        let count = |name: &str| {
            result.split([';', '.']).find_map(|part| part.trim().strip_suffix(name)?.trim().parse::<u64>().ok())
        };
        let (Some(passed), Some(failed)) = (count(" passed"), count(" failed")) else {
            return line.to_owned();
        };
        self.passed += passed;
        self.failed += failed;
        let time = result.rsplit("finished in ").next().unwrap_or_default();
        let binary = self.running.take().unwrap_or_else(|| "tests".to_owned());
        format!("  {binary}: {passed} passed, {failed} failed, {time}")
    }
}

/// `Running unittests src/lib.rs (target/debug/deps/model-0a1b2c)` → `model src/lib.rs`.
fn binary(text: &str) -> Option<String> {
    if let Some(name) = text.strip_prefix("Doc-tests ") {
        return Some(format!("{name} documentation"));
    }
    let (source, path) = text.strip_prefix("Running ")?.strip_suffix(')')?.split_once(" (")?;
    let file = path.rsplit('/').next()?;
    let name = file.rsplit_once('-').map_or(file, |(name, _)| name);
    Some(format!("{name} {}", source.trim_start_matches("unittests ")))
}

/// ``error: test failed, to rerun pass `-p testkit --test followed` `` → `--test followed`, in whichever package.
fn rerun(text: &str) -> Option<String> {
    let passed = text.strip_prefix("error: test failed, to rerun pass `")?.strip_suffix('`')?;
    let (_, binary) = passed.strip_prefix("-p ")?.split_once(' ')?;
    Some(binary.to_owned())
}

fn is_noise(text: &str) -> bool {
    const OPENINGS: &[&str] = &[
        "Compiling ",
        "Finished ",
        "Fresh ",
        "Downloaded ",
        "Downloading ",
        "Updating ",
        "Locking ",
        "Blocking ",
        "Adding ",
        "running ",
    ];
    text.is_empty()
        || OPENINGS.iter().any(|opening| text.starts_with(opening))
        || (text.starts_with("test ") && text.ends_with(" ok"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str) -> (Tally, Vec<String>) {
        let mut tally = Tally::default();
        let mut shown: Vec<String> = output.lines().filter_map(|line| tally.take(line)).collect();
        shown.extend(tally.end());
        (tally, shown)
    }

    #[test]
    fn results_are_summed_over_binaries_and_passing_tests_are_silent() {
        let (tally, shown) = read(
            "   Compiling model v0.1.0 (/w/crates/foundation/model)\n    Finished `test` profile in 2.01s\n     Running unittests src/lib.rs (/t/debug/deps/model-0a1b2c)\n\nrunning 2 tests\ntest ids::tests::one ... ok\ntest two - should panic ... ok\n\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.31s\n\n     Running tests/hostile.rs (/t/debug/deps/hostile-99)\n\nrunning 3 tests\ntest bad ... FAILED\n\nfailures:\n\n---- bad stdout ----\nthread 'bad' panicked at x.rs:1:2:\nno\n\ntest result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n   Doc-tests model\n\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        );
        assert_eq!((tally.passed, tally.failed), (4, 1));
        assert_eq!(
            shown,
            [
                "  model src/lib.rs: 2 passed, 0 failed, 0.31s",
                "test bad ... FAILED",
                "failures:",
                "---- bad stdout ----",
                "thread 'bad' panicked at x.rs:1:2:",
                "no",
                "  hostile tests/hostile.rs: 2 passed, 1 failed, 1.00s",
                "  model documentation: 0 passed, 0 failed, 0.00s",
            ]
        );
    }

    #[test]
    fn a_binary_that_dies_counts_as_a_failure_wherever_it_stands() {
        let (tally, shown) = read(
            "     Running unittests src/lib.rs (/t/debug/deps/store-1)\nrunning 2 tests\n     Running tests/a.rs (/t/debug/deps/a-2)\nerror: test failed, to rerun pass `-p a`\n",
        );
        assert_eq!((tally.passed, tally.failed), (0, 2));
        assert_eq!(
            shown,
            [
                "  store src/lib.rs: ended without a result",
                "error: test failed, to rerun pass `-p a`",
                "  a tests/a.rs: ended without a result"
            ]
        );
    }

    const FELL: &str = "     Running tests/a.rs (/t/debug/deps/a-1)\ntest one ... FAILED\ntest result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\nerror: test failed, to rerun pass `-p house --test a`\n     Running unittests src/lib.rs (/t/debug/deps/b-2)\ntest mine::two ... FAILED\ntest result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\nerror: test failed, to rerun pass `-p b --lib`\n";

    #[test]
    fn a_few_that_fell_are_run_again_by_name() {
        let (tally, _) = read(FELL);
        let words = ["--lib", "--test", "a", "--", "--exact", "one", "mine::two"];
        assert_eq!(tally.again(2).unwrap(), words);
        assert!(tally.again(1).is_none(), "many are no accident");
        let died =
            "     Running tests/c.rs (/t/debug/deps/c-3)\nerror: test failed, to rerun pass `-p house --test c`\n";
        assert!(read(&format!("{FELL}{died}")).0.again(9).is_none(), "a binary that died has no name to run");
        assert!(read("").0.again(9).is_none());
    }

    #[test]
    fn only_what_passes_then_counts_as_passed() {
        let result = |passed: u64, failed: u64| Tally { passed, failed, ..Tally::default() };
        let (mut tally, _) = read(FELL);
        assert!(tally.settle(&result(1, 1)).is_empty() && tally.settle(&result(1, 0)).is_empty());
        assert_eq!((tally.passed, tally.failed), (2, 2));
        assert_eq!(tally.settle(&result(2, 0)), ["one", "mine::two"]);
        assert_eq!((tally.passed, tally.failed), (4, 0));
    }

    #[test]
    fn what_the_compiler_says_is_shown() {
        let (tally, shown) = read("error[E0308]: mismatched types\n  --> src/lib.rs:1:1\n");
        assert_eq!(shown.len(), 2);
        assert_eq!((tally.passed, tally.failed), (0, 0));
    }
}
