//! Bugs planted into the core on purpose: the oracles must see each of them, and nothing where there is none.
#![cfg(feature = "planted")]

use tern_core::machine::Plant;
use tern_sim::{Plan, check_plan};

/// Seeds within which a planted bug must be found.
const SEEDS: u64 = 10_000;

/// Lives seeds with the bug until an oracle objects, then the same seed without it.
fn is_found(plant: Plant) -> (u64, &'static str) {
    for seed in 0..SEEDS {
        // Without the machine's own check of itself: the world must see it from outside.
        let plan = Plan { plant: Some(plant), sane_every: u64::MAX, ..Plan::of(seed) };
        if let Err(failure) = check_plan(plan) {
            assert_eq!(check_plan(Plan::of(seed)).err(), None, "seed {seed} fails without the bug, too");
            println!("{plant:?}: {failure}");
            return (seed, failure.oracle);
        }
    }
    panic!("{plant:?} is not found within {SEEDS} seeds");
}

macro_rules! plants {
    ($($name:ident: $plant:ident => [$($oracle:literal),+];)+) => {$(
        #[test]
        fn $name() {
            let (seed, oracle) = is_found(Plant::$plant);
            assert!([$($oracle),+].contains(&oracle), "{oracle} objected at seed {seed}");
        }
    )+};
}

plants! {
    an_answer_before_the_fsync: AckBeforeFsync => ["anytime_acknowledged_is_durable"];
    a_lease_from_arrival: LeaseFromArrival => ["anytime_leases_are_obeyed"];
    a_lease_on_the_clock_that_sleeps: LeaseOnMono => ["anytime_leases_are_obeyed", "anytime_no_storms"];
    no_margin: NoMargin => ["anytime_one_valid_holder"];
    half_a_lease: ReclaimEarly => ["anytime_one_valid_holder"];
    reclaimed_on_a_lost_connection: ReclaimOnPeerDown => ["anytime_one_valid_holder"];
    a_cancellation_forgotten: ForgetCancel => ["anytime_cancelled_starts_nothing"];
    a_result_counted_twice: DoubleCount => ["anytime_a_task_counts_once", "anytime_all_tries_are_used"];
    tasks_lost_with_the_warden: LoseOnWardenDown => ["eventually_every_job_is_over"];
    results_of_a_grant_that_is_over: StaleGrantAccepted => ["anytime_late_results_are_refused"];
    results_acknowledged_before_the_fsync: ReceivedBeforeFsync => ["anytime_received_is_durable"];
    halting_late: HaltLate => ["anytime_halting_is_not_ahead"];
    a_loan_lost_with_the_disk: LoseOnPersistFailed => ["eventually_every_job_is_over"];
    a_retry_beside_what_is_being_ended: RetryWhileEnding => ["anytime_one_live_run_a_task"];
    results_from_anybody: ResultsFromAnybody => ["anytime_results_come_from_the_holder"];
    a_denial_that_comes_too_late: DenyTooLate => ["anytime_denied_leaves_no_trace"];
    a_start_without_its_inputs: StartUnstaged => ["anytime_inputs_come_first"];
    what_was_put_off_begins_at_once: DeferIgnored => ["anytime_put_off_waits_for_idle_nodes"];
    a_loan_taken_back_for_what_its_message_had_no_room_for: UncarriedAll => ["anytime_one_valid_holder", "anytime_one_live_run_a_task"];
    a_half_that_was_not_posted: PostingForgotten => ["eventually_transfers_have_both_halves"];
    a_large_task_like_a_small_one: OneSlotEach => ["anytime_slots_are_not_overfilled"];
    a_drain_forgotten_with_the_agent: DrainForgotten => ["anytime_drained_starts_nothing"];
    a_battery_undrained_by_a_person: UndrainAll => ["anytime_low_battery_starts_nothing"];
    an_owner_who_is_told_of_and_ignored: OwnerIgnored => ["anytime_the_owner_comes_first"];
    tasks_ahead_of_the_owner: OwnerKeepsAhead => ["anytime_the_owner_comes_first"];
    a_copy_of_what_must_not_run_twice: CopyExclusive => ["anytime_copies_are_allowed"];
    a_checkpoint_taken_for_an_end: CheckpointDone => ["anytime_named_done_is_durable", "anytime_counted_is_durable"];
    a_task_that_was_to_move_and_stayed_nowhere: MoveForgotten => ["eventually_every_job_is_over"];
    strangers_that_stay: StrangersStay => ["eventually_strangers_part"];
    a_pair_held_up_for_what_a_third_told: QuarrelsOfOthers => ["eventually_who_agrees_is_not_held_up"];
    a_task_that_is_done_and_still_queued: KeepQueued => ["anytime_done_is_not_run_again"];
}
