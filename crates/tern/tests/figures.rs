//! Figures of a grid that really worked, and the same figures by a script that shares no code with Tern.

#[expect(dead_code, reason = "other tests need more of it")]
mod grid;
#[path = "grid/member.rs"]
mod member;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use member::Machine;
use serde_json::{Value, json};

/// Figures that differ by more, of the greater, are not the same …
const ALIKE: f64 = 1e-9;
/// … unless they differ by what the rounding of two loads that are nearly the same leaves.
const NOTHING: f64 = 1e-15;

impl Machine {
    /// A job that may fail; when it is over.
    fn works(&self, words: &[&str]) {
        let words: Vec<&str> = ["submit", "--json"].iter().chain(words).copied().collect();
        let submitted: Value = serde_json::from_str(&self.good(&words)).unwrap();
        let job = submitted["job"].as_str().unwrap();
        let _failed = self.run(&["wait", job]);
    }

    /// The head and body of an answer of the control API.
    fn get(&self, path: &str) -> (String, String) {
        let mut stream = UnixStream::connect(self.0.path().join("control.sock")).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: tern\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), body.to_owned())
    }
}

fn machine(name: &str) -> Machine {
    Machine::with(name, "slots = 2\n", "")
}

/// Every number here is there, and alike.
fn alike(one: &Value, other: &Value, place: &str) {
    match (one, other) {
        (Value::Object(one), Value::Object(_)) => {
            for (name, value) in one.iter().filter(|(name, _)| *name != "not_measured") {
                alike(value, &other[name], &format!("{place}.{name}"));
            }
        }
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            let most = one.abs().max(other.abs());
            assert!((one - other).abs() <= ALIKE * most + NOTHING, "{place}: {one} and {other}");
        }
        _ => assert_eq!(one, other, "{place}"),
    }
}

/// What the script makes of a log. None: it cannot run here.
fn by_script(machine: &Machine, since_ms: &str) -> Option<Value> {
    script(machine.0.path(), since_ms)
}

fn script(folder: &Path, since_ms: &str) -> Option<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/kpi.py");
    let out = Command::new("python3").arg(script).args(["--since-ms", since_ms]).arg(folder).output();
    let out = out.ok()?;
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(serde_json::from_slice(&out.stdout).unwrap())
}

/// A grid of two in which one gave the other a part of its work, some of which failed.
fn worked() -> [Machine; 2] {
    let [a, b] = [machine("a").begun(), machine("b")];
    a.admit(&b);
    a.0.until(|| a.json(&["status", "b"])["vitals"]["slots"] == 2);
    // Every sixth fails, twice.
    let some = "sleep 0.$(($1 % 3)); exit $(($1 % 6 == 0))";
    a.works(&["--array", "1-36", "--retries", "2", "--", "sh", "-c", some, "sh"]);
    a.works(&["--array", "1-8", "--on", "b", "--", "sleep", "0.05"]);
    // One that never begins is over, too.
    let late = a.good(&["submit", "--json", "--hold", "--array", "1-5", "--", "true"]);
    let late: Value = serde_json::from_str(&late).unwrap();
    a.good(&["cancel", late["job"].as_str().unwrap()]);
    // Loads of both are compared once a second.
    a.0.until(|| a.json(&["kpi"])["figures"]["load_variance"].is_number());
    [a, b]
}

#[test]
fn figures_are_the_same_when_a_script_computes_them_from_the_raw_log() {
    let [a, b] = worked();
    let live = a.json(&["kpi", "--since", "1h"]);
    let tasks = &live["tasks"];
    let counts = ["accepted", "done", "failed", "cancelled"].map(|name| tasks[name].as_u64());
    assert_eq!(counts, [Some(49), Some(38), Some(6), Some(5)], "{live}");
    assert!(tasks["again"].as_u64() >= Some(6) && live["moves"]["lent"].as_u64() >= Some(8), "{live}");
    let figures = live["figures"].as_object().unwrap();
    // On a machine that has nothing to do at all the mean load is 0, and nothing can be said over it.
    let measured = figures.iter().filter(|(name, _)| *name != "load_variation").all(|(_, value)| value.is_number());
    assert!(figures.len() == 16 && measured, "{live}");
    let used = figures["utilisation"].as_f64().unwrap();
    assert!(used > 0.0 && used <= 1.0 && figures["makespan_over_bound"].as_f64() >= Some(1.0), "{live}");
    assert!(a.good(&["kpi"]).contains("queue latency, mean"));
    // From here on nothing is written.
    for machine in [&a, &b] {
        machine.good(&["down", "--now"]);
    }
    let middle = live["from_ms"].as_u64().unwrap().midpoint(live["to_ms"].as_u64().unwrap());
    let parts = [(&a, String::from("0")), (&b, String::from("0")), (&a, middle.to_string())];
    for (machine, since) in parts {
        let Some(script) = by_script(machine, &since) else {
            let name = "figures_are_the_same_when_a_script_computes_them_from_the_raw_log";
            return skip(name, "python3 is not installed");
        };
        let ours = events_since(machine, &since);
        assert!(ours["lines"].as_u64() > Some(0));
        alike(&ours, &script, "kpi");
        alike(&script, &ours, "script");
    }
    let others = events_since(&b, "0");
    assert!(
        others["tasks"]["foreign"].as_u64() >= Some(8) && others["moves"]["borrowed"].as_u64() >= Some(8),
        "{others}"
    );
}

/// `tern kpi` without an agent, where the time is asked for exactly.
fn events_since(machine: &Machine, since_ms: &str) -> Value {
    let home = tern_node::home::Home::new(machine.0.path());
    let exact = tern_node::store::events::read(&home, since_ms.parse().unwrap()).unwrap().report();
    let exact = serde_json::to_value(exact).unwrap();
    if since_ms == "0" {
        alike(&exact, &machine.json(&["kpi"]), "without an agent");
    }
    exact
}

/// Numbers that look drawn, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn speed(&mut self) -> Option<u64> {
        (self.below(4) > 0).then(|| 500 + self.below(1_500))
    }

    fn event(&mut self, wall: u64) -> Value {
        let owner = if self.below(5) == 0 { "0000000b" } else { "0000000a" };
        let job = format!("{}-{owner}", 1 + self.below(4));
        let (left, tasks) = (self.below(9), 1 + self.below(4));
        let standing = json!({"node": "0000000a", "slots": 4, "open": 1 + self.below(4), "cpus": 4,
            "speed_milli": self.speed(), "left": left});
        match self.below(16) {
            0 => json!({ "began": standing }),
            1 => json!({ "continues": standing }),
            2 => json!({"stopped": {"left": left}}),
            3 => json!({"slots": {"open": self.below(5)}}),
            4 => json!({"lent": {"job": job, "to": "0000000b", "tasks": tasks}}),
            5 => json!({"returned": {"job": job, "from": "0000000b", "tasks": tasks}}),
            6 => json!({"borrowed": {"from": "0000000b", "tasks": tasks}}),
            7 => json!({"retried": {"job": job, "round": 1, "tasks": tasks, "left": left}}),
            8 | 9 => json!({"accepted": {"job": job, "tasks": tasks, "left": left}}),
            10 | 11 => {
                let peers = ["0000000b", "0000000c"]
                    .map(|tag| json!([tag, self.below(3_000), self.below(3), self.below(4), self.speed()]));
                let rho = (self.below(8) > 0).then(|| self.below(3_000) as f64 / 777.0);
                let peers = &peers[..self.below(3) as usize];
                json!({"load": {"rho": rho, "trit": 0, "queued": 3, "running": 1, "slots": 4,
                    "speed_milli": self.speed(), "peers": peers, "left": left}})
            }
            _ => {
                let ends: Vec<Value> = (0..tasks).map(|_| self.end(wall)).collect();
                let on = ["0000000a", "0000000b", "0000000c"][self.below(3) as usize];
                let queued = (self.below(6) > 0).then(|| wall - self.below(4_000));
                json!({"ended": {"job": job, "round": self.below(2), "on": on, "slots": 1 + self.below(2),
                    "queued_ms": queued, "tasks": ends, "left": left}})
            }
        }
    }

    fn end(&mut self, wall: u64) -> Value {
        let how = ["done", "done", "done", "failed", "timed_out", "cancelled", "void"][self.below(7) as usize];
        let cpu = (self.below(2) > 0).then(|| self.below(90_000));
        json!([self.below(3), wall - self.below(3_000), self.below(2_000_000_000), cpu, how, self.below(4) > 0])
    }
}

/// What may stand where a value stood, by hand or after damage: name, and the text instead of the value.
const DAMAGES: [(&str, &str); 30] = [
    ("mono_ns", "99999999999999999999"),
    ("mono_ns", "18446744073709551616"),
    ("mono_ns", "-1"),
    ("mono_ns", "-0"),
    ("mono_ns", "7.0"),
    ("at_ms", "true"),
    ("at_ms", "null"),
    ("at_ms", "1764000000000,\"at_ms\":1764000000000"),
    ("at_ms", "1764000000000,\"extra\":{\"a\":[{},7,\"x\"]}"),
    ("at_ms", "1764000000000,\"extra\":NaN"),
    ("slots", "\"x\""),
    ("slots", "4294967296"),
    ("open", "1e1"),
    ("tasks", "-3"),
    ("tasks", "{}"),
    ("left", "NaN"),
    ("left", "18446744073709551616"),
    ("job", "7"),
    ("job", "\"1-a\""),
    ("job", "\"+1-0000000A\""),
    ("job", "\"4294967296-0000000a\""),
    ("node", "\"0a\""),
    ("node", "\"x\""),
    ("on", "\"10000000a\""),
    ("rho", "NaN"),
    ("rho", "-Infinity"),
    ("rho", "1e999"),
    ("rho", "\"1\""),
    ("speed_milli", "65536"),
    ("peers", "[[\"0000000b\",1,1,1]]"),
];

/// The line with another value, where it has such a name; else with a kind that there is not.
fn damaged(line: &str, (name, value): (&str, &str)) -> String {
    let quoted = format!("\"{name}\":");
    let Some(at) = line.find(&quoted).map(|at| at + quoted.len()) else {
        return line.replacen("\"event\":{\"", "\"event\":{\"re", 1);
    };
    let mut rest = serde_json::Deserializer::from_str(&line[at..]).into_iter::<Value>();
    rest.next().unwrap().unwrap();
    format!("{}{value}{}", &line[..at], &line[at + rest.byte_offset()..])
}

/// The script's figures of one file, and ours.
fn both(text: &str) -> Option<[Value; 2]> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("events"), text).unwrap();
    let home = tern_node::home::Home::new(folder.path());
    let ours = tern_node::store::events::read(&home, 0).unwrap().report();
    Some([serde_json::to_value(ours).unwrap(), script(folder.path(), "0")?])
}

#[test]
fn loads_beyond_all_numbers_and_lines_like_towers_are_counted_alike() {
    let load = |rho: &str, at: u64| {
        format!(
            "{{\"at_ms\":{at},\"mono_ns\":{at},\"event\":{{\"load\":{{\"rho\":{rho},\"trit\":0,\"queued\":0,\"running\":0,\
             \"slots\":2,\"speed_milli\":null,\"peers\":[[\"0000000b\",500,0,2,null]],\"left\":0}}}}}}\n"
        )
    };
    let tower = "[".repeat(100_000) + &"]".repeat(100_000) + "\n";
    let long = "x".repeat(3 << 20) + "\n";
    let cases = [
        (load("1", 5) + &load("2", 9), 2, 0),
        (load("1e308", 5) + &load("2", 9), 2, 0),
        (load("-1e308", 5) + &load("2", 9) + &load("1e154", 12) + &load("3", 15), 4, 0),
        (load("1e309", 5) + &load("2", 9), 1, 1),
        (tower + &load("2", 9), 1, 1),
        (long + &load("2", 9), 1, 3),
    ];
    for (text, lines, unreadable) in cases {
        let Some([ours, script]) = both(&text) else {
            let name = "loads_beyond_all_numbers_and_lines_like_towers_are_counted_alike";
            return skip(name, "python3 is not installed");
        };
        alike(&ours, &script, "kpi");
        alike(&script, &ours, "script");
        assert_eq!((&ours["lines"], &ours["unreadable"]), (&lines.into(), &unreadable.into()), "{ours}");
    }
}

#[test]
fn the_script_says_that_a_folder_is_not_there() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/kpi.py");
    let Ok(out) = Command::new("python3").args([script, "/nonexistent/folder"]).output() else {
        return skip("the_script_says_that_a_folder_is_not_there", "python3 is not installed");
    };
    assert_eq!((out.status.code(), &out.stdout[..]), (Some(66), &b""[..]), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("/nonexistent/folder"), "{out:?}");
}

#[test]
fn figures_of_logs_that_no_node_would_write_are_the_same_by_the_script() {
    let folder = tempfile::tempdir().unwrap();
    let mut measured = 0;
    for seed in 1..=25 {
        let mut dice = Dice(seed);
        let (mut wall, mut mono, mut files) = (1_764_000_000_000u64, 7_000_000_000u64, [String::new(), String::new()]);
        for number in 0..300 {
            wall += dice.below(900);
            // Now and then the machine was started anew in between.
            mono = if dice.below(60) == 0 { 5 } else { mono + dice.below(900_000_000) };
            let mut line = json!({"at_ms": wall, "mono_ns": mono, "event": dice.event(wall)}).to_string();
            if dice.below(12) == 0 {
                line = damaged(&line, DAMAGES[dice.below(DAMAGES.len() as u64) as usize]);
            }
            let whole = if dice.below(30) == 0 { line.len() / 2 } else { line.len() };
            files[usize::from(number > 120)] += &(line[..whole].to_owned() + "\n");
        }
        std::fs::write(folder.path().join("events.old"), &files[0]).unwrap();
        std::fs::write(folder.path().join("events"), &files[1]).unwrap();
        for since in [0, 1_764_000_060_000] {
            let home = tern_node::home::Home::new(folder.path());
            let ours = tern_node::store::events::read(&home, since).unwrap().report();
            let ours = serde_json::to_value(ours).unwrap();
            let Some(script) = script(folder.path(), &since.to_string()) else {
                let name = "figures_of_logs_that_no_node_would_write_are_the_same_by_the_script";
                return skip(name, "python3 is not installed");
            };
            alike(&ours, &script, &format!("seed {seed}"));
            alike(&script, &ours, &format!("seed {seed}, script"));
            measured += ours["figures"].as_object().unwrap().values().filter(|value| value.is_number()).count();
        }
    }
    // Nearly all of them are: what compares nothing proves nothing.
    assert!(measured > 25 * 2 * 14, "{measured}");
}

#[test]
fn metrics_are_served_as_the_format_wants_them() {
    let machine = machine("a");
    machine.good(&["up", "--detach"]);
    machine.works(&["--array", "1-12", "--", "sh", "-c", "exit $(($1 % 4 == 0))", "sh"]);
    let (head, body) = machine.get("/v1/metrics");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.contains(kind) && body.ends_with("\n# EOF\n"), "{head}");
    let sample =
        |name: &str| body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(str::to_owned);
    assert_eq!(sample("tern_jobs_accepted_tasks_total").as_deref(), Some("12"));
    assert_eq!(sample("tern_jobs_ended_tasks_total{outcome=\"done\"}").as_deref(), Some("9"));
    assert_eq!(sample("tern_jobs_ended_tasks_total{outcome=\"failed\"}").as_deref(), Some("3"));
    assert_eq!(sample("tern_queue_latency_seconds_count").as_deref(), Some("12"));
    assert_eq!(sample("tern_node_slots").as_deref(), Some("2"));
    let (refused, _) = machine.get("/v1/kpi?since=yesterday");
    assert!(refused.starts_with("http/1.1 400"), "{refused}");
}

/// This test cannot run here; `cargo xtask test` counts it as skipped.
fn skip(name: &str, reason: &str) {
    eprintln!("SKIP {name}: {reason}");
    if let Some(path) = std::env::var_os("TERN_SKIP_LOG") {
        let mut log = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        // One write: tests of one program run at the same time.
        log.write_all(format!("{name}\t{reason}\n").as_bytes()).unwrap();
    }
}
