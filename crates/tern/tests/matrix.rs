//! The decision matrix on real processes: what becomes of tasks that take much, on an idle, a balanced and an overloaded node.

#[expect(dead_code, reason = "other tests need more of it")]
mod grid;

use std::time::Duration;

use grid::Tern;

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

/// What the warden wrote down when it ended.
fn written(tern: &Tern) -> String {
    std::fs::read_to_string(tern.path().join("warden/throttles")).unwrap_or_default()
}
