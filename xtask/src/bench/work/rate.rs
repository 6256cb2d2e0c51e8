//! Tiny tasks over two nodes of one slot beside one node of two: what it costs that a task crosses.

use super::command::{Bench, join};
use crate::bench::mesh::{Goal, Sheet};
use crate::bench::node::{Agent, cpu_seconds};
use crate::bench::pairs::seconds;

const TASKS: usize = 10_000;
const TASK: &str = "/bin/true";

pub fn measure(bench: &Bench, sheet: &mut Sheet) -> Result<(), String> {
    let tasks = TASKS / bench.divide;
    let list = bench.folder.lines(tasks)?;
    let alone = bench.agent("alone", 2, None)?;
    let (first, second) = (bench.agent("first", 1, None)?, bench.agent("second", 1, None)?);
    join(&first, &[&second])?;
    let map = |agent: &Agent, words: &[&str]| {
        let mut map = agent.command(&["map", "-n0", "-a"]);
        map.arg(&list).args(words).args(["--", TASK]);
        seconds(map)
    };
    let (mut one, mut two, mut cost) = (Vec::new(), Vec::new(), Vec::new());
    let used = || Ok::<f64, String>(cpu_seconds(first.pid)? + cpu_seconds(second.pid)?);
    for _ in 0..bench.pairs {
        one.push(seconds_a_task(map(&alone, &["-j2"])?, tasks));
        let before = used()?;
        two.push(seconds_a_task(map(&first, &["--share"])?, tasks));
        cost.push((used()? - before) * 1e6 / tasks as f64);
    }
    let rates = |seconds: &[f64]| seconds.iter().map(|seconds| 1.0 / seconds).collect::<Vec<f64>>();
    let words = "rate of 10k × `/bin/true` over two nodes of one slot, against one node of two slots";
    sheet.ratio(words, &rates(&two), &rates(&one), Goal::Least(0.9));
    sheet.value("CPU of both agents for such a task, all that they do for it", &cost, "µs", Goal::None);
    Ok(())
}

fn seconds_a_task(seconds: f64, tasks: usize) -> f64 {
    seconds / tasks as f64
}
