//! How soon a death is known, and what a restart may cost.

use tern_sim::mesh::{Quality, World};

use crate::{grown, well};

/// When the last of the others has heard of the death, milliseconds.
fn known_to_all(world: &mut World, dead: usize) -> u64 {
    let key = world.nodes[dead].key;
    let began = world.now;
    world.crash(dead);
    for _ in 0..1_000 {
        if world.nodes.iter().all(|node| !node.up.contains_key(&key)) {
            return (world.now - began) / 1_000_000;
        }
        world.run_ms(10);
    }
    panic!("after ten seconds {dead} is still up somewhere");
}

#[test]
pub fn a_dead_node_that_held_work_is_down_everywhere_within_a_second_and_a_half_and_an_idle_one_within_five() {
    for (seed, count) in [(1, 2), (2, 5), (3, 12), (4, 25)] {
        let mut world = grown(count, Quality::LAN, seed);
        world.nodes[count - 1].busy = true;
        world.run_ms(3_000);
        let busy = known_to_all(&mut world, count - 1);
        assert!(busy <= 1_500, "{count} nodes: busy, known after {busy} ms");
        world.nodes[0].busy = count > 2;
        let idle = known_to_all(&mut world, count / 2 - usize::from(count == 2));
        assert!(idle <= 5_000, "{count} nodes: idle, known after {idle} ms");
    }
}

#[test]
fn a_rough_network_hides_a_death_no_longer() {
    for seed in 0..10 {
        let mut world = grown(5, Quality::ROUGH, seed);
        world.nodes[4].busy = true;
        world.run_ms(20_000);
        let busy = known_to_all(&mut world, 4);
        assert!(busy <= 1_700, "known after {busy} ms");
    }
}

#[test]
pub fn a_node_that_was_off_for_an_hour_is_seen_again() {
    for seed in 0..6 {
        let mut world = grown(4, Quality::LAN, seed);
        world.crash(3);
        // Longer than anybody keeps what it said.
        world.run_ms(3_600_000);
        world.start(3);
        well(&mut world, 6_000);
    }
}

#[test]
fn a_node_that_moves_before_it_is_believed_again_is_looked_for_where_it_is() {
    for seed in 0..8 {
        let mut world = grown(2 + seed as usize, Quality::LAN, seed);
        world.crash(1);
        world.run_ms(500);
        world.start(1);
        // The others still wait whether its earlier life answers.
        world.run_ms(100 + 50 * seed);
        world.moves(1, false);
        well(&mut world, 6_000);
    }
}

#[test]
fn a_node_that_starts_again_is_believed_and_nobody_speaks_of_copies() {
    for seed in 0..20 {
        let quality = if seed % 2 == 0 { Quality::LAN } else { Quality { loss: 0, ..Quality::ROUGH } };
        let mut world = grown(2 + seed as usize % 9, quality, seed);
        world.crash(1);
        world.run_ms([20, 150, 900, 3_000][seed as usize % 4]);
        world.nodes[1].here.zone = "cellar".into();
        world.start(1);
        well(&mut world, 6_000);
        world.run_ms(2_000);
        for node in &world.nodes {
            assert_eq!(node.notes, Vec::<String>::new(), "seed {seed}");
            let mesh = node.mesh.as_ref().unwrap();
            let seen = mesh.nodes().into_iter().find(|view| view.node == world.nodes[1].key).unwrap();
            assert_eq!(seen.zone, "cellar", "seed {seed}: an old profile is believed");
        }
    }
}

#[test]
fn one_that_leaves_is_gone_at_once_and_does_not_spin() {
    let mut world = grown(5, Quality::LAN, 3);
    let events = world.nodes[2].count.events;
    world.removed.insert(2);
    world.leaves(2);
    world.run_ms(300);
    assert!(world.nodes.iter().all(|node| !node.up.contains_key(&world.nodes[2].key)), "somebody still sees it");
    world.run_ms(1_700);
    let spent = world.nodes[2].count.events - events;
    assert!(spent < 200, "{spent} events in two seconds of leaving");
    assert_eq!(world.broken, Vec::<String>::new());
}

#[test]
fn an_idle_node_rests() {
    for (count, most) in [(2, 15), (5, 40), (20, 90)] {
        let mut world = grown(count, Quality::LAN, 9);
        world.run_ms(20_000);
        let before: Vec<_> = world.nodes.iter().map(|node| node.count).collect();
        world.run_ms(60_000);
        for (node, before) in world.nodes.iter().zip(before) {
            let (events, wakes) = (node.count.events - before.events, node.count.wakes - before.wakes);
            assert!(events <= most * 60, "{count} nodes: {events} events in a minute");
            assert!(wakes <= 60 * most, "{count} nodes: {wakes} alarms in a minute");
        }
        assert_eq!(world.broken, Vec::<String>::new());
    }
}
