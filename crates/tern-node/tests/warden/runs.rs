//! One warden that lives: ends, output, limits, requests.

use tern_core::promise::Exit;
use tern_core::words::Bytes;
use tern_core::words::limits::ARG_BYTES_MAX;
use tern_node::process::protocol::ToWarden;
use tern_node::store::segment::{Block, Lane, SegmentReader, numbers};

use super::grid::{Grid, argv, exits, sh};

super::grid::tests![
    codes_and_signals_are_told_apart,
    what_was_told_stands_in_a_segment,
    output_ranges_are_exact_when_tasks_interleave,
    what_cannot_be_started_ends_with_127_or_126_and_says_why,
    a_task_sees_its_number_its_job_and_its_attempt,
    arguments_are_bytes,
    a_time_out_is_term_grace_kill_and_reaches_stopped_tasks,
    a_task_that_was_cancelled_ends_as_cancelled,
    what_a_task_leaves_behind_does_not_write_into_the_next_ones_output,
    what_has_not_started_can_be_given_back,
    a_hundred_megabytes_of_output_arrive,
    limits_are_set_before_the_program_begins,
];

fn codes_and_signals_are_told_apart() {
    let mut grid = Grid::new(2);
    let context = grid.context(|_| {});
    let outcomes = grid.run(&context, &[sh("exit 0"), sh("exit 3"), sh("kill -9 $$"), sh("kill -TERM $$")]);
    assert_eq!(exits(&outcomes), [Exit::Code(0), Exit::Code(3), Exit::Signal(9), Exit::Signal(15)]);
    assert!(outcomes.iter().all(|it| it.ran_on == 7 && it.ran_ns > 0 && it.started_ms > 0));
}

fn what_was_told_stands_in_a_segment() {
    let mut grid = Grid::new(3);
    let context = grid.context(|_| {});
    let count = 300;
    grid.grant(&context, 1, (0..count).map(|task| (task, argv(["/bin/true"]))));
    grid.until_ended(count as usize);
    let mut written = Vec::new();
    for number in numbers(&grid.home, Lane::Warden).expect("segments") {
        let mut reader = SegmentReader::open(&grid.home.segment(number)).expect("a segment");
        while let Some(block) = reader.next_block().expect("a block") {
            match block {
                Block::Outcomes { outcomes, .. } => written.extend(outcomes),
                other => panic!("{other:?}"),
            }
        }
    }
    written.sort_by_key(|outcome| outcome.attempt);
    assert_eq!(written, grid.outcomes.values().copied().collect::<Vec<_>>());
}

fn output_ranges_are_exact_when_tasks_interleave() {
    let mut grid = Grid::new(4);
    let context = grid.context(|_| {});
    let script = |task: u32| sh(&format!("for i in 1 2 3; do echo out{task}.$i; echo err{task}.$i >&2; done"));
    grid.grant(&context, 1, (0..200).map(|task| (task, script(task))));
    grid.until_ended(200);
    for (attempt, outcome) in &grid.outcomes {
        let lines = |name| (1..=3).map(|i| format!("{name}{}.{i}\n", attempt.task)).collect::<String>();
        assert_eq!(String::from_utf8_lossy(&grid.stdout(outcome)), lines("out"));
        assert_eq!(grid.stderr(outcome), lines("err"));
    }
    let files = std::fs::read_dir(grid.home.outputs()).expect("outputs").count();
    assert!(files <= 8, "two files a slot, not {files}");
}

fn what_cannot_be_started_ends_with_127_or_126_and_says_why() {
    let mut grid = Grid::new(2);
    let script = grid.home.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").expect("written");
    let plain = grid.home.path().join("plain");
    std::fs::write(&plain, "echo hello\n").expect("written");
    for path in [&script, &plain] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
    }
    let context = grid.context(|_| {});
    let nowhere = grid.context(|context| context.cwd = "/no/such/folder".into());
    let long = "x".repeat(ARG_BYTES_MAX);
    let path = |path: &std::path::Path| argv([path.to_str().expect("text")]);
    let cases: Vec<(Vec<Bytes>, u8, &str)> = vec![
        (argv(["no-such-program"]), 127, "no-such-program: not found"),
        (argv(["/no/such/program"]), 127, "/no/such/program: not found"),
        (argv(["/etc/passwd"]), 126, "permission denied"),
        (argv(["/etc"]), 126, "is a folder"),
        (path(&script), 126, "interpreter is not there"),
        (path(&plain), 126, "begins with #!"),
        (argv(["/bin/echo", &long]), 126, "argument 1 has 131072 bytes; the kernel takes up to 131071"),
        (argv([""]), 127, "empty"),
        (
            std::iter::repeat_n(argv(["/bin/echo"]).remove(0), 1)
                .chain((0..40).map(|_| "y".repeat(100_000).into()))
                .collect(),
            126,
            "quarter of the stack",
        ),
    ];
    let commands: Vec<_> = cases.iter().map(|case| case.0.clone()).collect();
    for (outcome, (argv, code, words)) in grid.run(&context, &commands).iter().zip(&cases) {
        assert_eq!(outcome.exit, Exit::Code(*code), "{:?}", argv[0]);
        let said = grid.stderr(outcome);
        assert!(said.starts_with("tern: ") && said.contains(words), "{said}");
    }
    grid.grant(&nowhere, 2, [(100, argv(["/bin/true"]))]);
    grid.grant("/no/context".as_ref(), 2, [(101, argv(["/bin/true"]))]);
    grid.until_ended(cases.len() + 2);
    for (task, words) in [(100, "no such folder to run in"), (101, "/no/context: ")] {
        let outcome = grid.outcomes[&super::grid::attempt(task, 2)];
        assert_eq!(outcome.exit, Exit::Code(126));
        assert!(grid.stderr(&outcome).contains(words));
    }
}

fn a_task_sees_its_number_its_job_and_its_attempt() {
    let mut grid = Grid::new(1);
    let context = grid.context(|context| {
        context.cwd = "/usr".into();
        context.env = vec![
            ("TERN_TASK".into(), "stale".into()),
            ("PATH".into(), "/bin".into()),
            ("ODD".into(), Bytes(vec![0xff, b'=', 0xfe])),
        ];
    });
    let outcomes = grid.run(&context, &[argv(["env"]), argv(["pwd"])]);
    let mut lines: Vec<_> = grid.stdout(&outcomes[0]).split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    lines.sort();
    let expected: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"ODD=\xff=\xfe".to_vec(),
        b"PATH=/bin".to_vec(),
        b"TERN_ATTEMPT=1-00000007.1.0.1.000000000000abcd".to_vec(),
        b"TERN_JOB=1-00000007".to_vec(),
        b"TERN_TASK=1".to_vec(),
    ];
    assert_eq!(lines, expected);
    assert_eq!(grid.stdout(&outcomes[1]), b"/usr\n");
}

fn arguments_are_bytes() {
    let mut grid = Grid::new(1);
    let context = grid.context(|_| {});
    let odd = Bytes((1..=255).collect());
    let mut command = argv(["/bin/echo", "-n"]);
    command.push(odd.clone());
    let outcomes = grid.run(&context, &[command]);
    assert_eq!(grid.stdout(&outcomes[0]), odd.0);
}

fn a_time_out_is_term_grace_kill_and_reaches_stopped_tasks() {
    let mut grid = Grid::new(4);
    let context = grid.context(|context| context.timeout_ms = Some(200));
    let stubborn = "trap 'echo asked' TERM; while :; do sleep 0.05; done";
    let outcomes = grid.run(
        &context,
        &[argv(["/bin/sleep", "600"]), sh(stubborn), sh("kill -STOP $$; echo not reached"), sh("exit 0")],
    );
    assert_eq!(exits(&outcomes), [Exit::TimedOut, Exit::TimedOut, Exit::TimedOut, Exit::Code(0)]);
    assert_eq!(grid.stdout(&outcomes[1]), b"asked\n");
    assert!(outcomes[1].ran_ns >= 500_000_000, "the grace was kept");
    assert_eq!(outcomes[2].stdout.len, 0);
}

fn a_task_that_was_cancelled_ends_as_cancelled() {
    let mut grid = Grid::new(2);
    let context = grid.context(|_| {});
    grid.grant(&context, 1, (0..4).map(|task| (task, argv(["/bin/sleep", "600"]))));
    grid.end(&[0, 1, 3]);
    grid.until("two ends", |grid, _| grid.outcomes.len() + grid.revoked.len() >= 3);
    // Depending on the instant, 0 and 1 were running or still queued; 3 was queued.
    assert!(grid.revoked.contains(&super::grid::attempt(3, 1)));
    assert!(grid.outcomes.values().all(|outcome| outcome.exit == Exit::Cancelled));
    grid.end(&[2]);
    grid.until("the last", |grid, _| grid.outcomes.len() + grid.revoked.len() >= 4);
}

fn what_a_task_leaves_behind_does_not_write_into_the_next_ones_output() {
    let mut grid = Grid::new(1);
    let context = grid.context(|_| {});
    let flag = grid.home.path().join("flag");
    let flag = flag.display();
    // The child writes only after the second task has ended.
    let first =
        format!("(while ! [ -e {flag} ]; do sleep 0.01; done; echo late; echo done > {flag}.done) & echo first");
    let second = format!("echo second; touch {flag}; while ! [ -e {flag}.done ]; do sleep 0.01; done");
    let outcomes = grid.run(&context, &[sh(&first), sh(&second)]);
    assert_eq!(grid.stdout(&outcomes[0]), b"first\n");
    assert_eq!(grid.stdout(&outcomes[1]), b"second\n");
    assert_ne!(outcomes[0].stdout.file, outcomes[1].stdout.file);
}

fn what_has_not_started_can_be_given_back() {
    let mut grid = Grid::new(1);
    let context = grid.context(|_| {});
    grid.grant(&context, 1, (0..10).map(|task| (task, argv(["/bin/sleep", "0.3"]))));
    let tasks = (5..10).collect();
    grid.send(ToWarden::Revoke { job: super::grid::JOB, tasks });
    grid.until("what was revoked", |grid, _| !grid.revoked.is_empty());
    assert_eq!(grid.revoked, (5..10).map(|task| super::grid::attempt(task, 1)).collect::<Vec<_>>());
    grid.until_ended(5);
    assert!(grid.outcomes.keys().all(|attempt| attempt.task < 5));
}

fn a_hundred_megabytes_of_output_arrive() {
    let mut grid = Grid::new(2);
    let context = grid.context(|_| {});
    let size = 100 << 20;
    let command = |letter: &str| sh(&format!("head -c {size} /dev/zero | tr '\\0' {letter}"));
    let outcomes = grid.run(&context, &[command("a"), command("b"), sh("echo after"), sh("echo after")]);
    for (outcome, letter) in outcomes.iter().zip(*b"ab") {
        assert_eq!(outcome.stdout.len, size);
        assert!(grid.stdout(outcome).iter().all(|byte| *byte == letter));
    }
    assert!(outcomes[2..].iter().all(|outcome| grid.stdout(outcome) == b"after\n"));
    assert!(outcomes[2].stdout.offset == 0, "a long file is given up at the next task");
}

fn limits_are_set_before_the_program_begins() {
    let mut grid = Grid::new(1);
    let context = grid.context(|context| context.rlimits = vec![("nofile".into(), 77, 88), ("core".into(), 0, 0)]);
    let unknown = grid.context(|context| context.rlimits = vec![("nonsense".into(), 1, 1)]);
    let outcomes = grid.run(&context, &[sh("ulimit -Sn; ulimit -Hn; ulimit -c; echo $0 $1"), argv(["nowhere"])]);
    assert_eq!(String::from_utf8_lossy(&grid.stdout(&outcomes[0])), "77\n88\n0\n/bin/sh\n");
    assert_eq!(outcomes[1].exit, Exit::Code(127));
    grid.grant(&unknown, 2, [(50, argv(["/bin/true"]))]);
    grid.until_ended(3);
    let refused = grid.outcomes[&super::grid::attempt(50, 2)];
    assert_eq!(refused.exit, Exit::Code(126));
    assert!(grid.stderr(&refused).contains("nonsense=1:1: not a resource limit"));
}
