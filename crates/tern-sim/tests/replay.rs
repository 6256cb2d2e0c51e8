//! The same seed is the same life: to the byte as text, to the number as statistics.

use tern_sim::{Options, check_seed, check_seeds, life};

#[test]
fn a_seed_replays_byte_for_byte() {
    for seed in [1, 7, 42, 1_000_003] {
        let first = life(seed, &Options::default());
        assert!(first.lines().count() > 20, "seed {seed} has next to no life:\n{first}");
        assert!(first == life(seed, &Options::default()), "seed {seed} has two lives");
        assert_eq!(check_seed(seed), check_seed(seed));
    }
}

#[test]
fn different_seeds_have_different_lives() {
    assert_ne!(life(1, &Options::default()), life(2, &Options::default()));
}

#[test]
fn telling_a_life_does_not_change_it() {
    for seed in 0..20 {
        let told = life(seed, &Options::default());
        let end = match check_seed(seed) {
            Ok(stats) => format!("all is well: {stats}\n"),
            Err(failure) => format!("FAILED: {failure}\n"),
        };
        assert!(told.ends_with(&end), "seed {seed} ends otherwise when nobody listens: {end}");
    }
}

#[test]
fn many_seeds_pass_and_the_number_of_threads_does_not_matter() {
    let one = check_seeds(0..150, 1, None);
    let two = check_seeds(0..150, 2, None);
    assert!(one.failures.is_empty(), "{one}");
    assert_eq!((one.seeds, one.total), (two.seeds, two.total));
}

#[test]
fn lives_are_full_of_trouble_and_of_work() {
    let total = check_seeds(0..150, 2, None).total;
    let least = [
        ("faults", total.faults, 500),
        ("runs", total.runs, 5_000),
        ("loans", total.loans, 100),
        ("messages", total.messages, 5_000),
        ("lies", total.lies, 200),
    ];
    for (what, seen, least) in least {
        assert!(seen >= least, "only {seen} {what} in 150 lives");
    }
}
