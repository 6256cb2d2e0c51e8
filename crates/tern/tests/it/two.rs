//! Two machines that know each other's keys and addresses make a grid over a cable.

use crate::ground::{Grid, Machine, Net, until};

/// Where the agents of these tests listen; each has a machine of its own.
const PORT: u16 = 7400;

/// Two machines on the two ends of a cable, told of each other, with their agents running.
fn two(grid: &Grid) -> [Machine; 2] {
    let machines = ["a", "b"].map(|label| Machine::new(grid.node(label)));
    let keys = [&machines[0], &machines[1]].map(key);
    for (at, machine) in machines.iter().enumerate() {
        let address = |label: &str| grid.address(label);
        let (own, other) = (address(["a", "b"][at]), address(["b", "a"][at]));
        let peer = format!("[[peers]]\nkey = \"{}\"\naddress = \"{other}:{PORT}\"\n", keys[1 - at]);
        machine.configure(&format!("slots = 1\nlisten = \"{own}:{PORT}\"\n\n{peer}"));
        machine.up();
    }
    machines
}

fn key(machine: &Machine) -> String {
    machine.tern_json(&["status", "--json"])["key"].as_str().unwrap().to_owned()
}

fn connected(machine: &Machine) -> bool {
    let status = machine.tern_json(&["status", "--json"]);
    status["peers"].as_array().is_some_and(|peers| peers.iter().any(|peer| peer["connected"] == true))
}

#[test]
fn two_machines_share_a_job_over_a_cable_and_one_that_was_killed_comes_back() {
    let name = "two_machines_share_a_job_over_a_cable_and_one_that_was_killed_comes_back";
    let Some(net) = Net::new(name, &[]) else { return };
    let grid = net.chain(&["a", "b"]);
    let [a, b] = two(&grid);
    until("a sees b", || connected(&a).then_some(()));
    until("b sees a", || connected(&b).then_some(()));

    let job = a.tern_json(&["submit", "--json", "--share", "--array", "1-8", "--", "sh", "-c", "sleep 0.3"]);
    let job = job["job"].as_str().unwrap().to_owned();
    a.good(&["wait", &job]);
    let shown = a.tern_json(&["job", &job, "--tasks", "--json"]);
    let mut nodes: Vec<_> = shown["results"].as_array().unwrap().iter().map(|it| it["node"].to_string()).collect();
    assert_eq!(nodes.len(), 8, "{shown}");
    nodes.sort();
    nodes.dedup();
    assert_eq!(nodes.len(), 2, "a shared job ran on one machine: {shown}");

    b.kill9();
    assert_eq!(b.pids(), None, "agent and warden are gone");
    b.up();
    until("b sees a again", || connected(&b).then_some(()));
    let (agent, warden) = b.pids().unwrap();
    b.node().power_off();
    // What has ended has no words any more, whether somebody asked how it ended or not.
    let words = [agent, warden].map(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default());
    assert!(words.iter().all(Vec::is_empty), "something lives without power: {words:?}");
    assert!(b.home().join("key").exists(), "its folder is kept");
    a.good(&["run", "--", "touch", "here"]);
    assert!(a.file("here").exists(), "a command runs in the folder of its machine");
    a.down();
    assert_eq!(a.pids(), None, "it went down");
}
