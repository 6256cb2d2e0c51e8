//! Work that crosses between two zones of a real grid whose nodes know those of their own zone only.

#[expect(dead_code, reason = "other tests need more of it")]
mod grid;

use grid::Tern;
use serde_json::Value;

/// An agent with one slot, on loopback and nowhere else.
struct Machine(Tern);

impl Machine {
    fn new(name: &str, zone: &str) -> Self {
        let machine = Self(Tern::new());
        let settings = format!(
            "slots = 1\nlisten = \"127.0.0.1:0\"\n\n[mesh]\nname = \"{name}\"\nzone = \"{zone}\"\nflat_members = 0\n\
             mdns = false\nport_mapping = false\n"
        );
        std::fs::write(machine.0.path().join("config.toml"), settings).unwrap();
        machine.good(&["up", "--detach"]);
        machine
    }

    fn good(&self, words: &[&str]) -> String {
        let out = self.0.command(words).env_remove("TERN_MESH__ENABLED").output().unwrap();
        assert!(out.status.success(), "{words:?}: {out:?}");
        String::from_utf8(out.stdout).unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.good(&words)).unwrap()
    }
}

#[test]
fn tasks_of_a_full_zone_run_in_one_that_was_never_heard_of() {
    let [a, b, far] = [("a", "home"), ("b", "home"), ("far", "away")].map(|(name, zone)| Machine::new(name, zone));
    for machine in [&b, &far] {
        let ticket = a.json(&["invite"])["ticket"].as_str().unwrap().to_owned();
        machine.good(&["join", &ticket]);
    }
    // Of the far node nothing is known here but that it is there, and how loaded its zone is.
    let away = |zones: &Value| {
        let zones = zones["zones"].as_array().unwrap();
        zones.iter().any(|zone| zone["zone"] == "away" && zone["vitals"]["slots"] == 1)
    };
    a.0.until(|| away(&a.json(&["zones"])));
    assert_eq!(a.json(&["status", "far"])["vitals"], Value::Null);
    let submitted = a.good(&["submit", "--json", "--share", "--array", "1-600", "--", "sleep", "0.2"]);
    let job = serde_json::from_str::<Value>(&submitted).unwrap()["job"].clone();
    // It is asked for, lent, and its ends come back, as from a neighbour.
    let to_far = |ledger: &Value| {
        let transfers = ledger["transfers"].as_array().unwrap();
        transfers.iter().any(|transfer| transfer["receiver"] == "far" && transfer["posted"] == "both")
    };
    a.0.until(|| to_far(&a.json(&["ledger"])));
    let told = |view: &Value| view.to_string().contains("the broker of another zone");
    assert!([&a, &b].iter().any(|it| told(&it.json(&["explain"]))), "{}", a.json(&["explain"]));
    a.good(&["cancel", job.as_str().unwrap()]);
    a.0.until(|| a.json(&["job", job.as_str().unwrap()])["state"] != "running");
    a.good(&["ledger", "audit"]);
}
