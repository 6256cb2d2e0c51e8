//! Grids over real networks: chains without forwarding, hops that die, machines that roam or let nobody in.

use std::net::SocketAddr;
use std::time::Duration;

use crate::ground::{Capture, Echo, Grid, Load, Machine, Need, Net, Pulse, reaches, until};

/// Several groups, so that each hop passes on what it does not hold as a whole.
const FILE_BYTES: usize = 3 << 20;
/// Settings of every machine here: nothing is looked for that the test did not build.
pub const QUIET: &str = "[mesh]\nmdns = false\nport_mapping = false\n";
/// What travels, and must be seen by nobody on the way.
const SECRET: &[u8] = b"the-plaintext-that-nobody-on-the-way-may-see";

/// Machines with running agents, each a grid of its own still.
pub fn machines<const N: usize>(grid: &Grid, labels: [&str; N]) -> [Machine; N] {
    labels.map(|label| {
        let machine = Machine::new(grid.node(label));
        machine.configure(&format!("slots = 1\n{QUIET}name = \"{label}\"\n"));
        machine.up();
        machine
    })
}

/// Lets one machine into the grid of another, as one that may let others in.
pub fn admit(by: &Machine, whom: &Machine) {
    let ticket = by.tern_json(&["invite", "--admin", "--json"])["ticket"].as_str().unwrap().to_owned();
    whom.good(&["join", &ticket]);
}

/// Names of the members that this machine reaches.
pub fn reached(machine: &Machine) -> Vec<String> {
    let members = machine.tern_json(&["members", "--json"]);
    let members = members["members"].as_array().expect("a list").iter().filter(|member| member["up"] == true);
    let mut names: Vec<String> = members.map(|member| member["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

pub fn until_all_reach_all(machines: &[Machine]) {
    for machine in machines {
        until("everybody is reached", || (reached(machine).len() == machines.len()).then_some(()));
    }
}

/// A port on this machine's loopback that leads to an echo on that machine.
fn forwarded(from: &Machine, name: &str, echo: &Echo) -> SocketAddr {
    let to = format!("{name}:{}", echo.port());
    let shown = from.tern_json(&["forward", "127.0.0.1:0", &to, "--detach", "--json"]);
    shown["local"].as_str().unwrap().parse().unwrap()
}

/// A file of many groups goes there, and another one comes from there.
fn copied_both_ways(here: &Machine, there: &Machine, name: &str) {
    let text = SECRET.repeat(FILE_BYTES / SECRET.len());
    for (from, to) in [(here, there), (there, here)] {
        std::fs::write(from.file("source"), &text).unwrap();
        let at = |machine: &Machine, file: &str| {
            let path = machine.file(file).to_str().unwrap().to_owned();
            if std::ptr::eq(machine, there) { format!("{name}:{path}") } else { path }
        };
        here.good(&["cp", "--quiet", &at(from, "source"), &at(to, "copy")]);
        assert!(std::fs::read(to.file("copy")).unwrap() == text, "another content came");
    }
}

#[test]
fn the_ends_of_a_chain_reach_each_other_and_those_between_see_no_plaintext() {
    let name = "the_ends_of_a_chain_reach_each_other_and_those_between_see_no_plaintext";
    let Some(net) = Net::new(name, &[Need::Capture]) else { return };
    let grid = net.chain(&["a", "b", "c", "d"]);
    let all = machines(&grid, ["a", "b", "c", "d"]);
    let captures = ["b", "c"].map(|label| Capture::start(grid.node(label)));
    for pair in all.windows(2) {
        admit(&pair[0], &pair[1]);
    }
    until_all_reach_all(&all);
    let [a, _, _, d] = &all;
    let path = a.tern_json(&["path", "d", "--json"]);
    let hops: Vec<&str> = path["hops"].as_array().unwrap().iter().map(|hop| hop["name"].as_str().unwrap()).collect();
    assert_eq!(hops, ["b", "c", "d"], "{path}");
    for (from, to) in [(a, "d"), (d, "a")] {
        let shown = from.tern_json(&["ping", to, "-c", "3", "--json"]);
        assert_eq!(shown["rounds"].as_array().map(Vec::len), Some(3), "{shown}");
    }
    let echo = Echo::new(grid.node("d"));
    let local = forwarded(a, "d", &echo);
    assert!(reaches(grid.node("a"), local, SECRET), "a TCP connection over three hops");
    copied_both_ways(a, d, "d");
    for capture in captures {
        let packets = capture.stop();
        assert!(packets.count() > 0, "something passed");
        assert_eq!(packets.dropped, 0);
        assert!(!packets.hold(SECRET), "plaintext passed");
    }
}

/// Four machines in a square, the first of which has two ways to the last.
fn square(net: &Net) -> (Grid, [Machine; 4]) {
    let grid = net.grid(&["a", "b", "c", "d"], &[("a", "b"), ("b", "d"), ("a", "c"), ("c", "d")]);
    let all = machines(&grid, ["a", "b", "c", "d"]);
    let [a, b, c, d] = &all;
    admit(a, b);
    admit(a, c);
    admit(b, d);
    until_all_reach_all(&all);
    until("d has two ways", || {
        let links = d.tern_json(&["netcheck", "--json"])["links"].as_array().map_or(0, Vec::len);
        (links == 2).then_some(())
    });
    (grid, all)
}

/// Ends the one over which the first machine reaches the last.
fn kill_the_hop([a, b, c, _]: &[Machine; 4]) {
    let path = a.tern_json(&["path", "d", "--json"]);
    let dead = if path["hops"][0]["name"] == "b" { b } else { c };
    dead.kill9();
}

#[test]
fn a_stream_outlives_the_hop_that_carried_it() {
    let name = "a_stream_outlives_the_hop_that_carried_it";
    let Some(net) = Net::new(name, &[]) else { return };
    let (grid, all) = square(&net);
    let echo = Echo::new(grid.node("d"));
    let pulse = Pulse::new(grid.node("a"), forwarded(&all[0], "d", &echo));
    until("the stream runs", || (pulse.count() > 50).then_some(()));
    kill_the_hop(&all);
    let before = pulse.count();
    until("the stream goes on", || (pulse.count() > before + 100 || pulse.ended()).then_some(()));
    let beats = pulse.stop();
    assert_eq!(beats.broken, None);
    println!("a stream stood still for {:?} when its hop died", beats.longest);
    assert!(beats.longest < Duration::from_secs(20), "it was not the other way that carried it on: {beats:?}");
}

#[test]
fn full_streams_outlive_the_hop_that_carried_them() {
    let name = "full_streams_outlive_the_hop_that_carried_them";
    let Some(net) = Net::new(name, &[]) else { return };
    let (grid, all) = square(&net);
    let echoes = [Echo::new(grid.node("d")), Echo::new(grid.node("d"))];
    let load = Load::new(grid.node("a"), forwarded(&all[0], "d", &echoes[0]));
    let pulse = Pulse::new(grid.node("a"), forwarded(&all[0], "d", &echoes[1]));
    let passes = |more: u64| {
        let before = load.bytes();
        until("much passes", || (load.bytes() > before + more || load.ended()).then_some(()));
    };
    passes(8 << 20);
    kill_the_hop(&all);
    passes(8 << 20);
    let beats = pulse.stop();
    assert_eq!(beats.broken, None);
    assert_eq!(load.stop(), None);
    println!("a stream stood still for {:?} when its hop died under load", beats.longest);
    assert!(beats.longest < Duration::from_secs(20), "it was not the other way that carried it on: {beats:?}");
}

#[test]
fn a_stream_outlives_a_change_of_address() {
    let name = "a_stream_outlives_a_change_of_address";
    let Some(net) = Net::new(name, &[]) else { return };
    let grid = net.chain(&["a", "b"]);
    let all = machines(&grid, ["a", "b"]);
    let [a, b] = &all;
    admit(a, b);
    until_all_reach_all(&all);
    let echo = Echo::new(grid.node("b"));
    let pulse = Pulse::new(grid.node("a"), forwarded(a, "b", &echo));
    until("the stream runs", || (pulse.count() > 50).then_some(()));
    grid.link("a", "b").roam("b");
    let before = pulse.count();
    until("the stream goes on", || (pulse.count() > before + 100 || pulse.ended()).then_some(()));
    let beats = pulse.stop();
    assert_eq!(beats.broken, None);
    println!("a stream stood still for {:?} when its end roamed", beats.longest);
    assert!(beats.longest < Duration::from_secs(20), "it was a time-out that carried it on: {beats:?}");
}

#[test]
fn a_machine_that_lets_nobody_in_joins_and_is_reached() {
    let name = "a_machine_that_lets_nobody_in_joins_and_is_reached";
    let Some(net) = Net::new(name, &[Need::Filter]) else { return };
    let grid = net.chain(&["a", "b"]);
    let all = machines(&grid, ["a", "b"]);
    let [a, b] = &all;
    grid.node("b").close();
    admit(a, b);
    until_all_reach_all(&all);
    let echo = Echo::new(grid.node("b"));
    assert!(reaches(grid.node("a"), forwarded(a, "b", &echo), SECRET), "a stream into the closed machine");
    copied_both_ways(a, b, "b");
}

#[test]
fn machines_on_one_lan_are_offered_and_not_admitted() {
    let name = "machines_on_one_lan_are_offered_and_not_admitted";
    let Some(net) = Net::new(name, &[]) else { return };
    let grid = net.lan(&["a", "b"]);
    let [a, b] = ["a", "b"].map(|label| {
        let machine = Machine::new(grid.node(label));
        machine.configure(&format!("slots = 1\n[mesh]\nport_mapping = false\nname = \"{label}\"\n"));
        machine.up();
        machine
    });
    until("a hears of b", || {
        let shown = a.tern_json(&["members", "--json"]);
        shown["nearby"].as_array().is_some_and(|nearby| nearby.iter().any(|one| one["name"] == "b")).then_some(())
    });
    assert_eq!(reached(&a), ["a"]);
    assert_eq!(reached(&b), ["b"]);
}
