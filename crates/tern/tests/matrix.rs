//! The decision matrix on real processes: what becomes of tasks that take much, on an idle, a balanced and an overloaded node.

#[expect(dead_code, reason = "other tests need more of it")]
mod grid;
#[path = "grid/member.rs"]
mod member;

use std::time::Duration;

use grid::Tern;
use member::Machine;
use serde_json::Value;

/// The trits come from the tasks of this node: the load of the machine is everybody's. Each of several hogs on a loaded machine
/// gets little of a core, so that CPU alone makes the score.
const SETTINGS: &str = "slots = 6\n\
    [trit]\nload = \"tasks\"\nliteral = true\nsample_seconds = 0.2\n\
    [balance]\nhogs = \"tasks\"\nhold_percent = 40\n\
    [scum]\ncpu_weight = 1.0\nmemory_weight = 0.0\nage_weight = 0.0\n";

/// A task that takes all that it gets.
const BURNS: [&str; 4] = ["--", "sh", "-c", "while :; do :; done"];

fn decisions(tern: &Tern) -> Vec<String> {
    let list = tern.json(&["explain", "--json"]);
    let list = list.as_array().unwrap().iter();
    list.map(|it| format!("{}: {}", it["what"].as_str().unwrap(), it["because"].as_str().unwrap())).collect()
}

fn held(tern: &Tern) -> usize {
    tern.json(&["throttle", "list", "--json"]).as_array().unwrap().len()
}

fn trit(tern: &Tern) -> i64 {
    tern.json(&["status", "--json"])["trit"].as_i64().unwrap()
}

/// Long enough for two looks at all processes.
const LOOKS: Duration = Duration::from_secs(5);

fn sleepers(tern: &Tern, count: u32) -> String {
    tern.submit(&["--array", &format!("1-{count}"), "--", "sleep", "600"])
}

fn holds(tern: &Tern, on: &str) -> bool {
    decisions(tern).iter().any(|it| it.contains("holds process") && it.contains(on))
}

#[test]
fn hogs_are_left_alone_on_an_idle_node_and_held_on_a_loaded_one() {
    let tern = Tern::new();
    std::fs::write(tern.path().join("config.toml"), SETTINGS).unwrap();
    tern.up();
    // -1: one task in six slots.
    let first = tern.submit(&BURNS);
    tern.until(|| trit(&tern) == -1 && tern.json(&["job", &first, "--json"])["tasks"]["running"] == 1);
    std::thread::sleep(LOOKS);
    assert_eq!((held(&tern), trit(&tern)), (0, -1), "{:?}", decisions(&tern));
    // 0: three in six. Below the bound nothing is done: those that sleep are left alone.
    let quiet = sleepers(&tern, 2);
    tern.until(|| held(&tern) == 1);
    assert!(trit(&tern) == 0 && holds(&tern, "this node is balanced"), "{:?}", decisions(&tern));
    // +1, and no idle node to move to.
    let second = tern.submit(&BURNS);
    let more = sleepers(&tern, 4);
    tern.until(|| held(&tern) == 2);
    assert!(written(&tern).contains("\"percent\""), "{}", written(&tern));
    assert!(trit(&tern) == 1 && holds(&tern, "this node is overloaded"), "{:?}", decisions(&tern));
    std::thread::sleep(LOOKS);
    assert_eq!(held(&tern), 2, "{:?}", decisions(&tern));
    for job in [first, second, quiet, more] {
        tern.good(&["cancel", &job]);
    }
    tern.good(&["down"]);
    assert!(!written(&tern).contains("\"percent\""), "{}", written(&tern));
}

#[test]
fn what_the_matrix_held_is_let_go_by_an_agent_that_may_not_hold_and_what_a_person_held_is_not() {
    let tern = Tern::new();
    std::fs::write(tern.path().join("config.toml"), SETTINGS).unwrap();
    let before = tern.up();
    let burner = tern.submit(&BURNS);
    let quiet = sleepers(&tern, 2);
    tern.until(|| held(&tern) == 1);
    let listed = |tern: &Tern| tern.json(&["throttle", "list", "--json"]).as_array().unwrap().clone();
    assert_eq!(listed(&tern)[0]["asked_by"], "matrix");
    assert!(tern.good(&["throttle", "list"]).contains("the matrix"));
    let mut person = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    tern.good(&["throttle", &person.id().to_string()]);
    assert_eq!(held(&tern), 2);

    std::fs::write(tern.path().join("config.toml"), SETTINGS.replace("\"tasks\"\nhold", "\"off\"\nhold")).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(before as i32), nix::sys::signal::Signal::SIGKILL).unwrap();
    let agent = || serde_json::from_str::<Value>(&tern.run(&["status", "--json"]).stdout).ok()?["agent_pid"].as_u64();
    tern.until(|| agent().is_some_and(|now| now != before));
    tern.until(|| held(&tern) == 1);
    let left = &listed(&tern)[0];
    assert_eq!((&left["pid"], &left["asked_by"]), (&person.id().into(), &"person".into()));
    assert_eq!(tern.json(&["job", &burner, "--json"])["tasks"]["running"], 1, "it runs on, and freely");
    for job in [burner, quiet] {
        tern.good(&["cancel", &job]);
    }
    tern.good(&["down"]);
    person.kill().unwrap();
    person.wait().unwrap();
}

#[test]
fn a_dry_run_says_what_it_would_hold_and_holds_nothing() {
    let tern = Tern::new();
    std::fs::write(tern.path().join("config.toml"), SETTINGS.replace("\"tasks\"\nhold", "\"dry-run\"\nhold")).unwrap();
    tern.up();
    let burner = tern.submit(&BURNS);
    let quiet = sleepers(&tern, 2);
    tern.until(|| decisions(&tern).iter().any(|it| it.contains("would hold process")));
    assert_eq!(held(&tern), 0);
    for job in [burner, quiet] {
        tern.good(&["cancel", &job]);
    }
    tern.good(&["down"]);
}

/// One of several that make a grid, with trits of their own though they share one kernel.
fn member(name: &str, slots: u32) -> Machine {
    Machine::with(name, &SETTINGS.replace("slots = 6\n", &format!("slots = {slots}\n")), "")
}

impl Machine {
    /// Waits until its trit is that, and the only other node's as it hears of it.
    fn until_trits(&self, own: i64, other: i64) {
        self.0.until(|| {
            let shown = self.0.json(&["balance", "--json"]);
            let nodes = shown["nodes"].as_array().unwrap();
            let is = |node: &Value| node["trit"] == if node["here"] == true { own } else { other };
            nodes.len() == 2 && nodes.iter().all(|node| node["reached"] == true && is(node))
        });
    }

    /// Waits until all tasks of these jobs run.
    fn until_run(&self, jobs: &[&str]) {
        let runs = |job: &&str| self.0.json(&["job", job, "--json"])["tasks"]["running"] == 1;
        self.0.until(|| jobs.iter().all(runs));
    }

    /// Ends well, and returns where its only task came to its end.
    fn ends_on(&self, job: &str) -> Value {
        self.good(&["wait", job]);
        self.0.json(&["job", job, "--tasks", "--json"])["results"][0]["node"].clone()
    }
}

/// Quiet until a file is there; then it takes all that it gets. Asked to end it says how far it came, and goes on from there.
fn leaves_a_checkpoint(start: &str) -> String {
    format!(
        "state=$TERN_CHECKPOINT_DIR/state; if [ -e $state ]; then echo goes on at $(cat $state); exit 0; fi; \
         trap 'echo here >$state; exit 85' TERM; \
         until [ -e {start} ]; do sleep 0.1; done; while :; do :; done"
    )
}

#[test]
fn an_overloaded_node_sends_its_hogs_to_an_idle_one() {
    let [a, b] = [member("a", 3).begun(), member("b", 8)];
    let folder = a.0.path().parent().unwrap();
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let [first, second, end] = ["first", "second", "end"].map(file);
    // All of it begins here: there is nobody else yet. What waits may not leave.
    let keeps = a.0.submit(&["--share", "--checkpoint", "--", "sh", "-c", &leaves_a_checkpoint(&first)]);
    let burns = format!("until [ -e {second} ]; do sleep 0.1; done; while [ ! -e {end} ]; do :; done");
    let again = a.0.submit(&["--share", "--idempotent", "--exclusive", "--", "sh", "-c", &burns]);
    a.until_run(&[&keeps, &again]);
    let quiet = sleepers(&a.0, 30);
    a.admit(&b);
    a.until_trits(1, -1);
    let relieved = || decisions(&a.0).iter().filter(|it| it.contains("sends the task of process")).count();
    assert_eq!(relieved(), 0, "they are quiet");

    std::fs::write(&first, "").unwrap();
    a.0.until(|| relieved() == 1);
    let there = b.0.json(&["status", "--json"])["node"].clone();
    assert_eq!(a.ends_on(&keeps), there, "{:?}", decisions(&a.0));
    assert_eq!(a.good(&["logs", &keeps]), "goes on at here\n");

    a.until_trits(1, -1);
    std::fs::write(&second, "").unwrap();
    a.0.until(|| relieved() == 2);
    a.0.until(|| a.0.json(&["explain", &format!("{again}/1"), "--json"])["task"]["name"] == "b");
    // There it is left alone, as long as that node is idle.
    std::thread::sleep(LOOKS);
    assert_eq!((held(&a.0), held(&b.0), trit(&b.0)), (0, 0, -1), "{:?} {:?}", decisions(&a.0), decisions(&b.0));
    std::fs::write(&end, "").unwrap();
    assert_eq!(a.ends_on(&again), there, "{:?}", decisions(&a.0));

    let because = |it: &&String| it.contains("this node is overloaded, an idle node could take");
    assert_eq!(decisions(&a.0).iter().filter(because).count(), 2, "{:?}", decisions(&a.0));
    a.0.until(|| {
        let shown = a.0.json(&["ledger", "--json"]);
        let went = |it: &&Value| it["posted"] == "both" && it["sender"] == "a" && it["receiver"] == "b";
        shown["transfers"].as_array().unwrap().iter().filter(went).count() == 2
    });
    a.good(&["cancel", &quiet]);
}

#[test]
fn an_overloaded_node_holds_its_hogs_while_the_others_have_enough_to_do() {
    let [a, b] = [member("a", 2).begun(), member("b", 2)];
    let start = a.0.path().with_file_name("start").to_str().unwrap().to_owned();
    let keeps = a.0.submit(&["--share", "--checkpoint", "--", "sh", "-c", &leaves_a_checkpoint(&start)]);
    a.until_run(&[&keeps]);
    let quiet = sleepers(&a.0, 8);
    a.admit(&b);
    // One task in two slots: it could take another, and is not idle.
    let there = sleepers(&b.0, 1);
    a.until_trits(1, 0);
    std::fs::write(&start, "").unwrap();
    a.0.until(|| held(&a.0) == 1);
    assert!(holds(&a.0, "this node is overloaded, no idle node could take"), "{:?}", decisions(&a.0));
    std::thread::sleep(LOOKS);
    assert_eq!(a.0.json(&["job", &keeps, "--json"])["tasks"]["running"], 1, "{:?}", decisions(&a.0));
    assert!(!decisions(&a.0).iter().any(|it| it.contains("sends the task")), "{:?}", decisions(&a.0));
    for (member, job) in [(&a, &keeps), (&a, &quiet), (&b, &there)] {
        member.good(&["cancel", job]);
    }
}

/// What the warden wrote down when it ended.
fn written(tern: &Tern) -> String {
    std::fs::read_to_string(tern.path().join("warden/throttles")).unwrap_or_default()
}
