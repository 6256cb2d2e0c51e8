//! Short scripted lives, told in full: what a reader should be able to follow.

use expect_test::{Expect, expect};
use tern_sim::client::plain_job;
use tern_sim::{Plan, Story, World};

/// Runs a script in a world in which nothing else goes wrong, and compares its story.
fn check(nodes: u8, slots: u32, script: impl FnOnce(&mut World), expected: Expect) {
    let mut world = World::new(Plan::quiet(nodes, slots), Story::told());
    script(&mut world);
    assert_eq!(world.failure, None);
    let told = world.story.text();
    // Samples of the sensors and vitals are every second and the same; they would bury the story.
    let noise = |line: &&str| !line.contains("  sense  ") && !line.contains(" vitals ");
    let told: String = told.lines().filter(noise).map(|line| format!("{}\n", line.trim_start())).collect();
    expected.assert_eq(&told);
}

#[test]
fn a_job_is_submitted_and_finishes() {
    let script = |world: &mut World| {
        world.run_for_ms(10);
        world.submit(0, plain_job(1, 3, 40));
        world.run_for_ms(200);
    };
    check(
        1,
        2,
        script,
        expect![[r#"
            0.000000  1  power   boots
            0.001000  1  warden  starts: 0 orphans killed, 0 adopted
            0.002000  1  agent   starts from 0 records and 0 ends of attempts
            0.002000  1  agent   is up with 2 slots
            0.002000  1  agent   writes #1: started
            0.002000  1  agent   has 2 cores and 1 GPUs
            0.003000  1  journal 1 records are durable
            0.003000  1  journal durable up to 1
            0.003339  1  warden  is there; runs nothing; holds nothing
            0.003541  1  warden  has room
            0.010000  1  client  asks #1: submit j1-40ms-0% of 3 tasks, 1 tries
            0.010000  1  agent   writes #2: accepted 1-11111111 (j1-40ms-0%)
            0.011000  1  journal 1 records are durable
            0.011000  1  journal durable up to 2
            0.011000  1  agent   answers #1: accepted 1-11111111
            0.011000  1  agent   dispatches {0-2} of 1-11111111 as 1
            0.011355  1  warden  starts 1-11111111/0 (1@132e)
            0.011355  1  warden  starts 1-11111111/1 (1@132e)
            0.023538  1  warden  1-11111111/1 (1@132e) ends: success
            0.023538  1  warden  starts 1-11111111/2 (1@132e)
            0.024754  1  warden  reports 1-11111111/1 (1@132e) success
            0.024754  1  agent   counts 1-11111111/1 (1@132e) success
            0.040207  1  warden  1-11111111/0 (1@132e) ends: success
            0.041519  1  warden  reports 1-11111111/0 (1@132e) success
            0.041519  1  agent   counts 1-11111111/0 (1@132e) success
            0.063122  1  warden  1-11111111/2 (1@132e) ends: success
            0.064285  1  warden  reports 1-11111111/2 (1@132e) success
            0.064285  1  agent   counts 1-11111111/2 (1@132e) success
            0.064285  1  agent   1-11111111 is over
        "#]],
    );
}

#[test]
fn an_agent_dies_and_its_running_tasks_are_adopted() {
    let script = |world: &mut World| {
        world.run_for_ms(10);
        world.submit(0, plain_job(1, 3, 200));
        world.run_for_ms(20);
        world.kill_agent(0, 30);
        world.run_for_ms(600);
    };
    check(
        1,
        2,
        script,
        expect![[r#"
            0.000000  1  power   boots
            0.001000  1  warden  starts: 0 orphans killed, 0 adopted
            0.002000  1  agent   starts from 0 records and 0 ends of attempts
            0.002000  1  agent   is up with 2 slots
            0.002000  1  agent   writes #1: started
            0.002000  1  agent   has 2 cores and 1 GPUs
            0.003000  1  journal 1 records are durable
            0.003000  1  journal durable up to 1
            0.003339  1  warden  is there; runs nothing; holds nothing
            0.003541  1  warden  has room
            0.010000  1  client  asks #1: submit j1-200ms-0% of 3 tasks, 1 tries
            0.010000  1  agent   writes #2: accepted 1-11111111 (j1-200ms-0%)
            0.011000  1  journal 1 records are durable
            0.011000  1  journal durable up to 2
            0.011000  1  agent   answers #1: accepted 1-11111111
            0.011000  1  agent   dispatches {0-2} of 1-11111111 as 1
            0.011355  1  warden  starts 1-11111111/0 (1@132e)
            0.011355  1  warden  starts 1-11111111/1 (1@132e)
            0.030000  1  agent   DIES
            0.061000  1  agent   starts from 2 records and 0 ends of attempts
            0.061000  1  agent   is up with 2 slots
            0.061000  1  agent   writes #1: started
            0.061000  1  agent   has 2 cores and 1 GPUs
            0.062000  1  journal 1 records are durable
            0.062000  1  journal durable up to 1
            0.062324  1  warden  is there; runs 1-11111111/0 (1@132e), 1-11111111/1 (1@132e); holds 1-11111111/2 (1@132e)
            0.062391  1  warden  has room
            0.072272  1  warden  1-11111111/1 (1@132e) ends: success
            0.072272  1  warden  starts 1-11111111/2 (1@132e)
            0.073599  1  warden  reports 1-11111111/1 (1@132e) success
            0.073599  1  agent   counts 1-11111111/1 (1@132e) success
            0.155613  1  warden  1-11111111/0 (1@132e) ends: success
            0.156770  1  warden  reports 1-11111111/0 (1@132e) success
            0.156770  1  agent   counts 1-11111111/0 (1@132e) success
            0.270193  1  warden  1-11111111/2 (1@132e) ends: success
            0.271497  1  warden  reports 1-11111111/2 (1@132e) success
            0.271497  1  agent   counts 1-11111111/2 (1@132e) success
            0.271497  1  agent   1-11111111 is over
        "#]],
    );
}

#[test]
fn a_warden_dies_and_what_ran_runs_again_after_the_orphans_are_gone() {
    let script = |world: &mut World| {
        world.run_for_ms(10);
        world.submit(0, plain_job(1, 2, 200));
        world.run_for_ms(20);
        world.kill_warden(0, 10);
        world.run_for_ms(600);
    };
    check(
        1,
        2,
        script,
        expect![[r#"
            0.000000  1  power   boots
            0.001000  1  warden  starts: 0 orphans killed, 0 adopted
            0.002000  1  agent   starts from 0 records and 0 ends of attempts
            0.002000  1  agent   is up with 2 slots
            0.002000  1  agent   writes #1: started
            0.002000  1  agent   has 2 cores and 1 GPUs
            0.003000  1  journal 1 records are durable
            0.003000  1  journal durable up to 1
            0.003339  1  warden  is there; runs nothing; holds nothing
            0.003541  1  warden  has room
            0.010000  1  client  asks #1: submit j1-200ms-0% of 2 tasks, 1 tries
            0.010000  1  agent   writes #2: accepted 1-11111111 (j1-200ms-0%)
            0.011000  1  journal 1 records are durable
            0.011000  1  journal durable up to 2
            0.011000  1  agent   answers #1: accepted 1-11111111
            0.011000  1  agent   dispatches {0-1} of 1-11111111 as 1
            0.011355  1  warden  starts 1-11111111/0 (1@132e)
            0.011355  1  warden  starts 1-11111111/1 (1@132e)
            0.030000  1  warden  DIES and leaves 2 orphans
            0.030215  1  warden  is gone
            0.041000  1  warden  starts: 2 orphans killed, 0 adopted
            0.042808  1  warden  is there; runs nothing; holds nothing
            0.042808  1  agent   dispatches {0-1} of 1-11111111 as 2
            0.042889  1  warden  has room
            0.042964  1  warden  starts 1-11111111/0 (2@132e)
            0.042964  1  warden  starts 1-11111111/1 (2@132e)
            0.139331  1  warden  1-11111111/1 (2@132e) ends: success
            0.140636  1  warden  reports 1-11111111/1 (2@132e) success
            0.140636  1  agent   counts 1-11111111/1 (2@132e) success
            0.222641  1  warden  1-11111111/0 (2@132e) ends: success
            0.223664  1  warden  reports 1-11111111/0 (2@132e) success
            0.223664  1  agent   counts 1-11111111/0 (2@132e) success
            0.223664  1  agent   1-11111111 is over
        "#]],
    );
}

#[test]
fn an_idle_node_borrows_and_dies_and_nothing_is_lost() {
    let script = |world: &mut World| {
        world.run_for_ms(1_500);
        world.submit(0, plain_job(1, 8, 900));
        world.run_for_ms(500);
        world.power_fails(1, 60_000);
        world.run_for_ms(6_000);
    };
    check(
        2,
        1,
        script,
        expect![[r#"
            0.000000  1  power   boots
            0.001000  2  power   boots
            0.001000  1  warden  starts: 0 orphans killed, 0 adopted
            0.002000  1  agent   starts from 0 records and 0 ends of attempts
            0.002000  1  agent   is up with 1 slots
            0.002000  1  agent   writes #1: started
            0.002000  1  agent   has 1 cores and 1 GPUs
            0.002000  2  warden  starts: 0 orphans killed, 0 adopted
            0.003000  2  agent   starts from 0 records and 0 ends of attempts
            0.003000  2  agent   is up with 1 slots
            0.003000  2  agent   writes #1: started
            0.003000  2  agent   has 1 cores and 0 GPUs
            0.003000  1  journal 1 records are durable
            0.003000  1  journal durable up to 1
            0.003453  1  warden  is there; runs nothing; holds nothing
            0.003535  1  warden  has room
            0.004000  2  journal 1 records are durable
            0.004000  2  journal durable up to 1
            0.004932  2  warden  is there; runs nothing; holds nothing
            0.005081  2  warden  has room
            0.034000  2  link    to 11111111 is up
            0.034000  2  link    11111111 has 1 cores and 1 GPUs
            0.049000  1  link    to 22222222 is up
            0.049000  1  link    22222222 has 1 cores and 0 GPUs
            1.034000  2  clock   tick
            1.049000  1  clock   tick
            1.500000  1  client  asks #1: submit j1-900ms-0% of 8 tasks, 1 tries
            1.500000  1  agent   writes #2: accepted 1-11111111 (j1-900ms-0%)
            1.501000  1  journal 1 records are durable
            1.501000  1  journal durable up to 2
            1.501000  1  agent   answers #1: accepted 1-11111111
            1.501000  1  agent   dispatches {0-1} of 1-11111111 as 1
            1.501000  1  agent   tells 22222222: offer of 6 tasks
            1.501142  1  warden  starts 1-11111111/0 (1@132e)
            1.501500  2  peer    11111111 says: offer of 6 tasks
            1.501500  2  agent   tells 11111111: lend me 1
            1.502000  1  peer    22222222 says: lend me 1
            1.502000  1  agent   writes #3: lent {7} of 1-11111111 to 22222222 as grant 2@132e
            1.503000  1  journal 1 records are durable
            1.503000  1  journal durable up to 3
            1.503000  1  ledger  Sender of 2@132e, 1 tasks, broker 11111111
            1.503000  1  agent   tells 22222222: have {7} of 1-11111111 as grant 2@132e
            1.503500  2  peer    11111111 says: have {7} of 1-11111111 as grant 2@132e
            1.503500  2  ledger  Receiver of 2@132e, 1 tasks, broker 11111111
            1.503500  2  agent   dispatches {7} of 1-11111111 as 2 of grant 2@132e
            1.503593  2  warden  starts 1-11111111/7 (2@132e)
            1.751500  2  clock   tick
            1.751500  2  agent   tells 11111111: renew 2@132e
            1.752000  1  peer    22222222 says: renew 2@132e
            1.752000  1  agent   tells 22222222: renewed [2@132e], lost []
            1.752500  2  peer    11111111 says: renewed [2@132e], lost []
            2.000000  2  power   POWER FAILS for 60000 ms
            2.000000  2  agent   DIES
            2.150306  1  warden  1-11111111/0 (1@132e) ends: success
            2.150306  1  warden  starts 1-11111111/1 (1@132e)
            2.151610  1  warden  reports 1-11111111/0 (1@132e) success
            2.151610  1  agent   counts 1-11111111/0 (1@132e) success
            2.151610  1  agent   dispatches {2} of 1-11111111 as 3
            2.424432  1  warden  1-11111111/1 (1@132e) ends: success
            2.424432  1  warden  starts 1-11111111/2 (3@132e)
            2.425766  1  warden  reports 1-11111111/1 (1@132e) success
            2.425766  1  agent   counts 1-11111111/1 (1@132e) success
            2.425766  1  agent   dispatches {3} of 1-11111111 as 4
            2.501000  1  clock   tick
            2.852000  1  clock   tick
            2.852000  1  agent   writes #4: reclaimed grant 2@132e
            2.853000  1  journal 1 records are durable
            2.853000  1  journal durable up to 4
            2.876000  1  link    to 22222222 is down
            3.315077  1  warden  1-11111111/2 (3@132e) ends: success
            3.315077  1  warden  starts 1-11111111/3 (4@132e)
            3.316205  1  warden  reports 1-11111111/2 (3@132e) success
            3.316205  1  agent   counts 1-11111111/2 (3@132e) success
            3.316205  1  agent   dispatches {4} of 1-11111111 as 5
            3.501000  1  clock   tick
            3.830831  1  warden  1-11111111/3 (4@132e) ends: success
            3.830831  1  warden  starts 1-11111111/4 (5@132e)
            3.832220  1  warden  reports 1-11111111/3 (4@132e) success
            3.832220  1  agent   counts 1-11111111/3 (4@132e) success
            3.832220  1  agent   dispatches {5} of 1-11111111 as 6
            4.624601  1  warden  1-11111111/4 (5@132e) ends: success
            4.624601  1  warden  starts 1-11111111/5 (6@132e)
            4.625901  1  warden  reports 1-11111111/4 (5@132e) success
            4.625901  1  agent   counts 1-11111111/4 (5@132e) success
            4.625901  1  agent   dispatches {6} of 1-11111111 as 7
            5.022571  1  warden  1-11111111/5 (6@132e) ends: success
            5.022571  1  warden  starts 1-11111111/6 (7@132e)
            5.023872  1  warden  reports 1-11111111/5 (6@132e) success
            5.023872  1  agent   counts 1-11111111/5 (6@132e) success
            5.023872  1  agent   dispatches {7} of 1-11111111 as 8
            5.383155  1  warden  1-11111111/6 (7@132e) ends: success
            5.383155  1  warden  starts 1-11111111/7 (8@132e)
            5.384348  1  warden  reports 1-11111111/6 (7@132e) success
            5.384348  1  agent   counts 1-11111111/6 (7@132e) success
            6.198119  1  warden  1-11111111/7 (8@132e) ends: success
            6.199385  1  warden  reports 1-11111111/7 (8@132e) success
            6.199385  1  agent   counts 1-11111111/7 (8@132e) success
            6.199385  1  agent   1-11111111 is over
        "#]],
    );
}

#[test]
fn a_torn_journal_ends_before_the_first_record_that_is_not_whole() {
    let script = |world: &mut World| {
        world.run_for_ms(10);
        world.submit(0, plain_job(1, 1, 20));
        world.run_for_ms(100);
        for number in 2..6 {
            world.submit(0, plain_job(number, 1, 20));
        }
        world.power_fails(0, 50);
        world.run_for_ms(400);
    };
    check(
        1,
        1,
        script,
        expect![[r#"
            0.000000  1  power   boots
            0.001000  1  warden  starts: 0 orphans killed, 0 adopted
            0.002000  1  agent   starts from 0 records and 0 ends of attempts
            0.002000  1  agent   is up with 1 slots
            0.002000  1  agent   writes #1: started
            0.002000  1  agent   has 1 cores and 1 GPUs
            0.003000  1  journal 1 records are durable
            0.003000  1  journal durable up to 1
            0.003339  1  warden  is there; runs nothing; holds nothing
            0.003541  1  warden  has room
            0.010000  1  client  asks #1: submit j1-20ms-0% of 1 tasks, 1 tries
            0.010000  1  agent   writes #2: accepted 1-11111111 (j1-20ms-0%)
            0.011000  1  journal 1 records are durable
            0.011000  1  journal durable up to 2
            0.011000  1  agent   answers #1: accepted 1-11111111
            0.011000  1  agent   dispatches {0} of 1-11111111 as 1
            0.011355  1  warden  starts 1-11111111/0 (1@132e)
            0.025781  1  warden  1-11111111/0 (1@132e) ends: success
            0.026996  1  warden  reports 1-11111111/0 (1@132e) success
            0.026996  1  agent   counts 1-11111111/0 (1@132e) success
            0.026996  1  agent   1-11111111 is over
            0.110000  1  client  asks #2: submit j2-20ms-0% of 1 tasks, 1 tries
            0.110000  1  agent   writes #3: accepted 2-11111111 (j2-20ms-0%)
            0.110000  1  client  asks #3: submit j3-20ms-0% of 1 tasks, 1 tries
            0.110000  1  agent   writes #4: accepted 3-11111111 (j3-20ms-0%)
            0.110000  1  client  asks #4: submit j4-20ms-0% of 1 tasks, 1 tries
            0.110000  1  agent   writes #5: accepted 4-11111111 (j4-20ms-0%)
            0.110000  1  client  asks #5: submit j5-20ms-0% of 1 tasks, 1 tries
            0.110000  1  agent   writes #6: accepted 5-11111111 (j5-20ms-0%)
            0.110000  1  power   POWER FAILS for 50 ms
            0.110000  1  agent   DIES
            0.110000  1  journal 3 records are durable
            0.160000  1  power   boots
            0.161000  1  warden  starts: 0 orphans killed, 0 adopted
            0.162000  1  agent   starts from 5 records and 1 ends of attempts
            0.162000  1  agent   is up with 1 slots
            0.162000  1  agent   writes #1: started
            0.162000  1  agent   has 1 cores and 1 GPUs
            0.162808  1  warden  is there; runs nothing; holds nothing
            0.162889  1  warden  has room
            0.163000  1  journal 1 records are durable
            0.163000  1  journal durable up to 1
            0.163000  1  agent   dispatches {0} of 2-11111111 as 1
            0.163000  1  agent   dispatches {0} of 3-11111111 as 2
            0.163023  1  warden  starts 2-11111111/0 (1@5dd5)
            0.182413  1  warden  2-11111111/0 (1@5dd5) ends: success
            0.182413  1  warden  starts 3-11111111/0 (2@5dd5)
            0.183660  1  warden  reports 2-11111111/0 (1@5dd5) success
            0.183660  1  agent   counts 2-11111111/0 (1@5dd5) success
            0.183660  1  agent   2-11111111 is over
            0.183660  1  agent   dispatches {0} of 4-11111111 as 3
            0.187691  1  warden  3-11111111/0 (2@5dd5) ends: success
            0.187691  1  warden  starts 4-11111111/0 (3@5dd5)
            0.189072  1  warden  reports 3-11111111/0 (2@5dd5) success
            0.189072  1  agent   counts 3-11111111/0 (2@5dd5) success
            0.189072  1  agent   3-11111111 is over
            0.201588  1  warden  4-11111111/0 (3@5dd5) ends: success
            0.202923  1  warden  reports 4-11111111/0 (3@5dd5) success
            0.202923  1  agent   counts 4-11111111/0 (3@5dd5) success
            0.202923  1  agent   4-11111111 is over
        "#]],
    );
}
