//! Machines that can only dial out reach each other over a third, which is no more than a member like any other.

use crate::ground::{Echo, Need, Net, reaches, until};
use crate::mesh::{admit, machines, until_all_reach_all};

#[test]
fn two_machines_that_can_only_dial_out_reach_each_other_over_a_third() {
    let name = "two_machines_that_can_only_dial_out_reach_each_other_over_a_third";
    let Some(net) = Net::new(name, &[Need::Filter]) else { return };
    let grid = net.chain(&["a", "b", "c"]);
    let all = machines(&grid, ["a", "b", "c"]);
    let [a, b, c] = &all;
    for label in ["a", "c"] {
        grid.node(label).close();
    }
    admit(b, a);
    admit(b, c);
    until_all_reach_all(&all);
    let path = until("the way over b", || {
        let path = a.tern_json(&["path", "c", "--json"]);
        path["hops"].as_array().is_some_and(|hops| hops.len() == 2).then_some(path)
    });
    assert_eq!((&path["hops"][0]["name"], &path["link"]["trit"]), (&"b".into(), &0.into()), "{path}");
    let shown = c.tern_json(&["ping", "a", "-c", "3", "--json"]);
    assert_eq!(shown["rounds"].as_array().map(Vec::len), Some(3), "{shown}");
    let echo = Echo::new(grid.node("c"));
    let shown = a.tern_json(&["forward", "127.0.0.1:0", &format!("c:{}", echo.port()), "--detach", "--json"]);
    let local: std::net::SocketAddr = shown["local"].as_str().unwrap().parse().unwrap();
    assert!(reaches(grid.node("a"), local, b"from one closed machine into the other"));
}
