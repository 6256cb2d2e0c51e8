//! Work that crosses between two zones of a real grid whose nodes know those of their own zone only.

#[expect(dead_code, reason = "other tests need more of it")]
mod grid;
#[path = "grid/member.rs"]
mod member;

use member::Machine;
use serde_json::Value;

/// With one slot, in a grid in which nodes know those of their own zone only.
fn machine(name: &str, zone: &str) -> Machine {
    Machine::with(name, "slots = 1\n", &format!("zone = \"{zone}\"\nflat_members = 0\n")).begun()
}

#[test]
fn tasks_of_a_full_zone_run_in_one_that_was_never_heard_of() {
    let [a, b, far] = [("a", "home"), ("b", "home"), ("far", "away")].map(|(name, zone)| machine(name, zone));
    for machine in [&b, &far] {
        a.admit(machine);
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
