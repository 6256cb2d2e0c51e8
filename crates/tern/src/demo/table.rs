//! The live table: trits, queues, and who ran what.

use std::collections::BTreeMap;
use std::time::Duration;

use tern_node::control::api::StatusView;

use super::nodes::Trio;

/// Draws over itself on a terminal; elsewhere it prints a line a change.
pub struct Table {
    tasks: u32,
    /// No terminal: nothing is drawn over.
    quiet: bool,
    drawn: usize,
    last_done: u32,
}

impl Table {
    pub fn new(tasks: u32, quiet: bool) -> Self {
        Self { tasks, quiet, drawn: 0, last_done: 0 }
    }

    pub fn draw(
        &mut self,
        statuses: &[(&'static str, String, Option<StatusView>)],
        ran: &BTreeMap<String, u32>,
        grid: &str,
    ) {
        let done = ran.values().sum::<u32>();
        if self.quiet {
            // A tenth of the work is news enough for a log.
            if done >= self.last_done + self.tasks.div_ceil(10) {
                self.last_done = done;
                eprintln!("{done}/{} done", self.tasks);
                eprint!("{grid}");
            }
            return;
        }
        let mut text = String::new();
        if self.drawn > 0 {
            text.push_str(&format!("\x1b[{}A\x1b[J", self.drawn));
        }
        text.push_str(&format!("{:<7} {:<14} {:>6} {:>8} {:>6}  \n", "node", "trit", "queue", "running", "ran"));
        for (name, tag, status) in statuses {
            text.push_str(&row(name, status.as_ref(), ran.get(tag).copied().unwrap_or(0), self.tasks));
        }
        text.push_str(&format!("{done}/{} done\n", self.tasks));
        text.push_str(grid);
        self.drawn = text.lines().count();
        print!("{text}");
        flush();
    }

    /// A line that stays above the table.
    pub fn say(&mut self, text: &str) {
        if self.quiet {
            eprintln!("{text}");
        } else {
            println!("{text}");
            self.drawn = 0;
        }
    }

    pub fn summary(&self, trio: &Trio, ran: &BTreeMap<String, u32>, took: Duration, killed: bool, whole: bool) {
        let done = ran.values().sum::<u32>();
        println!();
        println!("{done} of {} tasks done in {:.1} s, each counted once.", self.tasks, took.as_secs_f64());
        for (name, tag) in trio.names() {
            let count = ran.get(tag).copied().unwrap_or(0);
            let note =
                if killed && name == "carol" { "  (killed in the middle; what it held ran elsewhere)" } else { "" };
            println!("  {name:<7} ran {count:>5}{note}");
        }
        if !whole {
            println!("Something is missing: this is a fault of Tern.");
        }
    }
}

fn row(name: &str, status: Option<&StatusView>, ran: u32, tasks: u32) -> String {
    const BAR: u32 = 24;
    let bar = "█".repeat((ran * BAR / tasks.max(1)) as usize);
    match status {
        Some(status) => {
            let trit = format!("{:+} {}", status.trit, status.trit_word);
            format!("{name:<7} {trit:<14} {:>6} {:>8} {ran:>6}  {bar}\n", status.queued, status.running)
        }
        None => format!("{name:<7} {:<14} {:>6} {:>8} {ran:>6}  {bar}\n", "gone", "–", "–"),
    }
}

fn flush() {
    use std::io::Write;
    // A closed pipe ends the drawing, not the demo.
    let _ = std::io::stdout().flush();
}
