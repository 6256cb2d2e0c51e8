//! Bugs planted into the mesh: each is seen by the test that was written for it.

use std::panic::catch_unwind;

use tern_core::machine::Plant;

use crate::{PLANT, alarms, copies, deaths, liars, members, zones};

fn is_found(plant: Plant, by: fn()) {
    PLANT.set(Some(plant));
    let end = catch_unwind(by);
    PLANT.set(None);
    assert!(end.is_err(), "{plant:?} is not found");
}

#[test]
fn records_of_any_sequence() {
    is_found(Plant::MeshAnySequence, liars::what_was_said_long_ago_is_not_believed_again);
}

#[test]
fn a_stall_that_others_are_blamed_for() {
    is_found(Plant::MeshStallBlamed, alarms::who_stood_still_for_seconds_does_not_call_the_others_dead);
}

#[test]
fn a_loss_that_is_told_late() {
    is_found(
        Plant::MeshLossDelayed,
        deaths::a_dead_node_that_held_work_is_down_everywhere_within_a_second_and_a_half_and_an_idle_one_within_five,
    );
}

#[test]
fn a_copy_that_is_believed() {
    is_found(Plant::MeshCopyBelieved, copies::the_newer_of_two_machines_with_one_key_is_refused_and_both_are_told);
}

#[test]
fn rolls_that_are_not_compared() {
    is_found(Plant::MeshRollsUnlike, members::one_that_was_away_learns_who_was_removed_and_who_came);
}

#[test]
fn a_later_life_that_what_was_forgotten_bars() {
    is_found(Plant::MeshForgottenBars, deaths::a_node_that_was_off_for_an_hour_is_seen_again);
}

#[test]
fn an_old_voice_that_is_still_believed() {
    is_found(
        Plant::MeshOldVoice,
        zones::what_an_earlier_life_said_for_its_zone_is_taken_back_by_one_that_speaks_for_nobody,
    );
}

#[test]
fn a_dead_speaker_that_is_believed() {
    is_found(Plant::MeshDeadRoster, zones::a_dead_speaker_is_not_believed_any_more);
}
