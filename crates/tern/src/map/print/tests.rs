use super::*;
use crate::map::halt;
use tern_core::words::Halt;

fn result(number: u32, exit: Exit, stdout: &str, stderr: &str) -> TaskResult {
    let output = |text: &str| (!text.is_empty()).then(|| text.into());
    TaskResult {
        number,
        round: 0,
        exit,
        status: exit.status(),
        started_ms: 1,
        ran_ms: 2.5,
        cpu_ms: 1.5,
        rss_kib: Some(4),
        node: "00000001".into(),
        stdout_bytes: stdout.len() as u64,
        stderr_bytes: stderr.len() as u64,
        stdout: output(stdout),
        stderr: output(stderr),
    }
}

fn done(number: u32, stdout: &str) -> TaskResult {
    result(number, Exit::Code(0), stdout, "")
}

/// Standard output, standard error and status of a job of four tasks with the arguments a, b, c and d.
fn check(style: Style, halt: Halt, batches: Vec<Vec<TaskResult>>) -> (String, String, u8) {
    let rows: Vec<Vec<Bytes>> = ["a", "b", "c", "d"].iter().map(|&arg| vec![arg.into()]).collect();
    let template = Template::parse(&["run".into()], None, true).expect("has a word");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let job = Job { rows, template, tally: Tally::new(halt, 4), progress: Progress::None };
    let fetch = Box::new(|number, _stream, sink: Sink<'_>| {
        ["one\n", "tw", "o\nthree"].iter().try_for_each(|piece| sink(piece.as_bytes()))?;
        if number == 4 { Err(io::Error::other("the node is gone")) } else { Ok(()) }
    });
    let mut printer = Printer::new((&mut out, &mut err), style, job, fetch);
    for batch in batches {
        printer.batch(batch).expect("memory can be written");
    }
    let status = printer.finish(Some("1-00000001")).expect("memory can be written");
    (String::from_utf8(out).expect("is text"), String::from_utf8(err).expect("is text"), status)
}

#[test]
fn results_are_shown_as_they_come_or_in_order() {
    let batches = || vec![vec![done(3, "3\n"), done(1, "1\n")], vec![done(4, "4\n"), done(2, "2\n")]];
    assert_eq!(check(Style::default(), Halt::default(), batches()).0, "3\n1\n4\n2\n");
    let ordered = Style { keep_order: true, ..Style::default() };
    assert_eq!(check(ordered, Halt::default(), batches()), ("1\n2\n3\n4\n".into(), String::new(), 0));
}

#[test]
fn what_was_held_is_shown_at_the_end_though_one_before_it_never_came() {
    let ordered = Style { keep_order: true, ..Style::default() };
    let batches = vec![vec![done(4, "4\n"), done(2, "2\n"), result(1, Exit::Cancelled, "cut", "")]];
    assert_eq!(check(ordered, Halt::default(), batches).0, "2\n4\n");
}

#[test]
fn each_line_has_its_tag_on_both_outputs() {
    let style = Style { tag: true, quiet: true, ..Style::default() };
    let batches = vec![vec![result(2, Exit::Code(1), "x\n\ny", "e\n"), done(1, "")]];
    let shown = check(style, Halt::default(), batches);
    assert_eq!(shown, ("b\tx\nb\t\nb\ty".into(), "b\te\n".into(), 1));
}

#[test]
fn now_ends_showing_at_its_mark() {
    let halt = halt::parse("now,fail=1").expect("is valid");
    let batches = vec![vec![done(1, "1"), result(2, Exit::Code(3), "2", ""), done(3, "3")]];
    let (out, err, status) = check(Style::default(), halt, batches);
    assert_eq!((out.as_str(), status), ("12", 3));
    assert!(err.contains("--halt"), "{err}");
}

#[test]
fn a_program_that_is_not_there_and_a_time_out_are_said() {
    let batches = vec![vec![result(1, Exit::Code(127), "", ""), result(2, Exit::TimedOut, "", "")]];
    let (_, err, status) = check(Style::default(), Halt::default(), batches);
    assert_eq!(status, 2);
    let expected = "tern map: task 1 has a program that was not found (status 127): run a\n\
                    tern map: task 2 was ended after its time-out: run b\n";
    assert_eq!(err, expected);
}

#[test]
fn output_that_a_result_does_not_carry_whole_is_read_in_pieces() {
    let partly = |number| TaskResult { stdout_bytes: 13, ..done(number, "one") };
    let style = Style { tag: true, ..Style::default() };
    let (out, err, _) = check(style, Halt::default(), vec![vec![partly(3), partly(4)]]);
    assert_eq!(out, "c\tone\nc\ttwo\nc\tthreed\tone\nd\ttwo\nd\tthree");
    assert_eq!(err, "tern map: task 4: the rest of its output is lost: the node is gone\n");
}

#[test]
fn json_is_one_object_a_line_and_a_summary() {
    let style = Style { json: true, keep_order: true, ..Style::default() };
    let mut odd = done(1, "x");
    odd.stdout = Some(Bytes(vec![0xff]));
    let (out, _, _) = check(style, Halt::default(), vec![vec![result(2, Exit::Signal(9), "", "e"), odd]]);
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        (&lines[0]["args"][0], &lines[0]["stdout"][0], &lines[0]["number"]),
        (&"a".into(), &255.into(), &1.into())
    );
    assert_eq!((&lines[1]["status"], &lines[1]["stderr"]), (&137.into(), &"e".into()));
    let summary = &lines[2]["summary"];
    assert_eq!((&summary["done"], &summary["failed"], &summary["total"]), (&1.into(), &1.into(), &4.into()));
}

#[test]
fn output_beyond_the_limit_waits_in_a_file_and_comes_back_whole() {
    let mut held = Held::with_limit(4);
    for number in (1..=5).rev() {
        let result = result(number, Exit::Code(0), &format!("out{number}"), if number == 2 { "err" } else { "" });
        held.push(Some(result), number).expect("can be held");
    }
    let mut shown = Vec::new();
    while let Some(result) = held.pop_next().expect("can be read") {
        let text = |output: Option<Bytes>| output.map(|output| output.to_string()).unwrap_or_default();
        shown.push(format!("{}{}", text(result.stdout), text(result.stderr)));
    }
    assert_eq!(shown, ["out1", "out2err", "out3", "out4", "out5"]);
}

#[test]
fn dry_run_prints_commands_with_tags_or_as_json() {
    let rows = [vec!["a b".into()], vec![Bytes(b"\xff".to_vec())]];
    let template = Template::parse(&["run".into()], None, true).expect("has a word");
    let printed = |style| {
        let mut out = Vec::new();
        dry_run(&mut out, style, &rows, &template).expect("memory can be written");
        out
    };
    assert_eq!(printed(Style { tag: true, ..Style::default() }), b"a b\trun 'a b'\n\xff\trun '\xff'\n");
    let json = printed(Style { json: true, ..Style::default() });
    let text = String::from_utf8(json).expect("JSON is text");
    assert_eq!(text.lines().next(), Some(r#"{"number":1,"args":["a b"],"argv":["run","a b"]}"#));
}
