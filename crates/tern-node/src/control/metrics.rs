//! A node's counts and state as OpenMetrics text, which Prometheus and most collectors read.
//!
//! Names are `tern_<subsystem>_<quantity>_<unit>`. Counters begin anew with the agent; a figure that was not measured has no sample.

use std::fmt::{Display, Write};

use tern_core::observe::kpi::How;

use crate::node::{MetricsPage, Tally, WAIT_CLASSES_MS};

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Text of families, each with its samples behind it.
#[derive(Default)]
struct Text(String);

impl Text {
    /// What stands before the samples of a family. `unit`: the end of its name, or empty.
    fn family(&mut self, name: &str, kind: &str, unit: &str, help: &str) {
        self.line(format_args!("# TYPE {name} {kind}"));
        if !unit.is_empty() {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        self.line(format_args!("# HELP {name} {help}"));
    }

    fn line(&mut self, line: impl Display) {
        // Writing to a string cannot fail.
        let _ok = writeln!(self.0, "{line}");
    }

    fn counter(&mut self, name: &str, unit: &str, help: &str, value: impl Display) {
        self.family(name, "counter", unit, help);
        self.line(format_args!("{name}_total {value}"));
    }

    fn gauge(&mut self, name: &str, unit: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", unit, help);
        self.line(format_args!("{name} {value}"));
    }

    /// One counter for each word of a label. Words are ours: letters and `_`.
    fn counters(&mut self, (name, label): (&str, &str), help: &str, values: impl Iterator<Item = (String, u64)>) {
        self.family(name, "counter", "", help);
        for (word, value) in values {
            self.line(format_args!("{name}_total{{{label}=\"{word}\"}} {value}"));
        }
    }
}

/// The page, with its last line `# EOF`.
#[must_use]
pub fn text(page: &MetricsPage) -> String {
    let mut text = Text::default();
    text.family("tern_build", "info", "", "The version that runs.");
    text.line(format_args!("tern_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")));
    tasks(&mut text, &page.tally);
    waits(&mut text, &page.tally);
    standing(&mut text, page);
    refusals_and_ledger(&mut text, page);
    text.0.push_str("# EOF\n");
    text.0
}

fn tasks(text: &mut Text, tally: &Tally) {
    text.counter("tern_jobs_accepted_tasks", "tasks", "Tasks of jobs that were accepted here.", tally.accepted);
    text.counter(
        "tern_jobs_dispatched_tasks",
        "tasks",
        "Tasks handed to the process that starts them, each time anew.",
        tally.given,
    );
    let words = [
        (How::Done, "done"),
        (How::Failed, "failed"),
        (How::TimedOut, "timed_out"),
        (How::Cancelled, "cancelled"),
        (How::Void, "void"),
    ];
    let over = words.map(|(how, word)| (word.to_owned(), tally.over.get(&how).copied().unwrap_or(0)));
    text.counters(
        ("tern_jobs_ended_tasks", "outcome"),
        "Tasks accepted here that are over, wherever they ran.",
        over.into_iter(),
    );
    let again = "Ends of runs that were not the end of their task: it runs again, or another copy counted.";
    text.counter("tern_jobs_repeated_runs", "runs", again, tally.again);
    text.counter("tern_node_foreign_tasks", "tasks", "Runs here of tasks of other nodes that ended.", tally.foreign);
    let busy = "Time that tasks ran here times the slots that they took.";
    text.counter("tern_node_busy_seconds", "seconds", busy, tally.busy_ns as f64 / 1e9);
    text.counter("tern_sharing_lent_tasks", "tasks", "Tasks that went to other nodes.", tally.lent);
    text.counter(
        "tern_sharing_returned_tasks",
        "tasks",
        "Lent tasks that are back without having run.",
        tally.returned,
    );
    text.counter("tern_sharing_borrowed_tasks", "tasks", "Tasks that came from other nodes.", tally.borrowed);
}

fn waits(text: &mut Text, tally: &Tally) {
    let name = "tern_queue_latency_seconds";
    text.family(name, "histogram", "seconds", "From a task's acceptance to the start of the run that counted.");
    let mut below = 0;
    for (class, count) in tally.waits.iter().enumerate() {
        below += count;
        match WAIT_CLASSES_MS.get(class) {
            // A whole number has its `.0`: classes are compared as texts.
            Some(end) => text.line(format_args!("{name}_bucket{{le=\"{:?}\"}} {below}", *end as f64 / 1e3)),
            None => text.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {below}")),
        }
    }
    text.line(format_args!("{name}_count {below}"));
    text.line(format_args!("{name}_sum {}", tally.waited_ms as f64 / 1e3));
}

fn standing(text: &mut Text, page: &MetricsPage) {
    text.gauge("tern_queue_length_tasks", "tasks", "Tasks that wait here.", page.queued);
    text.gauge("tern_jobs_open_tasks", "tasks", "Tasks accepted here that are not over, wherever they are.", page.left);
    text.gauge("tern_node_slots", "slots", "Slots of this node.", page.slots);
    text.gauge("tern_node_open_slots", "slots", "Slots that are for tasks now.", page.open);
    text.gauge("tern_node_taken_slots", "slots", "Slots that tasks take now.", page.running);
    text.gauge("tern_node_draining", "", "1: the node starts nothing more.", u8::from(page.draining));
    text.gauge("tern_node_trit", "", "+1 overloaded, 0 balanced, -1 idle.", page.trit);
    text.family(
        "tern_node_load_ratio",
        "gauge",
        "ratio",
        "The load average over the CPUs, smoothed as the trit sees it.",
    );
    if let Some(load) = page.load {
        text.line(format_args!("tern_node_load_ratio {load}"));
    }
    let [plus, zero, minus] = page.trits;
    text.family("tern_grid_known_nodes", "gauge", "nodes", "Nodes whose trit is known here, this one among them.");
    for (word, count) in [("overloaded", plus), ("balanced", zero), ("idle", minus)] {
        text.line(format_args!("tern_grid_known_nodes{{trit=\"{word}\"}} {count}"));
    }
    let sum = i128::from(plus) - i128::from(minus);
    text.gauge("tern_grid_trit_sum", "", "S: overloaded nodes less idle ones.", sum);
}

fn refusals_and_ledger(text: &mut Text, page: &MetricsPage) {
    let refused = page.refused.iter().map(|(why, count)| (why.to_string(), *count));
    text.counters(("tern_messages_refused", "reason"), "What other nodes said and was not believed.", refused);
    let totals = &page.totals;
    let of_book = "Transfers in the book that this node keeps";
    text.counter(
        "tern_ledger_committed_transfers",
        "transfers",
        &format!("{of_book}, posted by both."),
        totals.committed,
    );
    text.counter("tern_ledger_aborted_transfers", "transfers", &format!("{of_book}, taken back."), totals.aborted);
    text.counter("tern_ledger_moved_tasks", "tasks", "Tasks of committed transfers.", totals.tasks);
    text.counter("tern_ledger_closed_epochs", "epochs", "Epochs that closed.", totals.epochs);
    text.counter(
        "tern_ledger_unequal_epochs",
        "epochs",
        "Those of them that did not add up to nothing.",
        totals.unequal,
    );
    text.counter("tern_ledger_unresolved_transfers", "transfers", "Of which one side never came.", totals.unresolved);
    text.counter("tern_ledger_unbrokered_postings", "postings", "Own postings that no broker took.", totals.unbrokered);
    text.gauge("tern_ledger_open_transfers", "transfers", "Of which one side has not posted yet.", page.transfers_open);
    let word = |why| serde_json::to_value(why).ok().and_then(|word| Some(word.as_str()?.to_owned()));
    let unposted = page.unposted.iter().filter_map(|(why, count)| Some((word(why)?, *count)));
    text.counters(("tern_ledger_refused_postings", "reason"), "Postings that were not entered.", unposted);
}

#[cfg(test)]
mod tests;
