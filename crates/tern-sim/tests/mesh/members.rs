//! Who is removed is dropped everywhere, and stays so, whoever was away while it was said.

use tern_core::trust::{Name, Statement, admit, revoke_member};
use tern_sim::mesh::{Quality, World, keys};

use crate::{grown, well};

fn revoked(world: &World, node: usize) -> Vec<Statement> {
    let roll = world.nodes[0].mesh.as_ref().unwrap().roll();
    let admin = keys::key(world.seed, usize::MAX - 2);
    keys::with_signer(admin, |admin| revoke_member(roll, admin, world.nodes[node].key)).unwrap()
}

fn is_dropped(world: &World, gone: usize) -> bool {
    let others = world.nodes.iter().enumerate().filter(|(at, node)| *at != gone && node.mesh.is_some());
    let key = world.nodes[gone].key;
    others.clone().all(|(_, node)| !node.up.contains_key(&key) && !node.admitted.contains(&key))
        && others.flat_map(|(_, node)| node.mesh.as_ref().unwrap().links()).all(|link| link.peer != key)
}

#[test]
fn a_removed_member_is_dropped_everywhere_and_does_not_come_back() {
    for (seed, count) in [(1, 3), (2, 8), (3, 20)] {
        let mut world = grown(count, Quality::LAN, seed);
        let list = revoked(&world, count - 1);
        world.say(0, list);
        world.removed.insert(count - 1);
        world.run_ms(2_000);
        assert!(is_dropped(&world, count - 1));
        // Started anew, by a member that was away, by replayed statements.
        world.crash(count - 1);
        world.run_ms(100);
        world.start(count - 1);
        world.run_ms(20_000);
        assert!(is_dropped(&world, count - 1), "it came back");
        well(&mut world, 1_000);
    }
}

#[test]
fn a_removal_made_while_others_still_doubt_the_admin_reaches_them() {
    for seed in 0..10 {
        let mut world = grown(3 + seed as usize, Quality::LAN, seed);
        let gone = world.nodes.len() - 1;
        let list = revoked(&world, gone);
        // The admin's machine starts again: the others wait whether its older life answers. In this time it removes one.
        world.crash(0);
        world.start(0);
        world.run_ms(60 * seed);
        world.say(0, list);
        world.removed.insert(gone);
        world.run_ms(6_000);
        assert!(is_dropped(&world, gone), "seed {seed}: somebody was not told");
    }
}

#[test]
pub fn one_that_was_away_learns_who_was_removed_and_who_came() {
    let mut world = grown(6, Quality::LAN, 5);
    world.crash(5);
    world.crash(4);
    world.run_ms(6_000);
    let list = revoked(&world, 4);
    world.say(0, list);
    world.removed.insert(4);
    world.run_ms(500);
    // The removed one and the one that was away come back together.
    world.start(4);
    world.start(5);
    world.run_ms(5_000);
    assert!(is_dropped(&world, 4));
    well(&mut world, 1_000);
}

#[test]
fn an_admitted_node_is_up_within_a_second() {
    let mut world = grown(5, Quality::LAN, 7);
    // Removed, then let in again under the next serial: a node that comes anew.
    let list = revoked(&world, 4);
    world.say(0, list);
    world.run_ms(1_000);
    let roll = world.nodes[0].mesh.as_ref().unwrap().roll().clone();
    let admin = keys::key(world.seed, usize::MAX - 2);
    let wished = Name::near("again");
    let list = keys::with_signer(admin, |admin| admit(&roll, admin, world.nodes[4].key, &wished)).unwrap();
    world.crash(4);
    world.run_ms(20_000);
    world.nodes[4].roll = roll.statements().into_iter().chain(list.clone()).collect::<Vec<_>>().into();
    world.say(0, list);
    world.start(4);
    well(&mut world, 2_000);
}
