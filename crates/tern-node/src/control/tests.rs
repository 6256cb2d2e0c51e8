//! The API's words and its document.

use std::collections::BTreeSet;

use tern_core::decide::bottleneck::{Cause, Queue, Wait};
use tern_core::machine::Deny;
use tern_core::observe::NodeTrit;
use tern_core::observe::kpi::Kpi;
use tern_core::promise::Exit;
use tern_core::view::{How, JobState, JobView, TaskCounts};
use tern_core::words::JobId;

use super::api::work::QueueView;
use super::api::{SubmitRequest, trit};
use super::document::{self, shapes};
use super::routes::{self, accept};
use super::words::Refused;

#[test]
fn every_route_is_in_the_document_and_nothing_else_is() {
    let document: serde_json::Value = serde_json::from_str(&document::json()).unwrap();
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        described.extend(methods.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())));
    }
    let served: BTreeSet<_> = routes::table()
        .iter()
        .flat_map(|(path, methods, _)| methods.iter().map(|method| (path.replace("{*", "{"), (*method).to_owned())))
        .collect();
    assert_eq!(described, served);
}

#[test]
fn a_queue_comes_through_the_door_as_it_is_and_a_cause_that_is_not_known_is_not_guessed() {
    let wait = |cause| Wait { cause, tasks: 7, jobs: 2, oldest_ms: None };
    let queue = Queue { slots: 4, open: 3, running: 3, waits: Cause::ALL.map(wait).to_vec() };
    let mut view = QueueView::from(&queue);
    assert_eq!(view.queue(), Some(queue));
    "of a later version".clone_into(&mut view.waits[1].cause);
    assert_eq!(view.queue(), None);
}

#[test]
fn the_committed_document_is_current() {
    expect_test::expect_file!["../../../../docs/openapi.json"].assert_eq(&document::json());
}

#[test]
fn the_document_refers_to_nothing_that_it_does_not_define() {
    let text = document::json();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
}

#[test]
fn shapes_in_the_document_write_what_the_core_writes() {
    let same = |core: serde_json::Value, shape: serde_json::Value| assert_eq!(core, shape);
    let json = |value: &dyn erased::Json| value.json();
    same(json(&Exit::Code(3)), json(&shapes::ExitForm::Code(3)));
    same(json(&Exit::Signal(9)), json(&shapes::ExitForm::Signal(9)));
    same(json(&Exit::TimedOut), json(&shapes::ExitForm::TimedOut));
    same(json(&Exit::Checkpointed), json(&shapes::ExitForm::Checkpointed));
    same(json(&How::Rerun), json(&shapes::How::Rerun));
    same(json(&JobState::Cancelled), json(&shapes::State::Cancelled));
    let view = JobView {
        job: "1-00000001".to_owned(),
        name: String::new(),
        command: "true".to_owned(),
        state: JobState::Held,
        tasks: TaskCounts::default(),
        round: 0,
        accepted_ms: 5,
        ended_ms: None,
        because: None,
        durability: "1 of 1".to_owned(),
        deadline_ms: None,
    };
    let counts = shapes::Counts { total: 0, done: 0, failed: 0, cancelled: 0, running: 0, queued: 0 };
    let shape = shapes::Job {
        job: view.job.clone(),
        name: String::new(),
        command: "true".to_owned(),
        state: shapes::State::Held,
        tasks: counts,
        round: 0,
        accepted_ms: 5,
        ended_ms: None,
        because: None,
        durability: "1 of 1".to_owned(),
        deadline_ms: None,
    };
    same(json(&view), json(&shape));
}

#[test]
fn the_figures_in_the_document_are_those_that_are_made() {
    let document: serde_json::Value = serde_json::from_str(&document::json()).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let made = serde_json::to_value(Kpi::default()).unwrap();
    for (shape, made) in
        [("Kpi", &made), ("KpiTasks", &made["tasks"]), ("KpiMoves", &made["moves"]), ("KpiFigures", &made["figures"])]
    {
        assert_eq!(keys(&document["components"]["schemas"][shape]["properties"]), keys(made), "{shape}");
    }
}

/// `serde::Serialize` behind a reference.
mod erased {
    pub trait Json {
        fn json(&self) -> serde_json::Value;
    }
    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap()
        }
    }
}

#[test]
fn every_refusal_says_what_where_and_what_to_do() {
    let job = JobId::new(0x3f9a_1c2b, 12);
    let mut said = String::new();
    for deny in [
        Deny::NoSuchJob(job),
        Deny::WrongState { job, state: JobState::Done },
        Deny::WrongState { job, state: JobState::Running },
        Deny::Limit { what: "tasks in one job", limit: 10, got: 11 },
        Deny::Limit { what: "milliseconds between TERM and KILL", limit: 10, got: 11 },
        Deny::Limit { what: "jobs", limit: 10, got: 11 },
        Deny::StorageFull,
        Deny::StorageFailed,
        Deny::Backpressure,
        Deny::Draining,
        Deny::Invalid("there is no command to run".to_owned()),
    ] {
        let refused = Refused::from(deny);
        let body = refused.body;
        said.push_str(&format!("{} {}: {}. {}\n", refused.status.as_u16(), body.kind, body.message, body.what_to_do));
    }
    expect_test::expect![[r#"
        404 no_such_job: there is no job 12-3f9a1c2b on this node. See `tern jobs` for those that are kept.
        409 wrong_state: job 12-3f9a1c2b is done, so this cannot be done. Nothing was changed. All of it is done: submit it again to run it again.
        409 wrong_state: job 12-3f9a1c2b is running, so this cannot be done. Nothing was changed. `tern wait` awaits its end, `tern cancel` ends it.
        413 limit: too much: tasks in one job may be at most 10, and this would be 11. Nothing was accepted. Split it into several jobs.
        413 limit: too much: milliseconds between TERM and KILL may be at most 10, and this would be 11. Nothing was accepted. Give less, then submit again.
        413 limit: too much: jobs may be at most 10, and this would be 11. Nothing was accepted. Forget jobs that are over: `tern forget`.
        507 storage_full: the disk of the state folder is full. Nothing was accepted; what was accepted before is kept. Make room, then try again.
        500 storage_failed: the disk of the state folder failed to write. Nothing was accepted. The system's log and `tern doctor` say more about the disk.
        429 backpressure: too much waits to be written to the disk. Nothing was accepted. Try again in a moment.
        503 draining: the node drains and accepts no new work. Nothing was accepted. Wait for the agent to go and start it again with `tern up`.
        400 invalid: there is no command to run. Correct the request; nothing was changed.
    "#]]
    .assert_eq(&said);
}

#[test]
fn a_trit_stands_beside_its_plain_word() {
    assert_eq!(trit(NodeTrit::Overloaded), (1, "overloaded"));
    assert_eq!(trit(NodeTrit::Balanced), (0, "balanced"));
    assert_eq!(trit(NodeTrit::Idle), (-1, "idle"));
}

fn good() -> SubmitRequest {
    SubmitRequest { argv: vec!["true".into()], cwd: "/".into(), ..SubmitRequest::default() }
}

fn refusal(request: SubmitRequest) -> String {
    accept::submission(request, accept::Named::default()).unwrap_err().body.message
}

#[test]
fn a_million_tasks_are_a_range_and_not_a_million_rows() {
    let request = SubmitRequest { array: Some((1, 1_000_000)), append: true, ..good() };
    assert!(serde_json::to_vec(&request).unwrap().len() < 1_000);
    let submission = accept::submission(request, accept::Named::default()).unwrap();
    assert_eq!(submission.spec.tasks, 1_000_000);
    assert!(submission.rows.is_empty());
}

#[test]
fn bad_requests_are_refused_before_the_node_is_asked() {
    assert_eq!(refusal(SubmitRequest { argv: Vec::new(), ..good() }), "there is no command to run");
    assert!(refusal(SubmitRequest { cwd: "here".into(), ..good() }).contains("absolute"));
    assert!(refusal(SubmitRequest { array: Some((5, 1)), ..good() }).contains("backwards"));
    assert!(refusal(SubmitRequest { array: Some((i64::MIN, i64::MAX)), ..good() }).contains("backwards"));
    assert!(refusal(SubmitRequest { array: Some((0, 1 << 40)), ..good() }).contains("tasks in one job"));
    assert!(refusal(SubmitRequest { tries: 101, ..good() }).contains("tries"));
    let nul = vec![vec!["fine".into()], vec!["a\0b".into()]];
    assert_eq!(
        refusal(SubmitRequest { rows: Some(nul), ..good() }),
        "the argument of task 2 holds a NUL byte, which no program can be given"
    );
    let long = vec![vec![vec![b'x'; 128 * 1024].into()]];
    assert!(refusal(SubmitRequest { rows: Some(long), ..good() }).contains("131071"));
    assert!(refusal(SubmitRequest { environment: vec![("A=B".into(), "".into())], ..good() }).contains("A=B"));
}

#[test]
fn a_misspelt_field_is_refused_by_its_name() {
    let refused = routes::read_json::<SubmitRequest>(br#"{"argz":["true"]}"#).unwrap_err();
    assert!(refused.body.message.contains("argz"), "{}", refused.body.message);
    assert!(routes::read_json::<SubmitRequest>(b"\xff").is_err());
}

#[test]
fn files_outside_of_the_folder_of_the_job_are_refused_by_name() {
    for name in ["/etc/passwd", "../x", "a/../../x", ""] {
        let inputs = SubmitRequest { inputs: vec![name.into()], ..good() };
        let outputs = SubmitRequest { outputs: vec![name.into()], ..good() };
        for refused in [refusal(inputs), refusal(outputs)] {
            assert!(refused.contains(name) && refused.contains("outside"), "{refused}");
        }
    }
    assert!(refusal(SubmitRequest { inputs: vec!["./.".into()], ..good() }).contains("the whole folder"));
    let request = SubmitRequest { inputs: vec!["lib/{}.so".into()], ..good() };
    let submission = accept::submission(request, accept::Named::default()).unwrap();
    assert_eq!(submission.spec.stage.expect("files travel").inputs.words.len(), 1);
}

#[test]
fn what_has_no_content_of_its_own_does_not_travel_and_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("job");
    std::fs::create_dir(&base).unwrap();
    std::fs::write(folder.path().join("above"), b"").unwrap();
    std::fs::write(base.join("below"), b"").unwrap();
    nix::unistd::mkfifo(&base.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let here = || SubmitRequest { cwd: crate::files::names::bytes(&base).into(), ..good() };
    let piped = refusal(SubmitRequest { inputs: vec!["pipe".into()], ..here() });
    assert!(piped.contains("pipe") && piped.contains("neither a file nor a folder"), "{piped}");
    let staged = |word: &str| SubmitRequest {
        stage: true,
        argv: vec!["cat".into(), "{}".into()],
        rows: Some(vec![vec![word.into()]]),
        ..here()
    };
    let above = refusal(staged("../above"));
    assert!(above.contains("../above") && above.contains("leads out"), "{above}");
    // What is looked at are the words that a task gets, and not the pieces that they are made of.
    let row = Some(vec![vec!["above".into()]]);
    let made = SubmitRequest { argv: vec!["cat".into(), "../{}".into()], stage: true, rows: row, ..here() };
    assert!(refusal(made).contains("../above"));
    let row = Some(vec![vec!["below".into()], vec!["pipe".into()]]);
    let made = SubmitRequest { inputs: vec!["{}".into()], rows: row, ..here() };
    assert!(refusal(made).contains("pipe"));
    for out in ["..", "../missing", "../job/below", "a/../../x"] {
        assert!(refusal(staged(out)).contains("leads out"), "{out}");
    }
    // A name in full means what it means there; a way that comes back is none of ours.
    for fine in ["x/../below", "/etc/passwd", "below", "..."] {
        assert!(accept::submission(staged(fine), accept::Named::default()).is_ok(), "{fine}");
    }
    // What a row puts into a name counts, and a folder would be there without what lies in it.
    let by_row = |name: &str| SubmitRequest {
        inputs: vec!["{}".into()],
        rows: Some(vec![vec!["below".into()], vec![name.into()]]),
        ..here()
    };
    assert!(refusal(by_row("../above")).contains("outside"));
    assert!(refusal(by_row("/etc/hostname")).contains("outside"));
    std::fs::create_dir_all(base.join("folder/empty")).unwrap();
    assert!(refusal(staged("folder")).contains("--stage takes none of them along"));
    assert!(accept::submission(staged("folder/empty"), accept::Named::default()).is_ok());
    let named = SubmitRequest { inputs: vec!["folder".into()], ..staged("folder") };
    assert!(accept::submission(named, accept::Named::default()).is_ok());
}

#[test]
fn a_job_that_may_stop_early_is_not_shared() {
    let halt = tern_core::words::Halt { when: tern_core::words::spec::HaltWhen::Soon, count: 1, ..Default::default() };
    assert!(refusal(SubmitRequest { halt, local_only: false, ..good() }).contains("--halt"));
    let stays = SubmitRequest { halt, local_only: true, ..good() };
    assert!(accept::submission(stays, accept::Named::default()).is_ok());
}
