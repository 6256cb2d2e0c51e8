//! Which links a grid keeps: few, enough to survive any one death, and never one less than needed.

use tern_sim::mesh::life::Shape;
use tern_sim::mesh::{Quality, World};

use crate::{grown, well};

#[test]
fn the_grid_survives_any_one_death_on_six_to_ten_links_a_node() {
    for (seed, count) in [(1, 12), (2, 20), (3, 30)] {
        let mut world = grown(count, Quality::LAN, seed);
        world.run_ms(90_000);
        well(&mut world, 1);
        assert_eq!(world.survives_any_death(), Ok(()), "{count} nodes");
        for node in &world.nodes {
            let links = node.mesh.as_ref().unwrap().links();
            let wanted = links.iter().filter(|link| link.wanted).count();
            assert!((6..=8).contains(&wanted), "{count} nodes: {wanted} of {} links wanted", links.len());
            assert!(links.len() <= 16, "{count} nodes: {} links", links.len());
        }
    }
}

#[test]
fn forty_that_know_only_the_founder_become_a_grid() {
    let mut world = crate::world(5, 40, Quality::LAN);
    let founder = (world.nodes[0].key, world.nodes[0].here.link_addresses.clone());
    for node in 1..40 {
        world.nodes[node].addresses.extend([founder.clone()]);
    }
    for node in 0..40 {
        world.start(node);
        world.run_ms(50);
    }
    well(&mut world, 15_000);
    world.run_ms(120_000);
    well(&mut world, 1);
    assert_eq!(world.survives_any_death(), Ok(()));
    let most = world.nodes.iter().map(|node| node.mesh.as_ref().unwrap().links().len()).max();
    assert!(most <= Some(20), "somebody keeps {most:?} links");
}

#[test]
fn a_bridge_between_two_houses_is_not_let_go() {
    for seed in 0..4 {
        let mut world = crate::world(seed, 24, Quality::LAN);
        world.shape(Shape::Houses);
        world.start_all();
        world.run_ms(10_000);
        well(&mut world, 1_000);
        for _ in 0..20 {
            world.run_ms(10_000);
            well(&mut world, 1);
        }
        assert!(world.alarms.iter().all(|alarm| !alarm.lived), "somebody was lost on the way");
        assert_eq!(world.survives_any_death(), Ok(()), "seed {seed}");
    }
}

#[test]
fn a_peer_that_always_hangs_up_is_not_dialled_every_second() {
    let mut world = grown(4, Quality::LAN, 3);
    world.crash(3);
    world.run_ms(20_000);
    world.nodes[3].puppet = true;
    world.nodes[3].state = tern_sim::mesh::State::Runs;
    let before = world.nodes[0].count.dials;
    for _ in 0..1_200 {
        world.run_ms(100);
        let ends: Vec<u64> = world.nodes[3].links.iter().copied().collect();
        for end in ends {
            world.hang_up(end);
        }
    }
    let dials = world.nodes[0].count.dials - before;
    assert!(dials < 40, "{dials} dials in two minutes");
}

#[test]
fn a_new_link_costs_what_is_missing_and_not_the_whole_picture_again() {
    let mut world = grown(50, Quality::LAN, 3);
    world.run_ms(70_000);
    let bytes = |world: &World| world.nodes.iter().map(|node| node.count.frame_bytes).sum::<u64>();
    let before = bytes(&world);
    world.crash(7);
    world.run_ms(7_000);
    world.start(7);
    world.run_ms(10_000);
    let spent = (bytes(&world) - before) / 1024;
    // The whole picture over each of its links at the worst, and every changed adjacency twice over every link.
    assert!(spent < 4_000, "{spent} KiB for one restart among 50");
}

/// Addresses of one machine are all that newcomers have: of the one that let them in.
#[test]
fn sixty_newcomers_who_know_one_machine_only_are_soon_one_grid() {
    for seed in 0..3 {
        let mut world = crate::world(seed, 60, Quality::LAN);
        let first = (world.nodes[0].key, world.nodes[0].here.link_addresses.clone());
        for node in 1..60 {
            world.nodes[node].addresses = [first.clone()].into();
        }
        for node in 0..60 {
            world.start(node);
            world.run_ms(100);
        }
        let took = well(&mut world, 10_000);
        println!("seed {seed}: one grid after {took} ms");
    }
}
