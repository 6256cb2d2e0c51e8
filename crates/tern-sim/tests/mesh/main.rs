//! The mesh, doubted: deaths, restarts, copies, liars, links, traffic, and many lives.

mod alarms;
mod copies;
mod deaths;
mod liars;
mod links;
mod lives;
mod members;
#[cfg(feature = "planted")]
mod planted;
mod zones;

use tern_sim::Story;
use tern_sim::mesh::{Quality, World};

#[cfg(feature = "planted")]
thread_local! {
    /// The bug that worlds of this thread have.
    static PLANT: std::cell::Cell<Option<tern_core::machine::Plant>> = const { std::cell::Cell::new(None) };
}

/// So many members, all of them off.
fn world(seed: u64, count: usize, quality: Quality) -> World {
    #[cfg_attr(not(feature = "planted"), expect(unused_mut, reason = "the planted form needs it"))]
    let mut world = World::new(seed, count, quality, Story::told());
    #[cfg(feature = "planted")]
    {
        world.plant = PLANT.get();
    }
    world
}

/// So many members on a network of this quality, converged.
fn grown(count: usize, quality: Quality, seed: u64) -> World {
    let mut world = world(seed, count, quality);
    world.start_all();
    world.run_ms(1_000);
    well(&mut world, 6_000);
    world.run_ms(3_000);
    world
}

/// All is well within this time, or the story is told.
fn well(world: &mut World, ms: u64) -> u64 {
    match world.well_within(ms) {
        Ok(took) => took,
        Err(why) => panic!("{}{why}", std::mem::take(&mut world.story).text()),
    }
}
