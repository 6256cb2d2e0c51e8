//! Many lives, each with its own trouble, each of which must end well; and each the same when it is lived again.

use tern_sim::Story;
use tern_sim::mesh::{Life, live};

#[test]
fn lives_full_of_trouble_end_with_one_picture() {
    let ends: Vec<_> = (0..150).map(|seed| live(&Life::of(seed), Story::default()).0).collect();
    let bad: Vec<_> = ends.iter().filter_map(|end| end.as_ref().err()).collect();
    assert!(bad.is_empty(), "{} lives: {bad:#?}", bad.len());
    let downs: u64 = ends.iter().flatten().map(|report| report.downs).sum();
    assert!(downs > 1_000, "only {downs} deaths were noticed in all lives");
}

#[test]
fn a_seed_is_one_life() {
    for seed in [3, 8, 21] {
        let life = Life { troubled_ms: 10_000, ..Life::of(seed) };
        assert!(live(&life, Story::told()) == live(&life, Story::told()), "seed {seed} has two lives");
    }
}
