//! What a mesh costs as it grows: traffic, state, time to know of a death, work an event.
//!
//! `mesh_scale 10 100 1000` for these sizes (10 30 100 300 1000 3000 10000); above 128 nodes in zones of a hundred. Vitals every
//! five seconds, heartbeats every second.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tern_sim::Story;
use tern_sim::mesh::{Count, Quality, World};

struct Counting;
static HELD: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator that counts is a GlobalAlloc")]
// SAFETY: every call goes on to the system's allocator unchanged; only a counter is kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above; the pointer came from `alloc` of this allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn total(world: &World) -> Count {
    world.nodes.iter().fold(Count::default(), |mut sum, node| {
        let count = &node.count;
        sum.events += count.events;
        sum.frame_bytes += count.frame_bytes;
        sum.digest_bytes += count.digest_bytes;
        sum.record_bytes += count.record_bytes;
        sum.datagram_bytes += count.datagram_bytes;
        sum.vitals_bytes += count.vitals_bytes;
        sum.downs += count.downs;
        sum
    })
}

/// Bytes that the mesh of one node holds: what becomes free when it dies.
fn state(world: &mut World, node: usize) -> usize {
    let before = HELD.load(Ordering::Relaxed);
    let mesh = world.nodes[node].mesh.take();
    drop(mesh);
    before - HELD.load(Ordering::Relaxed)
}

/// Between looks whether all is settled, and how often to look.
const LOOK_MS: u64 = 500;
const LOOKS: u64 = 240;

/// Ways between computers drawn by lot lead there, and some of them see everybody up.
fn is_settled(world: &World, dice: &mut fastrand::Rng) -> bool {
    let count = world.nodes.len();
    let leads = (0..200).all(|_| world.carry(dice.usize(..count), dice.usize(..count)).is_ok_and(|hops| hops <= 16));
    let sees = |node: &tern_sim::mesh::Computer| {
        let views = node.mesh.as_ref().map(tern_core::machine::mesh::Mesh::nodes).unwrap_or_default();
        views.iter().filter(|view| view.up).count() == count
    };
    leads && (0..5).all(|_| sees(&world.nodes[dice.usize(..count)]))
}

fn hops(world: &World, dice: &mut fastrand::Rng) -> f64 {
    let count = world.nodes.len();
    let walked: usize = (0..500).filter_map(|_| world.carry(dice.usize(..count), dice.usize(..count)).ok()).sum();
    walked as f64 / 500.0
}

/// Bytes of the statements about who is a member: the same in all nodes.
fn roll_bytes(world: &World) -> usize {
    let Some(mesh) = world.nodes.first().and_then(|node| node.mesh.as_ref()) else { return 0 };
    let before = HELD.load(Ordering::Relaxed);
    let mut own = tern_core::trust::Roll::new(mesh.roll().grid());
    let (_, refused) = own.merge(&mesh.roll().statements(), tern_sim::mesh::keys::verify);
    let bytes = HELD.load(Ordering::Relaxed) - before;
    assert!(refused.is_empty() && own == *mesh.roll(), "the copy of a roll is that roll");
    bytes
}

fn measure(count: usize) {
    let zones = if count > 128 { count.div_ceil(100) } else { 0 };
    let mut dice = fastrand::Rng::with_seed(1);
    let mut world = World::new(1, count, Quality::LAN, Story::default());
    let began = Instant::now();
    if zones > 0 {
        world.zone(zones);
        world.flat_members = 128;
        world.start_zones(zones);
    } else {
        world.start_all();
    }
    world.run_ms(1_000);
    let settled = (0..LOOKS).find(|_| {
        world.run_ms(LOOK_MS);
        is_settled(&world, &mut dice)
    });
    let settled = settled.map_or_else(|| "never".to_owned(), |looks| format!("{:.1}", (looks + 3) as f64 * 0.5));
    eprintln!("{count}: settled after {settled} s, which took {:.0} s", began.elapsed().as_secs_f64());
    // Links that nobody wants go after a minute.
    world.run_ms(75_000);
    let (before, began) = (total(&world), Instant::now());
    world.run_ms(60_000);
    let (spent, after) = (began.elapsed(), total(&world));
    let rate = |of: fn(&Count) -> u64| (of(&after) - of(&before)) as f64 / 60.0 / count as f64;
    let links = world.edges().len() as f64 * 2.0 / count as f64;
    let (events, downs) = (total(&world).events, total(&world).downs);
    let hops = hops(&world, &mut dice);
    let (busy, mut known) = (Instant::now(), 0);
    world.crash(count / 2);
    let witnesses = count.checked_div(zones).unwrap_or(count) as u64 - 1;
    while total(&world).downs < downs + witnesses && known < 10_000 {
        world.run_ms(20);
        known += 20;
    }
    let death = busy.elapsed().as_secs_f64() * 1e6 / (total(&world).events - events) as f64;
    world.run_ms(3_000);
    let roll = roll_bytes(&world);
    let held = state(&mut world, 0);
    println!(
        "| {count} | {zones} | {settled} | {links:.1} | {hops:.1} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {known} | {:.1} / {death:.1} |",
        rate(|count| count.frame_bytes + count.datagram_bytes),
        rate(|count| count.datagram_bytes - count.vitals_bytes),
        rate(|count| count.vitals_bytes),
        rate(|count| count.digest_bytes),
        rate(|count| count.record_bytes),
        held as f64 / 1024.0,
        roll as f64 / 1024.0,
        spent.as_secs_f64() * 1e6 / (after.events - before.events) as f64,
    );
}

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    println!(
        "| nodes | zones | settled s | links | hops | B/s a node | heartbeats | vitals | digests | records | state KiB | roll KiB | death ms | µs an event, idle / death |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for count in if sizes.is_empty() { vec![10, 30, 100, 300, 1_000, 3_000, 10_000] } else { sizes } {
        measure(count);
    }
}
