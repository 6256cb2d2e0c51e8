//! The ground holds: what should pass passes, what should not does not, and nothing is left behind.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::ground::{Capture, Echo, Grid, Link, Need, Net, Node, Pulse, answers, left, reaches, remove_stale, until};

/// Both ways of asking, until they are answered.
fn comes_through(from: &Node, to: (Ipv4Addr, u16)) {
    until("an answer by UDP", || answers(from, to).then_some(()));
    until("an answer by TCP", || reaches(from, to, b"hello").then_some(()));
}

/// The echo of `label` hears everybody in `near`, and nobody in `far`.
fn hears(grid: &Grid, label: &str, near: &[&str], far: &[&str]) {
    let echo = Echo::new(grid.node(label));
    let addresses = || grid.addresses(label).into_iter().map(|address| (address, echo.port()));
    for one in near {
        let heard = || addresses().find(|to| answers(grid.node(one), *to));
        comes_through(grid.node(one), until("a neighbour's answer", heard));
    }
    for one in far {
        let heard = addresses().find(|to| answers(grid.node(one), *to) || reaches(grid.node(one), *to, b"x"));
        assert_eq!(heard, None, "{one} reaches {label}");
    }
}

#[test]
fn a_machine_in_a_chain_reaches_its_neighbours_and_nobody_else() {
    let Some(net) = Net::new("a_machine_in_a_chain_reaches_its_neighbours_and_nobody_else", &[]) else { return };
    let grid = net.chain(&["a", "b", "c", "d"]);
    hears(&grid, "b", &["a", "c"], &["d"]);
    hears(&grid, "d", &["c"], &["a", "b"]);
    let forwards = grid.node("b").run(&["cat", "/proc/sys/net/ipv4/ip_forward"]);
    assert_eq!((forwards.code, forwards.stdout.as_str()), (0, "0\n"));
}

#[test]
fn stars_meshes_and_lans_have_the_neighbours_that_they_should() {
    let Some(net) = Net::new("stars_meshes_and_lans_have_the_neighbours_that_they_should", &[]) else { return };
    let star = net.star(&["hub", "a", "b"]);
    hears(&star, "hub", &["a", "b"], &[]);
    hears(&star, "a", &["hub"], &["b"]);
    let mesh = net.mesh(&["a", "b", "c"]);
    hears(&mesh, "a", &["b", "c"], &[]);
    hears(&mesh, "c", &["a", "b"], &[]);
    let lan = net.lan(&["a", "b", "c"]);
    hears(&lan, "b", &["a", "c"], &[]);
    hears(&mesh, "b", &["a"], &[]);
    assert!(!answers(lan.node("a"), (mesh.address("b"), 1)), "two grids are apart");
}

/// By this machines of one LAN are found.
#[test]
fn a_shout_on_a_lan_is_heard_by_all_who_listen() {
    let Some(net) = Net::new("a_shout_on_a_lan_is_heard_by_all_who_listen", &[]) else { return };
    let lan = net.lan(&["a", "b", "c"]);
    let (group, port) = (Ipv4Addr::new(224, 0, 0, 251), 5300);
    let listens = |label: &str| {
        let socket = lan.node(label).inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
        socket.join_multicast_v4(&group, &lan.address(label)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        socket
    };
    let ears = [listens("b"), listens("c")];
    let mouth = lan.node("a").inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
    for ear in ears {
        until("the shout", || {
            mouth.send_to(b"here", (group, port)).unwrap();
            ear.recv_from(&mut [0; 16]).ok().filter(|(_, from)| from.ip() == lan.address("a"))
        });
    }
}

#[test]
fn a_cut_link_stops_traffic_and_a_restored_one_lets_it_through() {
    let Some(net) = Net::new("a_cut_link_stops_traffic_and_a_restored_one_lets_it_through", &[]) else { return };
    let (pair, lan) = (net.chain(&["a", "b"]), net.lan(&["a", "b"]));
    for (grid, end) in [(&pair, "b"), (&lan, "lan")] {
        let (a, echo) = (grid.node("a"), Echo::new(grid.node("b")));
        let b = (grid.address("b"), echo.port());
        comes_through(a, b);
        grid.link("a", end).cut();
        assert!(!answers(a, b) && !reaches(a, b, b"x"), "through a link that is cut");
        grid.link("a", end).restore();
        comes_through(a, b);
    }
}

#[test]
fn a_silent_link_takes_everything_and_tells_nobody() {
    let Some(net) = Net::new("a_silent_link_takes_everything_and_tells_nobody", &[Need::Filter]) else { return };
    let lan = net.lan(&["a", "b", "c"]);
    let (a, echo) = (lan.node("a"), Echo::new(lan.node("b")));
    let b = (lan.address("b"), echo.port());
    comes_through(a, b);
    lan.link("b", "lan").silence();
    assert!(!answers(a, b) && !reaches(a, b, b"x"), "through a link that is silent");
    let carrier = lan.node("b").run(&["ip", "link", "show", "to-lan"]).stdout;
    assert!(carrier.contains("LOWER_UP"), "{carrier}");
    lan.link("b", "lan").lose(0);
    comes_through(a, b);
}

#[test]
fn a_lossy_link_loses_a_part() {
    let Some(net) = Net::new("a_lossy_link_loses_a_part", &[Need::Filter]) else { return };
    let pair = net.chain(&["a", "b"]);
    let echo = Echo::new(pair.node("b"));
    let b = (pair.address("b"), echo.port());
    comes_through(pair.node("a"), b);
    pair.link("a", "b").lose(40);
    let socket = pair.node("a").inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    // Each packet has 36 chances of 100 to come back: neither none nor all of 100 do.
    for _ in 0..100 {
        socket.send_to(b"x", b).unwrap();
    }
    let back = (0..100).take_while(|_| socket.recv(&mut [0; 4]).is_ok()).count();
    assert!((1..100).contains(&back), "{back} of 100 came back");
}

#[test]
fn packets_on_a_slow_link_take_their_time() {
    let Some(net) = Net::new("packets_on_a_slow_link_take_their_time", &[Need::Slow, Need::Filter]) else { return };
    let delay = Duration::from_millis(60);
    let grid = net.slow_grid(&["a", "b", "c"], &[("a", "b", delay), ("b", "c", Duration::ZERO)]);
    let (a, echo) = (grid.node("a"), Echo::new(grid.node("b")));
    let at = |end: &str| (grid.link(end, "b").address("b").unwrap(), echo.port());
    comes_through(grid.node("c"), at("c"));
    comes_through(a, at("a"));
    let socket = a.inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
    let asked = Instant::now();
    socket.send_to(b"how far?", at("a")).unwrap();
    socket.recv(&mut [0; 16]).unwrap();
    assert!(asked.elapsed() >= 2 * delay, "there and back in {:?}", asked.elapsed());
    for (stop, go) in [(Link::cut as fn(&Link), Link::restore as fn(&Link)), (Link::silence, |link| link.lose(0))] {
        stop(grid.link("a", "b"));
        assert!(!answers(a, at("a")), "through a link that is stopped");
        go(grid.link("a", "b"));
        comes_through(a, at("a"));
    }
}

#[test]
fn a_machine_answers_at_the_address_to_which_it_roamed_and_not_at_its_old_one() {
    let name = "a_machine_answers_at_the_address_to_which_it_roamed_and_not_at_its_old_one";
    let Some(net) = Net::new(name, &[]) else { return };
    let (pair, lan) = (net.chain(&["a", "b"]), net.lan(&["a", "b"]));
    for (grid, end) in [(&pair, "a"), (&lan, "lan")] {
        let (a, echo) = (grid.node("a"), Echo::new(grid.node("b")));
        let old = grid.address("b");
        comes_through(a, (old, echo.port()));
        let new = grid.link("b", end).roam("b");
        assert_eq!(grid.addresses("b"), [new]);
        comes_through(a, (new, echo.port()));
        assert!(old != new && !answers(a, (old, echo.port())), "the old address answers");
    }
}

#[test]
fn a_closed_machine_gets_nothing_but_answers_to_what_it_sent() {
    let name = "a_closed_machine_gets_nothing_but_answers_to_what_it_sent";
    let Some(net) = Net::new(name, &[Need::Filter]) else { return };
    let pair = net.chain(&["a", "b"]);
    let (a, b) = (pair.node("a"), pair.node("b"));
    let (echo_a, echo_b) = (Echo::new(a), Echo::new(b));
    let (at_a, at_b) = ((pair.address("a"), echo_a.port()), (pair.address("b"), echo_b.port()));
    comes_through(a, at_b);
    b.close();
    comes_through(b, at_a);
    assert!(!answers(a, at_b) && !reaches(a, at_b, b"x"), "a closed machine was reached");
    // Where it has sent something, it hears from there; from another port of the same machine it does not.
    let socket = |node: &Node| {
        let socket = node.inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        socket
    };
    let [inner, outer, stranger] = [socket(b), socket(a), socket(a)];
    let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
    inner.send_to(b"a hole", (at_a.0, port(&outer))).unwrap();
    until("the packet that makes the hole", || outer.recv(&mut [0; 16]).ok());
    stranger.send_to(b"stranger", (at_b.0, port(&inner))).unwrap();
    outer.send_to(b"through", (at_b.0, port(&inner))).unwrap();
    let mut heard = [0; 16];
    let size = until("what comes through the hole", || inner.recv(&mut heard).ok());
    assert_eq!((&heard[..size], inner.recv(&mut [0; 16]).is_err()), (&b"through"[..], true));
    b.open();
    comes_through(a, at_b);
}

#[test]
fn a_home_reaches_the_internet_and_is_reached_only_through_the_hole_that_it_made() {
    let name = "a_home_reaches_the_internet_and_is_reached_only_through_the_hole_that_it_made";
    let Some(net) = Net::new(name, &[Need::Filter]) else { return };
    let grid = net.internet(&["p"], &["a", "b"]);
    let [a, b, p] = ["a", "b", "p"].map(|label| grid.node(label));
    let (at_p, at_b) = (Echo::new(p), Echo::new(b));
    comes_through(a, (grid.address("p"), at_p.port()));
    for to in [(grid.address("b"), at_b.port()), (grid.outer_address("b"), at_b.port())] {
        assert!(!answers(p, to) && !answers(a, to) && !reaches(a, to, b"x"), "a home was reached at {to:?}");
    }
    let [one, other, outside] = [a, b, p].map(|node| {
        let socket = node.inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        socket
    });
    // Where the internet sees each of them; each then calls the other there.
    let seen = |socket: &UdpSocket| {
        until("a home's packet", || {
            socket.send_to(b"who am I?", (grid.address("p"), outside.local_addr().unwrap().port())).unwrap();
            outside.recv_from(&mut [0; 16]).ok().map(|(_, from)| from)
        })
    };
    let [one_at, other_at] = [&one, &other].map(seen);
    assert_eq!([one_at.ip(), other_at.ip()], [grid.outer_address("a"), grid.outer_address("b")]);
    until("a packet from home to home", || {
        one.send_to(b"a hole", other_at).unwrap();
        other.send_to(b"a hole", one_at).unwrap();
        [&one, &other].iter().all(|socket| socket.recv(&mut [0; 16]).is_ok()).then_some(())
    });
}

#[test]
fn a_pulse_outlives_a_silence_and_tells_how_long_it_stalled() {
    let name = "a_pulse_outlives_a_silence_and_tells_how_long_it_stalled";
    let Some(net) = Net::new(name, &[Need::Filter]) else { return };
    let pair = net.chain(&["a", "b"]);
    let echo = Echo::new(pair.node("b"));
    let b = (pair.address("b"), echo.port());
    let pulse = Pulse::new(pair.node("a"), b);
    until("a pulse", || (pulse.count() > 10).then_some(()));
    pair.link("a", "b").silence();
    let since = Instant::now();
    assert!(!answers(pair.node("a"), b));
    let (stalled, before) = (since.elapsed(), pulse.count());
    pair.link("a", "b").lose(0);
    until("the pulse again", || (pulse.count() > before + 10).then_some(()));
    let beats = pulse.stop();
    assert!(beats.broken.is_none() && beats.count > 20, "{beats:?}");
    // The silence fell and ended between two beats, so a little of it may be missing.
    assert!(beats.longest >= stalled / 2, "{beats:?}, {stalled:?}");

    let pulse = Pulse::new(pair.node("a"), b);
    until("a pulse", || (pulse.count() > 0).then_some(()));
    drop(echo);
    until("its end", || pulse.ended().then_some(()));
    assert!(pulse.stop().broken.is_some(), "the other end is gone");
}

#[test]
fn a_capture_finds_plain_text_of_every_stream_also_across_packets() {
    let name = "a_capture_finds_plain_text_of_every_stream_also_across_packets";
    let Some(net) = Net::new(name, &[Need::Capture]) else { return };
    let pair = net.chain(&["a", "b"]);
    let (a, b) = (pair.node("a"), pair.node("b"));
    let echo = Echo::new(b);
    let capture = Capture::start(b);
    comes_through(a, (pair.address("b"), echo.port()));
    let mut stream = a.inside(|| TcpStream::connect((pair.address("b"), echo.port())).unwrap());
    stream.set_nodelay(true).unwrap();
    for part in ["in plain ", "sight of ", "everybody"] {
        stream.write_all(part.as_bytes()).unwrap();
        // It has come back, so it went in a packet of its own.
        stream.read_exact(&mut [0; 9]).unwrap();
    }
    let packets = capture.stop();
    assert!(packets.count() > 10 && packets.dropped == 0, "{} seen, {} not", packets.count(), packets.dropped);
    assert!(packets.hold(b"are you there?"), "a packet of UDP");
    assert!(packets.hold(b"hello"), "a packet of TCP");
    assert!(packets.hold(b"in plain sight of everybody"), "a stream of TCP in pieces");
    assert!(!packets.hold(b"in plain sight of nobody"));
}

#[test]
fn nothing_is_left_of_a_net_also_after_a_panic() {
    let Some(net) = Net::new("nothing_is_left_of_a_net_also_after_a_panic", &[]) else { return };
    let mut made = Vec::new();
    let mut program = None;
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let lan = net.lan(&["a", "b"]);
        made.extend(lan.nodes().iter().map(|node| node.space().to_owned()));
        let started = lan.node("a").start(&["sh", "-c", "echo here; exec sleep 600"]);
        until("the program", || started.stdout().contains("here").then_some(()));
        program = Some(started);
        assert!(made.iter().all(|name| left().contains(name)));
        panic!("a test that fails");
    }));
    assert!(panic.is_err() && made.len() == 3);
    assert!(!left().iter().any(|name| made.contains(name)), "{:?}", left());
    assert!(!program.unwrap().runs(), "a program outlived its machine");
}

#[test]
fn what_a_killed_test_program_left_is_removed_by_the_next() {
    let Some(net) = Net::new("what_a_killed_test_program_left_is_removed_by_the_next", &[]) else { return };
    let alive = net.node("alive");
    let mut dead = Command::new("true").spawn().unwrap();
    let pid = dead.id();
    dead.wait().unwrap();
    // The start of that process is wrong, so that it is stale even if its number is given to another one.
    let name = format!("tern-it.{pid}.1.0.stale");
    assert!(Command::new("ip").args(["netns", "add", &name]).status().unwrap().success() && left().contains(&name));
    remove_stale();
    assert!(!left().contains(&name), "{:?}", left());
    assert!(left().iter().any(|it| it == alive.space()), "one that is in use was removed");
}
