//! Machines that die on a LAN, and how long it takes until every other one knows.
//!
//! `TERN_DEATHS` says how many busy ones die (20; 200 in `cargo xtask soak`), and a quarter as many idle ones. What a death
//! took is printed and not judged: a machine that runs other tests at the same time is late itself.

use std::time::{Duration, Instant};

use crate::ground::{Grid, Machine, Net, until};
use crate::mesh::{admit, machines};

/// Grids that live side by side, since a death is mostly waiting.
const GRIDS: usize = 3;
const LABELS: [&str; 4] = ["a", "b", "busy", "idle"];
/// What the design asks for: of nodes that hold work, the median and 99 of 100; of idle ones.
const BUSY: [Duration; 2] = [Duration::from_millis(1_000), Duration::from_millis(1_500)];
const IDLE: Duration = Duration::from_secs(5);

/// How a machine leaves without a word.
#[derive(Clone, Copy)]
enum Death {
    Killed,
    Unplugged,
}

/// Whether this one lists that one as up; none where it does not answer.
fn lists(machine: &Machine, name: &str) -> Option<bool> {
    let nodes = machine.ask("/v1/members")?;
    let members = nodes["members"].as_array()?;
    Some(members.iter().find(|member| member["name"] == name)?["up"] == true)
}

/// Everybody reaches everybody, and has heard since then of the busy one that it is busy.
fn until_well(all: &[Machine], since: Instant) {
    for machine in all {
        for label in LABELS {
            until("everybody is up", || lists(machine, label).filter(|up| *up));
        }
        until("it is known who is busy", || {
            let vitals = &machine.ask("/v1/nodes/busy")?["vitals"];
            let heard = u128::from(vitals["age_ms"].as_u64()?) < since.elapsed().as_millis();
            (heard && vitals["running"].as_u64()? > 0).then_some(())
        });
    }
}

/// Lets one die, waits until all others know, and brings it back. Returns how long they took.
fn dies(grid: &Grid, all: &[Machine], which: usize, how: Death) -> Duration {
    let (victim, name) = (&all[which], LABELS[which]);
    let died = match how {
        Death::Killed => victim.kill9(),
        Death::Unplugged => {
            let pulled = Instant::now();
            grid.link(name, "lan").cut();
            pulled
        }
    };
    let mut others: Vec<&Machine> = all.iter().enumerate().filter(|(at, _)| *at != which).map(|(_, it)| it).collect();
    until("all others know", || {
        others.retain(|other| lists(other, name) != Some(false));
        others.is_empty().then_some(())
    });
    let took = died.elapsed();
    let back = Instant::now();
    match how {
        Death::Killed => victim.up(),
        Death::Unplugged => grid.link(name, "lan").restore(),
    }
    until_well(all, back);
    took
}

/// One grid and its deaths: of the busy one, and of the idle one.
fn lives(net: &Net, deaths: usize) -> [Vec<Duration>; 2] {
    let grid = net.lan(&LABELS);
    let all = machines(&grid, LABELS);
    for other in &all[1..] {
        admit(&all[0], other);
    }
    all[2].good(&["submit", "--", "sleep", "100000"]);
    until_well(&all, Instant::now());
    let how = |round: usize| if round.is_multiple_of(2) { Death::Killed } else { Death::Unplugged };
    let busy = (0..deaths).map(|round| dies(&grid, &all, 2, how(round))).collect();
    let idle = (0..deaths.div_ceil(4)).map(|round| dies(&grid, &all, 3, how(round))).collect();
    [busy, idle]
}

fn tell(kind: &str, mut took: Vec<Duration>, [half, most]: [Duration; 2]) {
    took.sort();
    let at = |share: f64| took[((took.len() as f64 * share).ceil() as usize).clamp(1, took.len()) - 1];
    let (p50, p99) = (at(0.5), at(0.99));
    let met = if p50 <= half && p99 <= most { "met" } else { "missed" };
    println!(
        "{} deaths of {kind} nodes, known to all: p50 {p50:.2?}, p99 {p99:.2?} (to reach: {half:?}, {most:?}: {met})",
        took.len()
    );
}

#[test]
fn all_know_of_a_death_whether_it_was_busy_or_idle() {
    let name = "all_know_of_a_death_whether_it_was_busy_or_idle";
    let Some(net) = Net::new(name, &[]) else { return };
    let deaths = std::env::var("TERN_DEATHS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_usize);
    let taken: Vec<[Vec<Duration>; 2]> = std::thread::scope(|scope| {
        let grids: Vec<_> = (0..GRIDS).map(|_| scope.spawn(|| lives(&net, deaths.div_ceil(GRIDS)))).collect();
        grids.into_iter().map(|grid| grid.join().expect("all knew")).collect()
    });
    let all = |kind: usize| taken.iter().flat_map(|kinds| kinds[kind].iter().copied()).collect();
    tell("busy", all(0), BUSY);
    tell("idle", all(1), [IDLE; 2]);
}
