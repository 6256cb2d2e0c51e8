//! A batch that comes again: what its tasks took the first time orders it the second time.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::ground::{Machine, Net};
use crate::mesh::machines;

/// Runs the batch, and returns its inputs in the order in which their tasks started.
fn run(machine: &Machine) -> Vec<String> {
    let order = machine.file("order");
    fs::write(&order, "").unwrap();
    machine.good(&["map", "./wait.sh", "{}", ":::", "0.1", "1.2", "0.5"]);
    fs::read_to_string(&order).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_batch_that_comes_again_starts_its_longest_task_first() {
    let Some(net) = Net::new("a_batch_that_comes_again_starts_its_longest_task_first", &[]) else { return };
    let grid = net.mesh(&["a", "b"]);
    let [a] = machines(&grid, ["a"]);
    fs::write(a.file("wait.sh"), "#!/bin/sh\necho \"$1\" >>order\nexec sleep \"$1\"\n").unwrap();
    fs::set_permissions(a.file("wait.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(run(&a), ["0.1", "1.2", "0.5"], "nothing is known yet");
    assert!(a.tern_json(&["explain", "1", "--json"])["estimate"].is_null());
    assert_eq!(run(&a), ["1.2", "0.5", "0.1"]);
    let estimate = &a.tern_json(&["explain", "2/2", "--json"])["estimate"];
    assert!(estimate["least_ms"].as_f64().is_some_and(|ms| ms > 500.0), "{estimate}");
    assert_eq!((estimate["runs"].as_u64(), estimate["of"].as_str()), (Some(6), Some("command")), "{estimate}");
    let text = a.good(&["explain", "2"]);
    assert!(text.contains("  expected    ") && text.contains("from 6 runs of this command"), "{text}");
    // It is kept, and a file that is damaged is no reason not to start.
    a.down();
    a.up();
    assert_eq!(run(&a), ["1.2", "0.5", "0.1"]);
    a.down();
    fs::write(a.home().join("history"), "nonsense").unwrap();
    a.up();
    assert!(a.home().join("history.refused").exists());
    assert_eq!(run(&a), ["0.1", "1.2", "0.5"], "it is learnt anew");
}
