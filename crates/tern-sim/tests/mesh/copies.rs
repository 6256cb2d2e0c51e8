//! Two machines with one key: the newer one is refused, both are told, and the older one is not touched.

use tern_sim::mesh::{Quality, World};

use crate::grown;

fn copied(count: usize, seed: u64, quality: Quality, battery: bool) -> World {
    let mut world = crate::world(seed, count, quality);
    world.nodes[1].here.on_battery = battery;
    world.start_all();
    world.run_ms(20_000);
    let copy = world.copy(1);
    let alarms = world.alarms.len();
    world.start(copy);
    world.run_ms(30_000);
    for node in (0..count).filter(|node| *node != 1) {
        let mesh = world.nodes[node].mesh.as_ref().unwrap();
        let seen = mesh.nodes().into_iter().find(|view| view.node == world.nodes[1].key).unwrap();
        assert!(seen.up, "seed {seed}: {node} lost the older one");
        assert_eq!(
            seen.addresses.first(),
            world.nodes[1].here.link_addresses.first(),
            "seed {seed}: the copy is believed"
        );
    }
    let about = world.alarms[alarms..].iter().filter(|alarm| alarm.about == 1 && alarm.lived).count();
    assert_eq!(about, 0, "seed {seed}: the older one was called dead");
    world
}

#[test]
pub fn the_newer_of_two_machines_with_one_key_is_refused_and_both_are_told() {
    for seed in 0..12 {
        let quality = if seed % 2 == 0 { Quality::LAN } else { Quality { jitter_us: 20_000, ..Quality::ROUGH } };
        let world = copied(2 + seed as usize, seed, quality, seed % 3 == 0);
        let copy = world.nodes.len() - 1;
        for told in [1, copy] {
            let said = world.nodes[told].notes.iter().any(|note| note.contains("another machine uses this node's key"));
            assert!(said, "seed {seed}: {told} is not told; it heard {:?}", world.nodes[told].notes);
        }
    }
}

#[test]
fn a_copy_that_starts_after_the_older_one_died_takes_its_place() {
    let mut world = grown(4, Quality::LAN, 1);
    let copy = world.copy(1);
    world.crash(1);
    world.run_ms(8_000);
    world.start(copy);
    world.run_ms(5_000);
    for node in [0, 2, 3] {
        assert!(world.nodes[node].up.contains_key(&world.nodes[1].key), "{node} refuses it");
        assert_eq!(world.nodes[node].notes, Vec::<String>::new());
    }
}
