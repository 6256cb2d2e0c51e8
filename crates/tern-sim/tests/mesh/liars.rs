//! A member that lies, floods and repeats changes nothing that others know but the counters.

use tern_core::machine::mesh::LinkId;
use tern_core::trust::{GridId, Signature};
use tern_core::wire::mesh::record::body;
use tern_core::wire::mesh::{Adjacency, Kind, LinkFrame, Neighbour, Record, Stamp, encode_frame};
use tern_core::words::NodeId;
use tern_sim::mesh::{Quality, World, keys};

use crate::{grown, well};

/// A grid in which the last member is a puppet with a link to node 0. Returns the puppet's end.
fn infiltrated(count: usize, seed: u64) -> (World, LinkId) {
    let mut world = grown(count, Quality::LAN, seed);
    let liar = count - 1;
    world.crash(liar);
    world.run_ms(20_000);
    world.nodes[liar].puppet = true;
    world.removed.insert(liar);
    let link = linked(&mut world, liar);
    (world, link)
}

fn linked(world: &mut World, liar: usize) -> LinkId {
    let link = LinkId(2 * world.connect(liar, 0));
    world.send_frame(link, encode_frame(&LinkFrame::Hello { incarnation: 7, instead: false }));
    world.send_frame(link, encode_frame(&LinkFrame::Listening { roll: 0, area: None }));
    let (from, to) = (NodeId([0; 32]), NodeId([0xff; 32]));
    world.send_frame(link, encode_frame(&LinkFrame::Digest { from, to, stamps: Vec::new() }));
    world.run_ms(50);
    link
}

fn forged(world: &World, origin: NodeId, sequence: u64, kind: Kind, by: Option<NodeId>) -> Record {
    let stamp = Stamp { origin, kind, sequence };
    let everybody = world.nodes.iter().take(3).map(|node| Neighbour { node: node.key, rtt_us: 1 }).collect();
    let body = body(&Adjacency { neighbours: everybody, ..Adjacency::default() });
    let grid = GridId(keys::key(world.seed, usize::MAX - 1));
    match by {
        Some(key) => Record::sign(&grid, stamp, body, &|text| keys::sign(&key, text)),
        None => Record { stamp, body: body.into(), signature: Signature([7; 64]) },
    }
}

#[test]
pub fn forged_records_change_nothing_and_do_not_silence_whom_they_name() {
    let (mut world, _) = infiltrated(6, 4);
    let before = world.knowledge(1);
    let victim = world.nodes[2].key;
    for round in 0..60 {
        let liar = 5;
        let link = linked(&mut world, liar);
        let records =
            (0..90).map(|n| forged(&world, victim, (1 << 40) + round * 90 + n, Kind::Adjacency, None)).collect();
        world.send_frame(link, encode_frame(&LinkFrame::Records(records)));
        world.run_ms(20);
    }
    assert_eq!(world.knowledge(1), before);
    world.nodes[2].here.zone = "attic".into();
    let here = Box::new(world.nodes[2].here.clone());
    world.give(2, tern_core::machine::mesh::MeshEvent::Here(here));
    world.run_ms(300);
    for node in [0, 1] {
        let views = world.nodes[node].mesh.as_ref().unwrap().nodes();
        assert_eq!(views.iter().find(|view| view.node == victim).unwrap().zone, "attic", "{node} did not hear it");
    }
}

#[test]
fn garbage_is_counted_and_nothing_else() {
    let (mut world, mut link) = infiltrated(5, 6);
    let (before, events) = (world.knowledge(1), world.nodes[1].count.events);
    let mut dice = fastrand::Rng::with_seed(6);
    for _ in 0..2_000 {
        let mut bytes = vec![0; dice.usize(0..200)];
        dice.fill(&mut bytes);
        if dice.bool() {
            bytes.splice(0..0, [1, 0, dice.u8(0..6)]);
        }
        world.send_frame(link, bytes.clone());
        if dice.bool() {
            bytes.splice(0..0, [dice.u8(1..3)]);
        }
        world.send_datagram(link, &bytes);
        world.run_ms(5);
        if !world.net.links[(link.0 / 2) as usize].open[0] {
            link = linked(&mut world, 4);
        }
    }
    world.run_ms(1_000);
    assert_eq!(world.knowledge(1), before);
    let spent = world.nodes[1].count.events - events;
    assert!(spent < 5_000, "another node had {spent} events of it");
    assert_eq!(world.within_bounds(), Ok(()));
}

#[test]
fn the_dead_stay_dead_whatever_is_repeated() {
    let mut world = grown(6, Quality::LAN, 8);
    let dead = world.nodes[3].key;
    let mesh = world.nodes[0].mesh.as_ref().unwrap();
    let seen = mesh.nodes().into_iter().find(|view| view.node == dead).unwrap();
    assert!(seen.up);
    world.crash(3);
    world.run_ms(6_000);
    world.crash(5);
    world.run_ms(20_000);
    world.nodes[5].puppet = true;
    // The liar holds the dead one's key, too: it can sign newer records that claim everybody.
    let link = linked(&mut world, 5);
    for sequence in [1, 2, 3, 1 << 40, u64::MAX - 1, u64::MAX] {
        let records = vec![forged(&world, dead, sequence, Kind::Adjacency, Some(dead))];
        world.send_frame(link, encode_frame(&LinkFrame::Records(records)));
        world.run_ms(100);
        assert!(!world.nodes[0].up.contains_key(&dead));
    }
    // And its owner comes back, whatever was signed in its name.
    world.start(3);
    well(&mut world, 6_000);
}

#[test]
fn a_chatterbox_is_limited_at_its_neighbour() {
    let (mut world, link) = infiltrated(5, 11);
    let liar = world.nodes[4].key;
    let frames = |world: &World| world.nodes[0].count.frames;
    let before = frames(&world);
    for sequence in 1..5_000 {
        let records = vec![
            forged(&world, liar, sequence, Kind::Profile, Some(liar)),
            forged(&world, liar, sequence, Kind::Adjacency, Some(liar)),
        ];
        world.send_frame(link, encode_frame(&LinkFrame::Records(records)));
        world.run_ms(2);
    }
    let sent = frames(&world) - before;
    assert!(sent < 1_000, "ten thousand records of one node became {sent} frames");
}

#[test]
pub fn what_was_said_long_ago_is_not_believed_again() {
    let (mut world, link) = infiltrated(5, 12);
    let old: Vec<Vec<u8>> = world.nodes[4].heard.iter().filter(|bytes| bytes.get(2) == Some(&4)).cloned().collect();
    assert!(!old.is_empty(), "the puppet was sent no records");
    world.nodes[2].here.zone = "attic".into();
    let here = Box::new(world.nodes[2].here.clone());
    world.give(2, tern_core::machine::mesh::MeshEvent::Here(here));
    world.run_ms(1_000);
    let before = (world.knowledge(0), world.knowledge(1));
    for bytes in old {
        world.send_frame(link, bytes);
    }
    world.run_ms(300);
    assert_eq!((world.knowledge(0), world.knowledge(1)), before);
}
