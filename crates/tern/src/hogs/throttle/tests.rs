use super::*;
use clap::Parser as _;
use std::cell::RefCell;
use std::process::{Child, Command, Stdio};

#[derive(Debug, clap::Parser)]
struct Words {
    #[command(flatten)]
    args: ThrottleArgs,
}

struct Ends(Child);
impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the words against a holder that remembers what it was asked.
fn asked(words: &str, json: bool) -> (Vec<Ask>, Result<String, Trouble>) {
    asked_of(77, words, json)
}

/// Of one that holds this process, and the next by its weight.
fn asked_of(held: i32, words: &str, json: bool) -> (Vec<Ask>, Result<String, Trouble>) {
    let words = Words::try_parse_from(["throttle"].into_iter().chain(words.split(' '))).unwrap();
    let (seen, mut out) = (RefCell::new(Vec::new()), Vec::new());
    let holder = async |ask: Ask| {
        seen.borrow_mut().push(ask.clone());
        let state = |pid, percent, method: ThrottleMethod, asked_by| {
            let percent = Some(percent).filter(|_| method.keeps_to_a_share());
            ThrottleState { pid, start_time: 5, percent, method, asked_by }
        };
        Ok(match ask {
            Ask::Hold(wish) => {
                vec![state(wish.pid, wish.percent, wish.method.unwrap_or(ThrottleMethod::Quota), wish.asked_by)]
            }
            Ask::Release(_) => Vec::new(),
            Ask::List => vec![
                state(held, 20, ThrottleMethod::DutyCycle, Asker::Matrix),
                state(held + 1, 10, ThrottleMethod::Weight, Asker::Person),
            ],
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let done = runtime.block_on(run(&words.args, json, holder, &mut out));
    (seen.into_inner(), done.map(|_| String::from_utf8(out).unwrap()))
}

#[test]
fn the_words_say_what_is_wished() {
    let victim = Ends(Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap());
    let pid = victim.0.id() as i32;
    let (seen, said) = asked(&format!("{pid} --percent 25 --method duty-cycle"), false);
    let wish = Throttle { pid, percent: 25, method: Some(ThrottleMethod::DutyCycle), asked_by: Asker::Person };
    assert_eq!(seen, [Ask::Hold(wish)]);
    assert!(said.unwrap().contains("to 25 % of one CPU by stopping and continuing"));
    let (seen, said) = asked(&format!("{pid} --dry-run"), false);
    assert_eq!(seen, [Ask::List], "a dry run asks for nothing to be done");
    assert!(said.unwrap().contains("would hold process"));
    let (seen, said) = asked(&format!("release {pid}"), true);
    assert_eq!(seen, [Ask::Release(pid)]);
    assert_eq!(said.unwrap(), format!("{{\"pid\":{pid},\"released\":true}}\n"));
    let (seen, said) = asked("list", false);
    assert_eq!(seen, [Ask::List]);
    let table = said.unwrap();
    assert!(table.contains("      77     20  stopping and continuing  the matrix\n"), "{table}");
    assert!(table.contains("      78      -  a lower weight           a person\n"), "no share is kept: {table}");
    assert_eq!(asked("list", true).1.unwrap().matches("\"percent\":null").count(), 1);
}

#[test]
fn a_dry_run_on_a_process_that_is_held_says_that_it_would_be_held_anew() {
    let victim = Ends(Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap());
    let pid = victim.0.id() as i32;
    let (seen, said) = asked_of(pid, &format!("{pid} --dry-run --percent 30"), false);
    assert_eq!(seen, [Ask::List]);
    let expected = format!(
        "would hold process {pid} anew to 30 % of one CPU by the best that works then\n\
         it is held already, to 20 % of one CPU by stopping and continuing, asked by the matrix\n"
    );
    assert_eq!(said.unwrap(), expected);
    let (_, said) = asked_of(pid - 1, &format!("{pid} --dry-run --method weight"), false);
    let said = said.unwrap();
    assert!(said.starts_with(&format!("would hold process {pid} anew by a lower weight\n")), "{said}");
    assert!(
        said.contains("it is held already, and gives way to others by a lower weight, asked by a person"),
        "{said}"
    );
    let value: serde_json::Value =
        serde_json::from_str(&asked_of(pid, &format!("{pid} --dry-run"), true).1.unwrap()).unwrap();
    assert_eq!((&value["would"]["percent"], &value["instead_of"]["percent"]), (&50.into(), &20.into()));
}

#[test]
fn a_method_that_keeps_to_no_share_is_not_said_to() {
    let victim = Ends(Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap());
    let pid = victim.0.id() as i32;
    let said = asked(&format!("{pid} --method weight --percent 10"), false).1.unwrap();
    let first = said.lines().next().unwrap();
    assert!(first.ends_with("gives way to others by a lower weight, which keeps to no share"), "{said}");
    assert!(!said.contains('%'), "{said}");
}

#[test]
fn what_must_not_be_touched_is_refused_before_anybody_is_asked_to_hold_it() {
    for (words, wanted) in [("1", 77), ("0", 66), ("2147483647", 66), (&std::process::id().to_string(), 77)] {
        let (seen, said) = asked(words, false);
        assert_eq!(seen, [], "{words}");
        match said.unwrap_err() {
            Trouble::Here { code, message, .. } => assert_eq!(code, wanted, "{words}: {message}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn words_that_make_no_sense_are_refused_by_the_command_line() {
    for words in ["", "abc", "7 --percent 0", "7 --percent 101", "7 --method magic", "release", "release x", "7 list"] {
        let words = ["throttle"].into_iter().chain(words.split(' ').filter(|word| !word.is_empty()));
        assert!(Words::try_parse_from(words.clone()).is_err(), "{:?}", words.collect::<Vec<_>>());
    }
}
