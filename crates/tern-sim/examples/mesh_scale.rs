//! What a mesh without zones costs as it grows: traffic, state, time to know of a death, work an event.
//!
//! `mesh_scale 10 30 100` for these sizes (10 30 100 300 1000). Vitals every five seconds, heartbeats every second.

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

fn measure(count: usize) {
    let mut world = World::new(1, count, Quality::LAN, Story::default());
    world.start_all();
    let mut one_picture = 0;
    let settled = world.one_picture_within(30_000).inspect(|ms| one_picture = *ms);
    // Links that nobody wants go after a minute.
    world.run_ms(if count > 300 { 75_000 } else { 100_000 });
    let (before, began) = (total(&world), Instant::now());
    world.run_ms(60_000);
    let (spent, after) = (began.elapsed(), total(&world));
    let rate = |of: fn(&Count) -> u64| (of(&after) - of(&before)) as f64 / 60.0 / count as f64;
    let links = world.edges().len() as f64 * 2.0 / count as f64;
    let (downs, frames) = (total(&world).downs, total(&world).frame_bytes);
    let mut known = 0;
    let events = total(&world).events;
    let busy = Instant::now();
    world.crash(count / 2);
    while total(&world).downs < downs + count as u64 - 1 && known < 10_000 {
        world.run_ms(20);
        known += 20;
    }
    let death = busy.elapsed().as_secs_f64() * 1e6 / (total(&world).events - events) as f64;
    world.run_ms(3_000);
    let flood = (total(&world).frame_bytes - frames) as f64 / 1024.0 / count as f64;
    let held = state(&mut world, 0);
    println!(
        "{count:>5} | {:>7} | {links:>5.1} | {:>8.0} | {:>6.0} {:>6.0} {:>6.0} {:>6.0} | {:>8.1} | {known:>6} | {flood:>8.1} | {:>6.1} {death:>6.1}",
        settled.map_or_else(|_| "never".to_owned(), |ms| ms.to_string()),
        rate(|count| count.frame_bytes + count.datagram_bytes),
        rate(|count| count.datagram_bytes - count.vitals_bytes),
        rate(|count| count.vitals_bytes),
        rate(|count| count.digest_bytes),
        rate(|count| count.record_bytes),
        held as f64 / 1024.0,
        spent.as_secs_f64() * 1e6 / (after.events - before.events) as f64,
    );
}

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    println!(
        "nodes | picture | links | idle B/s | beats vitals digest records | state KiB | death ms | KiB a death | µs an event: idle, death"
    );
    for count in if sizes.is_empty() { vec![10, 30, 100, 300, 1_000] } else { sizes } {
        measure(count);
    }
}
