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
    let words = Words::try_parse_from(["throttle"].into_iter().chain(words.split(' '))).unwrap();
    let (seen, mut out) = (RefCell::new(Vec::new()), Vec::new());
    let holder = async |ask: Ask| {
        seen.borrow_mut().push(ask.clone());
        let state = |pid, percent, method| ThrottleState { pid, start_time: 5, percent, method };
        Ok(match ask {
            Ask::Hold(wish) => vec![state(wish.pid, wish.percent, wish.method.unwrap_or(ThrottleMethod::Quota))],
            Ask::Release(_) => Vec::new(),
            Ask::List => vec![state(77, 20, ThrottleMethod::DutyCycle)],
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
    let wish = Throttle { pid, percent: 25, method: Some(ThrottleMethod::DutyCycle) };
    assert_eq!(seen, [Ask::Hold(wish)]);
    assert!(said.unwrap().contains("to 25 % of one CPU by stopping and continuing"));
    let (seen, said) = asked(&format!("{pid} --dry-run"), false);
    assert_eq!(seen, [], "a dry run asks nobody");
    assert!(said.unwrap().contains("would hold process"));
    let (seen, said) = asked(&format!("release {pid}"), true);
    assert_eq!(seen, [Ask::Release(pid)]);
    assert_eq!(said.unwrap(), format!("{{\"pid\":{pid},\"released\":true}}\n"));
    let (seen, said) = asked("list", false);
    assert_eq!(seen, [Ask::List]);
    assert!(said.unwrap().contains("      77     20  stopping and continuing"));
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
