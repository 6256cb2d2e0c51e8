//! The life of a seed as text that a person can read: one line an event, with its time and its computer.

use std::fmt::Write as _;

/// Collects lines where somebody wants to read them.
#[derive(Clone, Debug, Default)]
pub struct Story {
    told: bool,
    text: String,
}

/// No life needs more; what comes later is cut and said.
const BYTES_MAX: usize = 64 << 20;

impl Story {
    #[must_use]
    pub fn told() -> Self {
        Self { told: true, text: String::new() }
    }

    #[must_use]
    pub const fn is_told(&self) -> bool {
        self.told
    }

    /// `at` in nanoseconds; nodes are numbered from 1 in print.
    pub fn tell(&mut self, at: u64, node: Option<usize>, who: &str, what: &str) {
        if self.text.len() > BYTES_MAX {
            if self.told {
                self.text.push_str("… the story is cut here: it is too long\n");
                self.told = false;
            }
            return;
        }
        let (seconds, micros) = (at / 1_000_000_000, at / 1_000 % 1_000_000);
        let place = node.map_or_else(|| "·".to_owned(), |node| (node + 1).to_string());
        let _ = writeln!(self.text, "{seconds:>4}.{micros:06}  {place}  {who:<7} {what}");
    }

    /// A line of its own.
    pub fn head(&mut self, line: &str) {
        if self.told {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    #[must_use]
    pub fn text(self) -> String {
        self.text
    }
}
