//! Which order and which way to share suit a job that leaves the choice to Tern, by what was measured.
//!
//! A deadline is met best by the earliest first. A batch, which with what waits has at least as many tasks as there are slots, of lengths that differ ends
//! soonest longest first, since a long task that begins last is waited for by all. Few tasks of known length go by their response
//! ratio, which halves what people wait on the mean. Where nothing is known, or all are alike, the order of arrival is as good as any
//! and the fairest. And where a task takes longer to travel than to run, none of them leaves.

use serde::{Deserialize, Serialize};

use crate::words::Discipline;

/// Lengths that differ by less than this part of their mean are alike: their estimates are wrong by more.
const ALIKE: f64 = 0.1;

/// A job of fewer tasks is no batch: somebody waits for each of them, and not for the last.
const BATCH: u32 = 8;

/// What is known of the tasks' lengths, in milliseconds on the reference core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lengths {
    pub mean_ms: f64,
    /// Standard deviation over mean, of tasks within the job or of runs of the command before.
    pub variation: f64,
}

/// What the choice is made from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Picture {
    pub tasks: u32,
    /// Tasks of other jobs that wait on this node.
    pub waiting: u64,
    /// Of the whole grid, as far as it is heard.
    pub slots: u32,
    pub deadline: bool,
    pub lengths: Option<Lengths>,
    /// What a lent task took beside its run, on the mean of lately; none: none was lent.
    pub carry_ms: Option<f64>,
    /// Its tasks may run elsewhere.
    pub may_leave: bool,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    Deadline,
    /// A batch that fills the slots, of lengths that differ.
    Batch,
    /// Few tasks, or fewer than slots, of known lengths.
    Few,
    Alike,
    Unknown,
}

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    pub order: Discipline,
    /// It takes longer to travel than to run.
    pub stay: bool,
    pub why: Why,
}

#[must_use]
pub fn choose(picture: &Picture) -> Choice {
    let fills = u64::from(picture.tasks) + picture.waiting >= u64::from(picture.slots);
    let (order, why) = match picture.lengths {
        _ if picture.deadline => (Discipline::Deadline, Why::Deadline),
        None => (Discipline::Fifo, Why::Unknown),
        Some(lengths) if picture.tasks >= BATCH && fills && lengths.variation >= ALIKE => {
            (Discipline::Batch, Why::Batch)
        }
        Some(_) if picture.tasks < BATCH || !fills => (Discipline::Interactive, Why::Few),
        Some(_) => (Discipline::Fifo, Why::Alike),
    };
    let slower = |carry: f64| picture.lengths.is_some_and(|lengths| carry > lengths.mean_ms);
    // Where all slots here are free for it, travelling gains nothing; where they are not, waiting for one is still shorter.
    let stay = picture.may_leave && picture.carry_ms.is_some_and(slower);
    Choice { order, stay, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_workload_has_its_order() {
        let lengths = |variation| Some(Lengths { mean_ms: 1_000.0, variation });
        let few = Picture { tasks: 3, slots: 20, lengths: lengths(1.0), may_leave: true, ..Picture::default() };
        let of = |picture: Picture| (choose(&picture).order, choose(&picture).why);
        assert_eq!(of(few), (Discipline::Interactive, Why::Few));
        assert_eq!(of(Picture { tasks: 20, ..few }), (Discipline::Batch, Why::Batch));
        assert_eq!(of(Picture { tasks: 20, lengths: lengths(0.05), ..few }), (Discipline::Fifo, Why::Alike));
        assert_eq!(of(Picture { lengths: None, ..few }), (Discipline::Fifo, Why::Unknown));
        assert_eq!(of(Picture { deadline: true, lengths: None, ..few }), (Discipline::Deadline, Why::Deadline));
        assert_eq!(of(Picture { tasks: 1, slots: 0, ..few }), (Discipline::Interactive, Why::Few));
        assert_eq!(of(Picture { tasks: 9, waiting: 11, ..few }), (Discipline::Batch, Why::Batch));
        assert_eq!(of(Picture { waiting: 100, ..few }), (Discipline::Interactive, Why::Few));
    }

    #[test]
    fn what_travels_longer_than_it_runs_stays() {
        let lengths = Some(Lengths { mean_ms: 100.0, variation: 0.0 });
        let known = Picture { tasks: 9, slots: 4, lengths, may_leave: true, ..Picture::default() };
        assert!(!choose(&known).stay, "nothing was lent yet");
        assert!(!choose(&Picture { carry_ms: Some(99.0), ..known }).stay);
        assert!(choose(&Picture { carry_ms: Some(101.0), ..known }).stay);
        assert!(
            !choose(&Picture { carry_ms: Some(101.0), lengths: None, ..known }).stay,
            "nobody knows how long they run"
        );
    }
}
