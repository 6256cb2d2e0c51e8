//! One node with a disk and a warden that are played by the test.
mod world;

use tern_core::machine::{Answer, Command, Effect};
use world::{World, spec};

#[test]
fn a_job_is_answered_after_the_disk_and_runs_to_its_end() {
    let mut world = World::one(2);
    let ticket = world.command(0, Command::Submit(Box::new(spec(5))));
    assert!(world.reply(0, ticket).is_none(), "answered before it was durable");
    world.sync(0);
    let Some(Ok(Answer::Accepted(job))) = world.reply(0, ticket) else { panic!("not accepted") };
    world.run(0);
    let view = world.node(0).machine.job_view(job).expect("known");
    assert_eq!((view.tasks.done, view.tasks.total), (5, 5));
    assert!(world.node(0).log.iter().any(|effect| matches!(effect, Effect::Changed { over: true, .. })));
}
