//! What holds a machine and its tasks back is named by the real program: processors that are wanted by too many, and a queue
//! that does not move. What must *not* be named is tested with recorded machines: this one is busy with other tests.

#[expect(dead_code, reason = "other tests need more of it")]
mod grid;

use std::process::{Child, Command, Stdio};

use grid::Tern;
use serde_json::{Value, json};

/// A process that takes all that it gets. Ends with the test.
struct Burner(Child);

impl Burner {
    fn start() -> Self {
        let mut yes = Command::new("yes");
        Self(yes.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is named of one part: which, kind and severity of each finding.
fn named(tern: &Tern, component: &str) -> Vec<Value> {
    let found = tern.json(&["bottlenecks", "--component", component, "--seconds", "1", "--json"]);
    let findings = found["findings"].as_array().unwrap().iter();
    findings.map(|it| json!([it["which"], it["kind"], it["severity"]])).collect()
}

#[test]
fn burners_on_all_processors_are_named_as_what_holds_back() {
    let tern = Tern::new();
    let cpus = std::thread::available_parallelism().unwrap().get();
    let _burners: Vec<Burner> = (0..=2 * cpus).map(|_| Burner::start()).collect();
    tern.until(|| named(&tern, "cpu") == [json!([null, "saturation", "holds"])]);
    // Also among all others, and to whoever asks for it by exit code.
    let all = tern.run(&["bottlenecks", "--seconds", "1"]);
    assert_eq!(all.code, 0, "{all:?}");
    assert!(all.stdout.starts_with("this holds work back") && all.stdout.contains("\ncpu  "), "{all:?}");
    tern.until(|| tern.run(&["bottlenecks", "--component", "cpu", "--seconds", "1", "--check"]).code == 1);
}

#[test]
fn a_queue_that_does_not_move_is_named_with_why() {
    let tern = Tern::new();
    let queue = || named(&tern, "queue");
    let up = tern.command(&["up", "--detach"]).env("TERN_SLOTS", "1").output().unwrap();
    assert!(up.status.success(), "{up:?}");
    assert_eq!(queue(), [0; 0], "nothing waits");
    let held = tern.submit(&["--hold", "--", "true"]);
    assert_eq!(queue(), [json!(["held", "saturation", "watch"])]);
    tern.good(&["cancel", &held]);

    let job = tern.submit(&["--array", "1-6", "--", "sleep", "600"]);
    tern.until(|| tern.json(&["job", &job, "--json"])["tasks"]["running"] == 1);
    assert_eq!(queue(), [json!(["slots", "saturation", "holds"])]);
    let found = tern.json(&["bottlenecks", "--component", "queue", "--seconds", "1", "--json"]);
    let waiting = &found["findings"][0]["evidence"][0];
    assert_eq!(
        (&waiting["figure"], &waiting["value"], &waiting["bound"]),
        (&json!("waiting"), &json!(5.0), &json!(1.0))
    );

    tern.good(&["drain"]);
    // What the warden had ahead of its slot comes back first.
    tern.until(|| queue() == [json!(["drained", "saturation", "holds"])]);
    let text = tern.run(&["bottlenecks", "--component", "queue", "--seconds", "1", "--check"]);
    assert!(
        text.code == 1 && text.stdout.contains("tasks waiting  5") && text.stdout.contains("tern undrain"),
        "{text:?}"
    );
    tern.good(&["down", "--now"]);
}

#[test]
fn without_an_agent_the_queue_is_not_looked_at_and_that_is_said() {
    let tern = Tern::new();
    let out = tern.run(&["bottlenecks", "--component", "queue", "--seconds", "1"]);
    assert!(out.code == 0 && out.stdout.contains("no agent runs here"), "{out:?}");
    let out = tern.run(&["bottlenecks", "--component", "queue", "--seconds", "1", "--check"]);
    assert_eq!(out.code, 69, "nothing was measured, which is no health: {out:?}");
    let all = tern.json(&["bottlenecks", "--seconds", "1", "--json"]);
    let absent = all["not_measured"].as_array().unwrap().iter().find(|it| it["resource"] == "queue").unwrap();
    assert_eq!(absent["because"], "no_agent");
    for wrong in [&["--component", "disks"][..], &["--seconds", "0"], &["--seconds", "61"]] {
        assert_eq!(tern.run(&[&["bottlenecks"], wrong].concat()).code, 64, "{wrong:?}");
    }
}
