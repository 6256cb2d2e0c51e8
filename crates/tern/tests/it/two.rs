//! Two machines make a grid over a cable, and work goes from one to the other.

use crate::ground::{Net, until};
use crate::mesh::{admit, machines, reached, until_all_reach_all};

#[test]
fn two_machines_share_a_job_over_a_cable_and_one_that_was_killed_comes_back() {
    let name = "two_machines_share_a_job_over_a_cable_and_one_that_was_killed_comes_back";
    let Some(net) = Net::new(name, &[]) else { return };
    let grid = net.chain(&["a", "b"]);
    let all = machines(&grid, ["a", "b"]);
    let [a, b] = &all;
    admit(a, b);
    until_all_reach_all(&all);

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
    until("b sees a again", || (reached(b).len() == 2).then_some(()));
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
