//! Recorded workloads on described machines: whatever of them fits runs to its end, and the same file is the same course.

use tern_core::words::spec::Discipline;
use tern_sim::workload::{Report, Settings, nodes, run, workload};

const NODES: &str = "cores,speed,zone,memory_mib,bandwidth_mbit,owner\n8,1.0,home,8192,1000,60:7;90:0\n4,0.5,home,4096,100,\n\
                     16,1.5,office,65536,1000,\n";

fn replay(name: &str, text: &str, discipline: Discipline) -> Report {
    let nodes = nodes("nodes.csv", NODES).expect("three machines");
    let workload = workload(name, text, nodes, 0.3, 1).expect("a good list");
    run(&workload, &Settings { discipline, ..Settings::default() })
}

/// 200 jobs of one to four processors, some of which take much memory.
fn trace() -> String {
    let mut dice = fastrand::Rng::with_seed(7);
    let mut text = String::from("; MaxProcs: 16\n");
    let mut at = 0;
    for job in 1..=200 {
        at += dice.u32(0..8);
        let (takes, processors) = (dice.u32(1..60), [1, 1, 1, 2, 4][dice.usize(..5)]);
        let memory = [-1, 1_000_000, 2_000_000][dice.usize(..3)];
        text += &format!("{job} {at} -1 {takes} {processors} -1 {memory} {processors} -1 -1 1 1 1 1 1 1 -1 -1\n");
    }
    text
}

#[test]
fn a_recorded_trace_with_large_tasks_runs_to_its_end_in_every_lane() {
    for discipline in [Discipline::Fifo, Discipline::Interactive, Discipline::Batch, Discipline::Deadline] {
        let report = replay("trace.swf", &trace(), discipline);
        assert_eq!((report.tasks, report.unfinished, report.faults), (200, 0, 0), "{discipline:?}");
        assert!(report.makespan_over_bound >= 1.0, "{discipline:?}: {report}");
        let again = replay("trace.swf", &trace(), discipline);
        assert_eq!(report.to_string(), again.to_string(), "{discipline:?}");
    }
}

#[test]
fn a_task_that_needs_a_whole_machine_waits_until_it_is_free() {
    let mut list = String::from("arrival_s,work_s,cores,memory_mib,bytes,class,deadline_s\n");
    for task in 0..40 {
        list += &format!("{},30,1,0,1000000,,\n", task / 10);
    }
    list += "2,10,16,60000,0,,\n";
    let report = replay("list.csv", &list, Discipline::Fifo);
    assert_eq!((report.tasks, report.unfinished, report.faults), (41, 0, 0), "{report}");
}
