//! Nobody who lives is called dead: the figure that is promised, on the network that it is promised for.

use tern_sim::Story;
use tern_sim::mesh::Quality;

/// Grids of each size for so many node-hours; one member stalls up to half a second every ten. Returns the false alarms.
fn false_alarms(counts: &[usize], node_hours: u64, busy: bool) -> Vec<String> {
    let mut found = Vec::new();
    let each = node_hours.div_ceil(counts.len() as u64);
    for (seed, count) in counts.iter().enumerate() {
        let mut world = crate::world(seed as u64, *count, Quality::ROUGH);
        world.story = Story::default();
        let mut dice = fastrand::Rng::with_seed(seed as u64);
        for node in &mut world.nodes {
            node.busy = busy;
        }
        world.start_all();
        world.run_ms(10_000);
        let before = world.alarms.len();
        let ends = world.now + each * 3_600_000_000_000 / *count as u64;
        while world.now < ends {
            world.stall(count - 1, dice.u64(1..=500));
            world.run_ms(10_000);
            if dice.u32(..30) == 0 {
                let node = dice.usize(..*count);
                world.nodes[node].busy ^= true;
            }
        }
        for alarm in world.alarms[before..].iter().filter(|alarm| alarm.lived) {
            found.push(format!("{count} nodes: {alarm:?}"));
        }
    }
    found
}

/// `TERN_NODE_HOURS=1000` for the promised figure.
fn node_hours(usual: u64) -> u64 {
    std::env::var("TERN_NODE_HOURS").ok().and_then(|hours| hours.parse().ok()).unwrap_or(usual)
}

#[test]
pub fn nobody_who_lives_is_called_dead() {
    let hours = node_hours(12);
    let found: Vec<_> = [true, false].iter().flat_map(|busy| false_alarms(&[2, 3, 5, 8], hours / 2, *busy)).collect();
    assert!(found.len() as u64 <= hours / 1_000, "{} in {hours} node-hours: {found:?}", found.len());
}

#[test]
pub fn who_stood_still_for_seconds_does_not_call_the_others_dead() {
    for seed in 0..6 {
        let mut world = crate::grown(5, Quality::LAN, seed);
        // It is idle, and the others wait longer for it than it would for them.
        for node in [0, 1, 3, 4] {
            world.nodes[node].busy = true;
        }
        world.run_ms(6_000);
        let before = world.alarms.len();
        world.stall(2, 2_500);
        world.run_ms(6_000);
        let blamed = world.alarms[before..].iter().filter(|alarm| alarm.by == 2).count();
        assert_eq!(blamed, 0, "seed {seed}: {:?}", &world.alarms[before..]);
        crate::well(&mut world, 2_000);
    }
}
