//! Counts what test programs say of themselves, line by line.

use std::fmt;

/// Tests over all programs of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
    /// Names of tests that are marked as ignored.
    pub ignored: Vec<String>,
}

impl Tally {
    /// Takes one line of a test program's output; lines of other kinds are passed over.
    pub fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count(counts, "passed");
            self.failed += count(counts, "failed");
            self.skipped += count(counts, "ignored");
        } else if let Some((name, end)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
            && end.starts_with("ignored")
        {
            self.ignored.push(name.to_string());
        }
    }

    /// A test that said it could not run had been counted as passed.
    pub fn skip(&mut self) {
        self.passed = self.passed.saturating_sub(1);
        self.skipped += 1;
    }
}

/// The number before `word` in `ok. 3 passed; 0 failed; …`.
fn count(text: &str, word: &str) -> usize {
    let mut before = "";
    for part in text.split([' ', ';', '.']).filter(|part| !part.is_empty()) {
        if part == word {
            return before.parse().unwrap_or(0);
        }
        before = part;
    }
    0
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    fn tally(text: &str) -> Tally {
        let mut tally = Tally::default();
        text.lines().for_each(|line| tally.read(line));
        tally
    }

    #[test]
    fn sums_over_programs_and_takes_ignored_tests_for_skipped() {
        let seen = tally(
            "running 3 tests\ntest a ... ok\ntest b::c ... ignored, needs root\ntest d ... FAILED\n\
             test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
             test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 1.20s\n",
        );
        assert_eq!(seen.to_string(), "41 passed, 1 failed, 1 skipped");
        assert_eq!(seen.ignored, ["b::c"]);
    }

    #[test]
    fn a_skip_is_not_a_pass() {
        let mut seen = tally("test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        seen.skip();
        assert_eq!(seen.to_string(), "1 passed, 0 failed, 1 skipped");
    }
}
