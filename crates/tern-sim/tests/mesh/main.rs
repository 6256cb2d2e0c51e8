//! The mesh, doubted: deaths, restarts, copies, liars, links, traffic, and many lives.

mod alarms;
mod copies;
mod deaths;
mod liars;
mod links;
mod lives;
mod members;

use tern_sim::Story;
use tern_sim::mesh::{Quality, World};

/// So many members on a network of this quality, converged.
fn grown(count: usize, quality: Quality, seed: u64) -> World {
    let mut world = World::new(seed, count, quality, Story::told());
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
