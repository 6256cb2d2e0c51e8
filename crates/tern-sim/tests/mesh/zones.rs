//! Grids whose zones know little of each other: who is reached, what a death means, how a zone looks from outside.

use std::collections::BTreeSet;

use tern_core::decide::zones::turn;
use tern_core::machine::mesh::{LinkId, MeshEvent};
use tern_core::observe::{LinkTrit, NodeTrit, ZoneLoad};
use tern_core::trust::{GridId, Name, admit};
use tern_core::wire::mesh::record::body;
use tern_core::wire::mesh::{Kind, LinkFrame, Record, Roster, Stamp, encode_frame};
use tern_sim::Story;
use tern_sim::mesh::{Quality, World, keys};

use crate::well;

/// Zones of so many computers each, settled.
fn zoned(seed: u64, zones: usize, each: usize) -> World {
    let mut world = World::new(seed, zones * each, Quality::LAN, Story::default());
    #[cfg(feature = "planted")]
    {
        world.plant = crate::PLANT.get();
    }
    world.zone(zones);
    for node in &mut world.nodes {
        node.vitals.rho_milli = Some(500);
    }
    world.start_all();
    world.run_ms(1_000);
    well(&mut world, 30_000);
    world
}

/// The computers of a zone in the order in which they serve it.
fn order(world: &World, zone: usize, each: usize) -> Vec<usize> {
    let mut nodes: Vec<usize> = (zone * each..(zone + 1) * each).collect();
    nodes.sort_by_key(|node| turn(&world.nodes[*node].here.zone, &world.nodes[*node].key));
    nodes
}

#[test]
fn everybody_reaches_everybody_and_knows_its_own_zone_only() {
    let world = zoned(1, 6, 5);
    for (number, node) in world.nodes.iter().enumerate() {
        let views = node.mesh.as_ref().unwrap().nodes();
        assert_eq!(views.len(), 30);
        let known: BTreeSet<usize> =
            views.iter().filter(|view| view.facts.is_some()).filter_map(|view| world.number(&view.node)).collect();
        assert_eq!(known, (number / 5 * 5..number / 5 * 5 + 5).collect(), "node {number}");
        assert!(views.iter().all(|view| view.zone == world.nodes[world.number(&view.node).unwrap()].here.zone));
    }
}

#[test]
fn a_whole_zone_dies_and_the_others_still_reach_each_other() {
    for seed in 0..4 {
        let mut world = zoned(seed, 6, 4);
        let dead = seed as usize + 1;
        for node in dead * 4..dead * 4 + 4 {
            world.crash(node);
        }
        well(&mut world, 20_000);
    }
}

#[test]
pub fn a_dead_speaker_is_not_believed_any_more() {
    for seed in 0..4 {
        let mut world = zoned(seed, 3, 5);
        for dead in order(&world, 1, 5).into_iter().take(3) {
            world.crash(dead);
            well(&mut world, 15_000);
        }
    }
}

#[test]
fn one_that_spoke_while_it_was_alone_takes_that_back_in_its_next_life() {
    for seed in 0..6 {
        let mut world = zoned(seed, 3, 4);
        let order = order(&world, 1, 4);
        for away in &order[..3] {
            world.crash(*away);
        }
        // The last one says that it is all there is of its zone.
        world.run_ms(20_000);
        world.crash(order[3]);
        for back in &order[..3] {
            world.start(*back);
        }
        world.run_ms(5_000);
        world.start(order[3]);
        world.run_ms(3_000);
        well(&mut world, 20_000);
    }
}

#[test]
pub fn what_an_earlier_life_said_for_its_zone_is_taken_back_by_one_that_speaks_for_nobody() {
    let mut world = zoned(2, 3, 4);
    let silent = order(&world, 1, 4)[3];
    let key = world.nodes[silent].key;
    // Said when it was alone; somebody still has it. It counts from less than this life does.
    let (zone, members) = (world.nodes[silent].here.zone.clone(), Roster::pack([key.mark()].into_iter()));
    let roster = Roster { incarnation: 1, zone, members, ..Roster::default() };
    let stamp = Stamp { origin: key, kind: Kind::Roster, sequence: 1 };
    let grid = GridId(keys::key(world.seed, usize::MAX - 1));
    let record = Record::sign(&grid, stamp, body(&roster), &|text| keys::sign(&key, text));
    let bytes = encode_frame(&LinkFrame::Records(vec![record]));
    for link in world.nodes[0].links.clone() {
        world.give(0, MeshEvent::Frame { link: LinkId(link), bytes: bytes.clone() });
    }
    world.run_ms(1_500);
    well(&mut world, 5_000);
}

#[test]
fn zones_that_lie_in_others_add_up_as_all_nodes_at_once() {
    let mut world = World::new(3, 12, Quality::LAN, Story::default());
    world.zone(3);
    for (number, node) in world.nodes.iter_mut().enumerate() {
        node.here.zone = ["eu/berlin", "eu/paris", "us"][number / 4].to_owned();
        node.vitals.rho_milli = Some(100 * number as u16);
        node.vitals.trit = NodeTrit::literal(f64::from(100 * number as u16) / 1000.0);
    }
    world.start_all();
    world.run_ms(1_000);
    well(&mut world, 30_000);
    world.run_ms(40_000);
    let flat = |numbers: std::ops::Range<usize>| {
        let loads = world.nodes[numbers].iter().map(|node| ZoneLoad::of(Some(&node.here.facts), Some(&node.vitals)));
        loads.fold(ZoneLoad::default(), ZoneLoad::join)
    };
    for viewer in [0, 5, 11] {
        let zones = world.nodes[viewer].mesh.as_ref().unwrap().zones();
        let names: Vec<&str> = zones.iter().map(|zone| zone.zone.as_str()).collect();
        assert_eq!(names, ["eu", "eu/berlin", "eu/paris", "us"]);
        assert_eq!(zones[0].inner, ["eu/berlin", "eu/paris"]);
        assert_eq!([zones[0].up, zones[3].up], [8, 4]);
        assert_eq!([zones[0].load, zones[1].load, zones[3].load], [flat(0..8), flat(0..4), flat(8..12)]);
        assert_eq!(zones[3].load.trit(), Some(NodeTrit::Overloaded));
        assert_eq!(zones[3].here, viewer == 11);
        assert_ne!(zones[0].link, LinkTrit::Failed);
    }
}

#[test]
fn nodes_hear_of_all_zones_and_of_their_brokers() {
    let mut world = World::new(6, 12, Quality::LAN, Story::default());
    world.zone(3);
    for (number, node) in world.nodes.iter_mut().enumerate() {
        node.vitals.rho_milli = Some(500);
        (node.vitals.trit, node.vitals.slots) = (NodeTrit::Overloaded, 4);
        // The first zone has one balanced node, the second has tasks that wait, the third nothing of both.
        node.vitals.trit = if number == 2 { NodeTrit::Balanced } else { node.vitals.trit };
        (node.vitals.queued, node.vitals.running) = if number / 4 == 1 { (5, 4) } else { (0, 0) };
        // Its last node has a free slot beside them: what waits there cannot run on it.
        node.vitals.running = if number == 7 { 3 } else { node.vitals.running };
    }
    world.start_all();
    world.run_ms(1_000);
    well(&mut world, 30_000);
    for node in &mut world.nodes {
        node.areas.clear();
    }
    world.run_ms(20_000);
    // The balanced one, and where there is none the first.
    let firsts = [2, order(&world, 1, 4)[0], order(&world, 2, 4)[0]];
    for node in 0..12 {
        let areas = &world.nodes[node].areas;
        assert_eq!(areas.iter().position(|area| area.here), Some(node / 4));
        assert_eq!(areas.iter().map(|area| world.number(&area.broker).unwrap()).collect::<Vec<_>>(), firsts);
        assert_eq!(areas.iter().map(|area| area.load.on_offer).collect::<Vec<_>>(), [0, 20, 0]);
        assert_eq!(areas.iter().map(|area| area.load.room).collect::<Vec<_>>(), [16, 1, 16]);
    }
}

#[test]
fn a_machine_that_is_elsewhere_belongs_to_the_zone_where_it_is() {
    let mut world = zoned(4, 3, 4);
    // From now on it meets the last zone only.
    for other in (0..8).filter(|other| *other != 5) {
        world.cut(5, other);
    }
    world.run_ms(40_000);
    well(&mut world, 40_000);
    let others = world.nodes[11].mesh.as_ref().unwrap().zones();
    let counts: Vec<(String, u32)> = others.into_iter().map(|zone| (zone.zone, zone.up)).collect();
    // Its load is counted where it says that it stands; the way to it leads where it is.
    assert_eq!(counts, [("zone-000".into(), 4), ("zone-001".into(), 4), ("zone-002".into(), 4)]);
    assert!(world.carry(0, 5).is_ok());
}

#[test]
fn a_grid_that_grows_beyond_what_all_can_know_loses_nobody_on_the_way() {
    let mut world = World::new(5, 12, Quality::LAN, Story::default());
    world.zone(3);
    world.flat_members = 12;
    world.start_all();
    world.run_ms(1_000);
    well(&mut world, 20_000);
    let before = world.alarms.len();
    // One member more, which never comes.
    let roll = world.nodes[0].mesh.as_ref().unwrap().roll().clone();
    let admin = keys::key(world.seed, usize::MAX - 2);
    let (new, name) = (keys::key(world.seed, 999), Name::near("new"));
    let list = keys::with_signer(admin, |admin| admit(&roll, admin, new, &name)).unwrap();
    world.say(0, list);
    world.flat_members = 0;
    world.run_ms(100);
    well(&mut world, 20_000);
    let lost = world.alarms[before..].iter().filter(|alarm| alarm.by / 4 == alarm.about / 4).count();
    assert_eq!(lost, 0, "nobody of the same zone was called dead");
}
