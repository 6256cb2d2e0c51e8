//! Several agents on loopback make a grid, by the commands that people use.

#[expect(dead_code, reason = "other tests need more of it")]
mod grid;
#[path = "grid/member.rs"]
mod member;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use grid::Out;
use member::Machine;
use serde_json::Value;

impl Machine {
    fn new(name: &str) -> Self {
        Self::with(name, "slots = 1\n", "")
    }

    fn up(name: &str) -> Self {
        Self::new(name).begun()
    }

    fn ticket(&self, words: &[&str]) -> String {
        let words: Vec<&str> = ["invite"].iter().chain(words).copied().collect();
        self.json(&words)["ticket"].as_str().unwrap().to_owned()
    }

    /// Names of members that are up, in order.
    fn sees(&self) -> Vec<String> {
        let members = self.json(&["members"]);
        let up = members["members"].as_array().unwrap().iter().filter(|member| member["up"] == true);
        let mut names: Vec<String> = up.map(|member| member["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    fn until_sees(&self, names: &[&str]) {
        self.0.until(|| self.sees() == names);
    }
}

/// The code, and that the sentence is said.
fn refused(out: &Out, code: i32, sentence: &str) {
    assert!(out.code == code && out.stderr.contains(sentence), "wanted {code} and {sentence:?}: {out:?}");
}

#[test]
fn a_first_start_founds_a_grid_and_says_where_its_recovery_key_lies() {
    let a = Machine::new("a");
    let said = a.good(&["up", "--detach"]);
    let grid = a.json(&["members"])["grid"].as_str().unwrap().to_owned();
    assert!(said.contains(&format!("founded grid {grid}, in which this node is a")), "{said}");
    let key = a.0.path().join("grid/recovery");
    assert!(said.contains(key.to_str().unwrap()) && key.exists(), "{said}");
    a.good(&["down"]);
    let again = a.good(&["up", "--detach"]);
    assert!(!again.contains("founded"), "{again}");
    assert_eq!(a.json(&["members"])["grid"], grid.as_str());
}

#[test]
fn three_machines_make_a_grid_and_agree_on_who_is_in_it() {
    let [a, b, c] = [Machine::up("a"), Machine::new("b"), Machine::new("c")];
    // No agent runs on b and c: joining starts one. One reads its ticket where no list of processes shows it.
    a.admit(&b);
    let mut join = c.command(&["join", "-", "--name", "attic"]).stdin(Stdio::piped()).spawn().unwrap();
    writeln!(join.stdin.take().unwrap(), "{}", a.ticket(&["--admin"]).to_lowercase()).unwrap();
    assert!(join.wait().unwrap().success());
    for machine in [&a, &b, &c] {
        machine.until_sees(&["a", "attic", "b"]);
    }
    let keys = |machine: &Machine| -> Vec<Value> {
        let members = machine.json(&["members"]);
        members["members"].as_array().unwrap().iter().map(|it| it["key"].clone()).collect()
    };
    assert_eq!(keys(&a), keys(&b));
    assert_eq!(keys(&a), keys(&c));
    let may = |machine: &Machine| machine.json(&["members"])["admin"] == true;
    assert_eq!([may(&a), may(&b), may(&c)], [true, false, true]);
    refused(&b.run(&["invite"]), 77, "this machine is no admin of its grid");
    // Facts travel at once, vitals within seconds.
    a.0.until(|| a.json(&["status", "attic"])["vitals"]["slots"] == 1);
    let node = a.json(&["status", "attic"]);
    assert_eq!(node["facts"]["arch"], std::env::consts::ARCH);
    // Nobody said where it stands: nowhere, or near the others.
    let zone = node["zone"].as_str().unwrap();
    assert!(zone.is_empty() || zone.starts_with("near-"), "{zone}");
    let key = node["key"].as_str().unwrap();
    for name in [key, &key[..8]] {
        assert_eq!(a.json(&["status", name])["name"], "attic", "{name}");
    }
    let table = a.good(&["status"]);
    let row = table.lines().find(|line| line.starts_with("attic")).unwrap();
    assert!(row.contains("+1 direct"), "{table}");
    // What rotates is the key of the admin, not the grid.
    c.good(&["rotate"]);
    c.0.until(|| c.json(&["members"])["admin"] == true);
}

#[test]
fn when_the_only_admin_is_lost_the_recovery_key_makes_another_one_and_sends_it_away() {
    let [a, b, c, d] = [Machine::up("a"), Machine::up("b"), Machine::up("c"), Machine::up("d")];
    a.admit(&b);
    a.admit(&c);
    b.0.until(|| b.sees() == ["a", "b", "c"]);
    refused(&b.run(&["invite"]), 77, "no admin");
    let key = a.0.path().join("grid/recovery");
    let key = key.to_str().unwrap();
    refused(&b.run(&["recover", b.0.path().join("config.toml").to_str().unwrap()]), 64, "no recovery key");
    a.good(&["down"]);
    b.good(&["recover", key, "--lost", "a"]);
    // Whom the lost one had let in stays; the lost one does not come back.
    b.admit(&d);
    for machine in [&b, &c, &d] {
        machine.0.until(|| machine.sees() == ["b", "c", "d"]);
    }
    a.good(&["up", "--detach"]);
    refused(&d.run(&["join", &a.ticket(&[])]), 65, "`tern leave` first");
    assert_eq!(a.sees(), ["a"]);
}

#[test]
fn a_ticket_that_is_used_expired_mistyped_or_of_no_machine_here_is_refused_with_its_sentence() {
    let [a, b, c] = [Machine::up("a"), Machine::up("b"), Machine::up("c")];
    let short = a.json(&["invite", "--for", "1s"]);
    let (short, expires_ms) = (short["ticket"].as_str().unwrap(), short["expires"].as_u64().unwrap());
    let used = a.ticket(&[]);
    b.good(&["join", &used]);
    refused(&c.run(&["join", &used]), 77, "the ticket was used by another machine");
    refused(&b.run(&["join", &a.ticket(&[])]), 65, "`tern leave` first");
    refused(&c.run(&["join", &c.ticket(&[])]), 65, "this machine made the ticket itself");
    c.0.until(|| tern_node::clock::now().wall_ms > expires_ms);
    refused(&c.run(&["join", short]), 77, "the ticket has expired");
    let good = a.ticket(&[]);
    let (head, last) = good.split_at(good.len() - 1);
    let wrong = if last == "A" { "B" } else { "A" };
    refused(&c.run(&["join", &format!("{head}{wrong}")]), 65, "mistyped");
    refused(&c.run(&["join", head]), 65, "the end of the ticket is missing");
    refused(&c.run(&["join", "hello"]), 65, "this is no ticket");
    a.good(&["down"]);
    refused(&c.run(&["join", &good]), 69, "cannot be reached");
    let json = c.run(&["join", "hello", "--json"]);
    assert!(json.stderr.starts_with(r#"{"error":{"kind":"bad_ticket""#), "{json:?}");
    assert_eq!(c.sees(), ["c"], "nothing was changed");
    assert!(!std::fs::read_to_string(a.0.path().join("agent.log")).unwrap().to_uppercase().contains("TERN1"));
}

#[test]
fn a_machine_that_is_removed_is_cut_off_and_says_so_itself() {
    let [a, b, c] = [Machine::up("a"), Machine::new("b"), Machine::new("c")];
    a.admit(&b);
    a.admit(&c);
    c.until_sees(&["a", "b", "c"]);
    refused(&b.run(&["remove", "c"]), 77, "no admin");
    refused(&a.run(&["remove", "nobody"]), 68, "no member is called");
    refused(&a.run(&["remove", "a"]), 65, "let it leave");
    a.good(&["remove", "c"]);
    for machine in [&a, &b] {
        machine.until_sees(&["a", "b"]);
    }
    c.0.until(|| c.json(&["status"])["grid"]["notes"].to_string().contains("removed from its grid"));
    assert!(c.run(&["ping", "a", "-c", "1"]).code != 0);
    refused(&c.run(&["leave"]), 64, "--yes");
    c.good(&["leave", "--yes"]);
    c.until_sees(&["c"]);
    // Its key does not come back.
    refused(&c.run(&["join", &a.ticket(&[])]), 77, "removed from the grid");
}

#[test]
fn a_machine_that_leaves_is_alone_under_its_name_and_may_come_back() {
    let [a, b] = [Machine::up("a"), Machine::new("b")];
    a.admit(&b);
    a.until_sees(&["a", "b"]);
    b.good(&["leave", "--yes"]);
    a.until_sees(&["a"]);
    assert_eq!(b.sees(), ["b"]);
    assert_ne!(a.json(&["members"])["grid"], b.json(&["members"])["grid"]);
    a.admit(&b);
    a.until_sees(&["a", "b"]);
}

#[test]
fn ping_path_and_netcheck_tell_the_way() {
    let [a, b] = [Machine::up("a"), Machine::new("b")];
    a.admit(&b);
    a.until_sees(&["a", "b"]);
    let pinged = a.json(&["ping", "b", "-c", "3", "-s", "1000"]);
    assert_eq!(pinged["rounds"].as_array().unwrap().len(), 3, "{pinged}");
    assert!(pinged["min_us"].as_u64() <= pinged["max_us"].as_u64());
    assert!(a.good(&["ping", "b", "-c", "1"]).contains("1 round trips: min"));
    let path = a.json(&["path", "b"]);
    assert_eq!((&path["hops"][0]["name"], &path["link"]["trit"]), (&Value::from("b"), &Value::from(1)), "{path}");
    let netcheck = a.json(&["netcheck"]);
    assert_eq!(netcheck["links"][0]["name"], "b", "{netcheck}");
    assert!(netcheck["link_addresses"][0].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!((&netcheck["mdns"], &netcheck["port_mapping"]), (&Value::from(false), &Value::from(false)));
    refused(&a.run(&["ping", "nobody"]), 68, "no member is called");
    b.good(&["down"]);
    a.0.until(|| a.run(&["path", "b"]).code == 69);
    let lost = a.json(&["netcheck"]);
    assert_eq!(lost["without_a_way"][0]["name"], "b", "{lost}");
}

#[test]
fn nodes_that_say_where_they_stand_make_zones_that_are_shown_like_nodes() {
    let zoned = |name: &str, zone: &str| {
        let machine = Machine::new(name);
        let out = machine.command(&["up", "--detach"]).env("TERN_MESH__ZONE", zone).output().unwrap();
        assert!(out.status.success(), "{out:?}");
        machine
    };
    let [a, b] = [zoned("a", "home"), zoned("b", "home/attic")];
    a.admit(&b);
    a.until_sees(&["a", "b"]);
    // Facts travel at once, vitals within seconds.
    a.0.until(|| {
        let home = a.json(&["status", "home"]);
        home["up"] == 2 && home["vitals"]["slots"] == 2
    });
    let zones = a.json(&["zones"]);
    let names: Vec<_> = zones["zones"].as_array().unwrap().iter().map(|zone| zone["zone"].as_str().unwrap()).collect();
    assert_eq!(names, ["home", "home/attic"], "{zones}");
    assert_eq!(zones["zones"][0]["inner"], serde_json::json!(["home/attic"]), "{zones}");
    let attic = a.json(&["status", "home/attic"]);
    assert_eq!(
        (&attic["up"], &attic["here"], &attic["link"]["trit"]),
        (&1.into(), &false.into(), &1.into()),
        "{attic}"
    );
    let node = a.json(&["status", "b"]);
    assert_eq!((&node["name"], &node["zone"]), (&"b".into(), &"home/attic".into()), "a node comes before a zone");
    let table = a.good(&["zones"]);
    assert!(table.lines().any(|line| line.starts_with("home/attic  1 ") && line.ends_with("+1 direct")), "{table}");
    let shown = a.good(&["status", "home"]);
    assert!(shown.starts_with("zone home  2 nodes up  here\n") && shown.contains("\nb  "), "{shown}");
    let unknown = a.run(&["status", "cellar"]);
    refused(&unknown, 68, "no member and no zone is called \"cellar\"");
    refused(&unknown, 68, "a, b. Zones (`tern zones`): home, home/attic");
}

/// Answers one HTTP request after the other with `body`, on a port of loopback.
fn web(body: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let mut lines = BufReader::new(&client).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let _gone = write!(&client, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    port
}

fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_forwarded_port_carries_an_http_request_and_closes_with_its_command() {
    let [a, b] = [Machine::up("a"), Machine::new("b")];
    a.admit(&b);
    a.until_sees(&["a", "b"]);
    let place = format!("b:{}", web("hello from b"));
    let forward = a.json(&["forward", "--detach", "0", &place]);
    let local = forward["local"].as_str().unwrap();
    assert!(get(local).ends_with("hello from b"));
    assert_eq!(a.json(&["forward", "--list"])[0]["local"], local);
    a.good(&["forward", "--close", local]);
    refused(&a.run(&["forward", "--close", local]), 66, "nothing is forwarded");
    refused(&a.run(&["forward", local, "nobody:80"]), 68, "no member is called");
    refused(&a.run(&["forward", "b"]), 64, "NODE:PORT");

    let mut here = a.command(&["forward", "0", &place, "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(here.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let local = serde_json::from_str::<Value>(&line).unwrap()["local"].as_str().unwrap().to_owned();
    assert!(get(&local).ends_with("hello from b"));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(here.id().cast_signed()), nix::sys::signal::Signal::SIGINT)
        .unwrap();
    assert_eq!(here.wait().unwrap().code(), Some(0));
    assert_eq!(a.json(&["forward", "--list"]).as_array().map(Vec::len), Some(0));
}

#[test]
fn without_a_grid_its_commands_say_why_and_status_goes_on() {
    let a = Machine::new("a");
    refused(&a.run(&["members"]), 69, "no agent runs");
    a.0.up();
    refused(&a.run(&["members"]), 69, "`mesh.enabled` is false");
    refused(&a.run(&["invite"]), 69, "`mesh.enabled` is false");
    assert_eq!(a.json(&["status"])["grid"], Value::Null);
    refused(&a.run(&["top"]), 64, "this is no terminal");
    assert!(a.good(&["top", "--once"]).contains("in no grid"));
}

#[test]
fn top_prints_one_frame_and_invite_a_picture_where_they_are_asked() {
    let a = Machine::up("a");
    let frame = a.good(&["top", "--once"]);
    assert!(frame.contains("1 of 1 nodes up") && frame.lines().any(|line| line.starts_with("a ")), "{frame}");
    assert!(!a.good(&["invite"]).contains('█'));
    let picture = a.good(&["invite", "--qr"]);
    assert!(picture.contains('█') && picture.trim_end().lines().next_back().unwrap().starts_with("TERN1"), "{picture}");
    refused(&a.run(&["invite", "--for", "8d"]), 64, "a ticket is good for");
}

/// A member drains another one and itself; what waits goes to the other, and a restart undoes nothing.
#[test]
fn a_drained_node_starts_nothing_and_gives_its_work_to_the_other() {
    let [a, b] = [Machine::up("a"), Machine::new("b")];
    a.admit(&b);
    a.until_sees(&["a", "b"]);
    let drained = a.json(&["drain", "b"]);
    assert_eq!((&drained["name"], &drained["draining"]), (&Value::from("b"), &Value::from(true)));
    b.good(&["down"]);
    b.good(&["up", "--detach"]);
    assert_eq!(b.json(&["status"])["draining"], true, "it outlives the agent");
    a.until_sees(&["a", "b"]);
    let submit = |machine: &Machine, words: &[&str]| {
        let words: Vec<&str> = ["submit", "--json"].iter().chain(words).copied().collect();
        let out = machine.good(&words);
        serde_json::from_str::<Value>(&out).unwrap()["job"].as_str().unwrap().to_owned()
    };
    // What is submitted there runs elsewhere, or is refused where it may not.
    let job = submit(&b, &["--share", "--array", "1-6", "--", "true"]);
    b.good(&["wait", &job]);
    let here = a.json(&["status"])["node"].as_str().unwrap().to_owned();
    let results = b.json(&["job", "--tasks", &job])["results"].clone();
    assert!(results.as_array().unwrap().iter().all(|result| result["node"] == here.as_str()), "{results}");
    refused(&b.run(&["submit", "--", "true"]), 75, "the job may run nowhere else");
    let waits = submit(&a, &["--share", "--array", "1-60", "--", "sleep", "1"]);
    // Who may not run it is named with the reason.
    let explained = a.json(&["explain", &format!("{waits}/40")]);
    let other = explained["nodes"].as_array().unwrap().iter().find(|node| node["name"] == "b").unwrap();
    assert!(other["refused"].as_str().is_some_and(|why| why.contains("drained")), "{explained}");
    assert_eq!(explained["task"]["number"], 40);
    assert_eq!(explained["nodes"].as_array().map(Vec::len), Some(2));
    refused(&a.run(&["explain", &format!("{waits}/61")]), 66, "has no task 61");
    refused(&a.run(&["drain", "nobody"]), 68, "no member is called");
    // It returns, and has work within moments.
    assert_eq!(a.json(&["undrain", "b"])["draining"], false);
    let lent = || {
        let flow = a.json(&["top"])["flow"]["flows"].clone();
        flow.as_array().unwrap().iter().any(|row| row["from"] == "a" && row["to"] == "b")
    };
    a.0.until(lent);
    a.good(&["cancel", &waits]);
    let wait = b.json(&["drain", "--wait"]);
    assert_eq!((&wait["running"], &wait["draining"]), (&Value::from(0), &Value::from(true)));
    b.good(&["undrain"]);
}

#[test]
fn a_benchmark_measures_the_grid_and_leaves_nothing() {
    let [a, b] = [Machine::up("a"), Machine::new("b")];
    a.admit(&b);
    a.until_sees(&["a", "b"]);
    a.0.until(|| a.json(&["status", "b"])["vitals"]["slots"] == 1);
    let measured = a.json(&["benchmark", "--tasks", "200", "--seconds", "1"]);
    let batches = measured["batches"].as_array().unwrap();
    assert_eq!(batches[0]["tasks"], 200);
    for batch in batches {
        assert_eq!(batch["failed"], 0, "{measured}");
        let count: u64 = batch["shares"].as_array().unwrap().iter().map(|share| share["tasks"].as_u64().unwrap()).sum();
        assert_eq!(count, batch["tasks"].as_u64().unwrap());
        let jain = batch["jain"].as_f64().unwrap();
        assert!((0.5..=1.0).contains(&jain) && batch["over_lower_bound"].as_f64().unwrap() >= 0.99, "{measured}");
    }
    assert_eq!(a.json(&["jobs"]).as_array().map(Vec::len), Some(0));
    refused(&a.run(&["benchmark", "--tasks", "0"]), 64, "0");
}

/// Rewrites the lines that a node posted, as nobody should.
fn forge(machine: &Machine, change: impl FnOnce(&mut Vec<String>)) {
    machine.good(&["down", "--now"]);
    let path = machine.0.path().join("ledger");
    let mut lines: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    change(&mut lines);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    machine.good(&["up", "--detach"]);
}

#[test]
fn each_transfer_is_posted_by_both_sides_and_the_audit_names_what_was_tampered_with() {
    let [a, b] = [Machine::up("a"), Machine::new("b")];
    a.admit(&b);
    a.until_sees(&["a", "b"]);
    assert!(a.good(&["ledger"]).contains("no task has changed its node yet"));
    for _ in 0..3 {
        a.good(&["run", "--on", "b", "--", "true"]);
    }
    let posted = || {
        let shown = a.json(&["ledger"]);
        let both = |it: &Value| it["posted"] == "both" && it["sender"] == "a" && it["receiver"] == "b";
        assert_eq!(shown["findings"], Value::Array(Vec::new()), "{shown}");
        shown["transfers"].as_array().unwrap().iter().filter(|it| both(it)).count() >= 3
    };
    a.0.until(posted);
    a.0.until(|| a.json(&["ledger"])["books"].as_array().unwrap().iter().any(|book| book["committed"] == 3));
    assert!(a.good(&["ledger", "audit"]).contains("all of it adds up"));

    forge(&b, |lines| {
        let halves: Vec<usize> = (0..lines.len()).filter(|line| lines[*line].contains("\"half\"")).collect();
        // Three times more would not be seen in the sum.
        let again = lines[halves[1]].clone();
        lines.splice(halves[0]..=halves[0], [again.clone(), again.clone(), again]);
    });
    a.until_sees(&["a", "b"]);
    // A half that is only seconds late is on its way.
    a.0.until(|| a.run(&["ledger", "audit"]).stdout.contains("lost"));
    let audit = a.run(&["ledger", "audit"]);
    assert_eq!(audit.code, 1);
    for says in ["lost: transfer", "b has not posted its half", "repeated: transfer", "b posted its half more"] {
        assert!(audit.stdout.contains(says), "{says}: {audit:?}");
    }
    assert_eq!(a.json(&["ledger"])["sound"], false);
}

#[test]
fn the_balance_of_the_grid_is_shown_with_its_rule_and_its_plan() {
    let [a, b] = [Machine::up("a"), Machine::new("b")];
    a.admit(&b);
    a.until_sees(&["a", "b"]);
    a.0.until(|| a.json(&["balance"])["nodes"].as_array().unwrap().iter().all(|node| node["reached"] == true));
    let shown = a.json(&["mesh-balance"]);
    let count = |name: &str| shown[name].as_i64().unwrap();
    assert_eq!(count("plus") + count("zero") + count("minus"), 2, "{shown}");
    assert_eq!(count("sum"), count("plus") - count("minus"));
    assert_eq!((count("sum") + count("parity")).rem_euclid(3), 0);
    assert!(a.good(&["mesh-balance"]).contains("modulo 3"));
    assert!(a.good(&["balance"]).contains("nothing is required"));
    let minus = a.run(&["find-minus", "--json"]);
    let named = serde_json::from_str::<Value>(&minus.stdout).unwrap().as_array().unwrap().len();
    assert_eq!((minus.code, named as i64), (i32::from(count("minus") == 0), count("minus")), "{shown}");
    b.good(&["down", "--now"]);
    a.0.until(|| a.good(&["mesh-balance"]).contains("unreachable"));
}
