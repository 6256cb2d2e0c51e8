//! Recorded workloads and described machines, as text: the Standard Workload Format, or lists with a header line.
//!
//! A line that cannot be understood is refused with the name of its file, its number and the reason; nothing is guessed.

mod lines;
mod nodes;
mod swf;
mod tasks;

pub use lines::Refused;
pub use nodes::nodes;

use super::dice::Dice;
use super::model::{NodeSpec, TaskSpec, Workload};

/// Tasks of one workload.
pub const TASKS_MAX: usize = 10_000_000;
/// Machines of one grid.
pub const NODES_MAX: usize = 10_000;

/// Tasks from a file: in the Standard Workload Format if its name ends in `.swf`, else as a list. Where the file says nothing of
/// it, tasks are submitted on random nodes, and estimates err by a factor whose logarithm has the deviation `sigma`.
///
/// # Errors
/// The first line that is not understood.
pub fn workload(name: &str, text: &str, nodes: Vec<NodeSpec>, sigma: f64, seed: u64) -> Result<Workload, Refused> {
    let mut dice = Dice(seed ^ 0x696E);
    let is_swf = std::path::Path::new(name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("swf"));
    let mut tasks = if is_swf { swf::tasks(name, text)? } else { tasks::tasks(name, text)? };
    if nodes.is_empty() {
        return Err(Refused::whole(name, "there is no machine to run it on"));
    }
    let origins: Vec<usize> = (0..nodes.len().div_ceil(10)).map(|_| dice.below(nodes.len())).collect();
    for task in &mut tasks {
        task.origin = origins[dice.below(origins.len())];
        let error = (sigma * dice.normal() - 0.5 * sigma * sigma).exp();
        task.estimate = Some(task.work * error);
        meet_a_machine(name, task, &nodes)?;
    }
    tasks.sort_by(|a, b| a.arrival.total_cmp(&b.arrival));
    for (job, task) in tasks.iter_mut().enumerate() {
        task.job = job;
    }
    Ok(Workload { nodes, tasks })
}

fn meet_a_machine(name: &str, task: &TaskSpec, nodes: &[NodeSpec]) -> Result<(), Refused> {
    let has = |node: &NodeSpec| node.memory_mib.is_none_or(|memory| task.memory_mib <= memory);
    if nodes.iter().any(|node| task.cores <= node.cores && has(node)) {
        return Ok(());
    }
    let largest = nodes.iter().map(|node| node.cores).max().unwrap_or(0);
    let why = if task.cores > largest {
        format!("a task needs {} cores at once; the largest machine has {largest}", task.cores)
    } else {
        format!("a task needs {} cores and {} MiB of memory at once; no machine has both", task.cores, task.memory_mib)
    };
    Err(Refused { line: task.job, ..Refused::whole(name, &why) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machines() -> Vec<NodeSpec> {
        nodes("nodes.csv", "cores,speed,zone,memory_mib,bandwidth_mbit\n4,1.0,home,,800\n8,0.5,office,4096,80\n")
            .expect("two machines")
    }

    #[test]
    fn a_recorded_workload_and_a_list_are_read() {
        let swf =
            "; a comment\n1 0 3 120 2 -1 -1 2 300 -1 1 5 1 1 1 1 -1 -1\n2 10 0 60 1 -1 -1 1 60 -1 1 5 1 1 1 1 -1 -1\n";
        let read = workload("trace.swf", swf, machines(), 0.0, 1).expect("a good trace");
        assert_eq!(read.tasks.len(), 2);
        assert_eq!((read.tasks[0].work, read.tasks[0].cores, read.tasks[1].arrival), (120.0, 2, 10.0));
        let list =
            "arrival_s,work_s,cores,memory_mib,bytes,class,deadline_s\n0,5,1,100,1e6,batch,\n1.5,2,1,0,0,deadline,30\n";
        let read = workload("list.csv", list, machines(), 0.3, 1).expect("a good list");
        assert_eq!((read.tasks[0].memory_mib, read.tasks[1].deadline), (100, Some(30.0)));
    }

    #[test]
    fn a_bad_line_is_refused_by_its_number_and_reason() {
        let head = "arrival_s,work_s,cores,memory_mib,bytes,class,deadline_s\n";
        for (name, text, wanted) in [
            ("a.csv", format!("{head}0,5,1,0,0,batch,\n0,-5,1,0,0,batch,\n"), "a.csv:3: work_s: -5 is not"),
            ("a.csv", format!("{head}0,5,1,0,0,quick,\n"), "a.csv:2: class: \"quick\""),
            ("a.csv", format!("{head}0,5,1\n"), "a.csv:2: 3 fields where the header has 7"),
            ("a.csv", String::from("arrival_s,werk_s\n"), "a.csv:1: werk_s"),
            ("a.csv", format!("{head}0,1e308,1,0,0,batch,\n"), "a.csv:2: work_s: 1e308 is not"),
            ("a.csv", format!("{head}2e9,1,1,0,0,batch,\n"), "a.csv:2: arrival_s: 2e9 is more than"),
            ("a.csv", format!("{head}0,5,0,0,0,batch,\n"), "a.csv:2: cores: a task takes one"),
            ("a.csv", String::from("arrival_s,work_s,work_s\n"), "a.csv:1: work_s is there twice"),
            ("a.swf", String::from("1 0 3 1e308 1\n"), "a.swf:1: run time: 1e308 is not"),
            ("a.swf", String::from("1 0 3 2e9 1\n"), "a.swf:1: run time: 2e9 is more than"),
            ("a.csv", format!("{head}nan,5,1,0,0,batch,\n"), "a.csv:2: arrival_s"),
            ("a.csv", format!("{head}0,5,64,0,0,batch,\n"), "a.csv:2: a task needs 64 cores"),
            ("a.csv", format!("{head}0,5,8,8000,0,batch,\n"), "a.csv:2: a task needs 8 cores and 8000 MiB"),
            ("a.swf", String::from("1 0 3\n"), "a.swf:1: 3 fields"),
            ("a.swf", String::from("1 x 3 10 1\n"), "a.swf:1: submit time"),
            ("a.csv", String::new(), "a.csv: no header line"),
        ] {
            let refused = workload(name, &text, machines(), 0.0, 1).expect_err("a bad line");
            assert!(refused.to_string().starts_with(wanted), "{refused}");
        }
        let owner = "cores,speed,zone,bandwidth_mbit,owner\n4,1,0,800,10:2;5:0\n";
        let refused = nodes("n.csv", owner).expect_err("time goes back");
        assert!(refused.to_string().starts_with("n.csv:2: owner"), "{refused}");
        let refused = nodes("n.csv", "cores,owner\n2,0:3\n").expect_err("more than there are");
        assert!(refused.to_string().starts_with("n.csv:2: owner: 3 of 2 cores"), "{refused}");
    }
}
