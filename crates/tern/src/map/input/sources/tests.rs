use super::*;
use expect_test::{Expect, expect};

fn read(line: &[&str], shape: &Shape<'_>, stdin: &str) -> Result<String, MapError> {
    let sources = Sources::read(line.iter().map(Into::into).collect(), Vec::new())?;
    let rows = rows(sources.sources, shape, &mut stdin.as_bytes())?;
    let line = |row: &Vec<Bytes>| row.iter().map(|column| format!("[{column}]")).collect::<Vec<_>>().concat() + "\n";
    Ok(rows.iter().map(line).collect())
}

const PLAIN: Shape<'static> = Shape { null: false, colsep: None, max_args: None };

fn check(line: &[&str], expected: &Expect) {
    expected.assert_eq(&read(line, &PLAIN, "x\ny\n").expect("is valid"));
}

#[test]
fn the_command_ends_at_the_first_mark() {
    let line = ["echo", "-n", "{}", ":::", "a", ":::+", "b", "::::", "f", "g", "::::+", "h"];
    let read = Sources::read(line.iter().map(Into::into).collect(), vec!["first".into()]).expect("is valid");
    assert_eq!(read.command, ["echo", "-n", "{}"].map(Bytes::from));
    let words = |word: &str| From::Words(vec![word.into()]);
    let expected = [
        (From::File("first".into()), false),
        (words("a"), false),
        (words("b"), true),
        (From::File("f".into()), false),
        (From::File("g".into()), false),
        (From::File("h".into()), true),
    ];
    assert_eq!(read.sources, expected.map(|(from, linked)| Source { from, linked }));
    assert!(!read.read_stdin());
}

#[test]
fn several_sources_are_combined_the_last_fastest() {
    check(
        &[":::", "1", "2", ":::", "a", "b"],
        &expect![[r"
        [1][a]
        [1][b]
        [2][a]
        [2][b]
    "]],
    );
    check(
        &[":::", "1", "2", "::::", "-"],
        &expect![[r"
        [1][x]
        [1][y]
        [2][x]
        [2][y]
    "]],
    );
}

#[test]
fn linked_sources_go_in_step_and_end_with_the_shortest() {
    check(
        &[":::", "1", "2", "3", ":::+", "a", "b", ":::", "K", "L"],
        &expect![[r"
        [1][a][K]
        [1][a][L]
        [2][b][K]
        [2][b][L]
    "]],
    );
    check(
        &[":::", "1", "2", ":::", "K", "L", ":::+", "a", "b"],
        &expect![[r"
        [1][K][a]
        [1][L][b]
        [2][K][a]
        [2][L][b]
    "]],
    );
}

#[test]
fn an_empty_source_is_one_empty_argument_among_others_and_nothing_alone() {
    check(
        &[":::", "A", "B", ":::"],
        &expect![[r"
        [A][]
        [B][]
    "]],
    );
    check(
        &[":::", "A", "B", ":::+"],
        &expect![[r"
        [A][]
    "]],
    );
    check(&[":::"], &expect![""]);
    check(&[":::", ":::"], &expect![""]);
}

#[test]
fn records_are_grouped_by_n_and_cut_by_colsep() {
    let pattern = Pattern::parse(",").expect("is valid");
    let shape = Shape { null: false, colsep: Some(&pattern), max_args: Some(2) };
    let text = read(&["::::", "-"], &shape, "a,b\nc , d\ne").expect("is valid");
    expect![[r"
        [a][b][c][d]
        [e]
    "]]
    .assert_eq(&text);
    assert_eq!(read(&[], &Shape { max_args: Some(0), ..PLAIN }, "a\nb\n").expect("is valid"), "\n\n");
}

#[test]
fn lines_may_be_empty_and_the_last_may_lack_its_end() {
    let lines = |text: &str| read(&[], &PLAIN, text).expect("is valid");
    assert_eq!(lines(""), "");
    assert_eq!(lines("\n"), "[]\n");
    assert_eq!(lines("a\n\nb"), "[a]\n[]\n[b]\n");
    let null = Shape { null: true, ..PLAIN };
    assert_eq!(read(&[], &null, "a\nb\0c").expect("is valid"), "[a\nb]\n[c]\n");
}

#[test]
fn input_that_cannot_be_used_is_refused_before_anything_runs() {
    let error = |line: &[&str]| read(line, &PLAIN, "a\nb\0c\n").expect_err("is refused");
    let missing = error(&["::::", "/nonexistent/list"]);
    assert_eq!(missing.status(), 66);
    assert!(missing.to_string().contains("/nonexistent/list"), "{missing}");
    assert!(matches!(error(&[]), MapError::Nul { record: 2, .. }));
    assert!(matches!(error(&["::::"]), MapError::NoFile));
    assert!(matches!(error(&["::::", "-", "-"]), MapError::InputTwice));
    let many: Vec<String> = std::iter::repeat_n(":::".into(), 1).chain((0..5000).map(|n| n.to_string())).collect();
    let twice: Vec<&str> = many.iter().chain(&many).map(String::as_str).collect();
    assert!(matches!(error(&twice), MapError::TooManyTasks { tasks: 25_000_000 }));
}
