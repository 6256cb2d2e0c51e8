//! A laboratory for the mesh: real nodes in processes of their own on one machine, measured beside a bare iroh stream and raw TCP.
//!
//! `mesh_lab [--pairs N] [--mib N] [--calls N] [--nodes N]` makes a chain in which each node knows only its neighbours, measures
//! in interleaved rounds, and prints one JSON object a figure.

mod bare;
mod child;
mod node;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What to measure, and how often.
struct Plan {
    pairs: usize,
    mib: u64,
    calls: usize,
    nodes: usize,
    only: Option<String>,
}

/// A process of the laboratory; it does one thing at a time.
struct Worker {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Worker {
    fn start(index: usize, nodes: usize, home: &std::path::Path) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        command.arg("node").args([index.to_string(), nodes.to_string()]).arg(home);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let (to, from) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut worker = Self { child, to, from: BufReader::new(from) };
        assert_eq!(worker.hear(), "ready");
        worker
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("the process answers");
        line.trim_end().to_owned()
    }

    /// Sends a command and returns its answer.
    fn ask(&mut self, command: &str) -> String {
        writeln!(self.to, "{command}").expect("the process listens");
        let answer = self.hear();
        match answer.split_once(' ') {
            Some(("ok", rest)) => rest.to_owned(),
            _ => panic!("{command}: {answer:?}"),
        }
    }

    fn number(&mut self, command: &str) -> f64 {
        self.ask(command).parse().expect("a number")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "node") {
        return child::run(&words[1..]);
    }
    let value = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let number = |name: &str, otherwise: u64| value(name).and_then(|it| it.parse().ok()).unwrap_or(otherwise);
    measure(&Plan {
        pairs: number("--pairs", 5) as usize,
        mib: number("--mib", 256),
        calls: number("--calls", 2000) as usize,
        nodes: number("--nodes", 4) as usize,
        only: value("--only").cloned(),
    });
}

fn measure(plan: &Plan) {
    let folder = std::env::temp_dir().join(format!("mesh-lab-{}", std::process::id()));
    let mut workers: Vec<Worker> = (0..plan.nodes)
        .map(|index| {
            let home = folder.join(index.to_string());
            std::fs::create_dir_all(&home).expect("a folder");
            Worker::start(index, plan.nodes, &home)
        })
        .collect();
    for index in 1..plan.nodes {
        let ticket = workers[0].ask("invite");
        workers[index].ask(&format!("join {ticket}"));
    }
    let last = plan.nodes - 1;
    workers[0].ask(&format!("reach {last}"));
    workers[0].ask("reach 1");
    let mut figures: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let tcp = workers[1].ask("tcp-listen");
    let bare = workers[1].ask("bare-listen");
    let source = folder.join("source");
    let bytes = plan.mib << 20;
    workers[0].ask(&format!("make {} {bytes}", source.display()));
    for round in 0..plan.pairs {
        let calls = plan.calls;
        let mut list = vec![
            ("rpc_tcp_us", 0, format!("tcp-ping {tcp} {calls}")),
            ("rpc_bare_us", 0, format!("bare-ping {bare} {calls}")),
            ("rpc_direct_us", 0, format!("ping 1 {calls}")),
            ("rpc_chain_us", 0, format!("ping {last} {calls}")),
            ("bulk_tcp_mib_s", 0, format!("tcp-flood {tcp} {bytes}")),
            ("bulk_bare_mib_s", 0, format!("bare-flood {bare} {bytes}")),
            ("bulk_direct_mib_s", 0, format!("flood 1 {bytes}")),
            ("bulk_chain_mib_s", 0, format!("flood {last} {bytes}")),
        ];
        for (name, to) in [("blob_direct_mib_s", 1), ("blob_chain_mib_s", last)] {
            let target = folder.join(format!("copy-{to}-{round}"));
            list.push((name, to, format!("copy 0 {} {}", source.display(), target.display())));
        }
        for (name, who, command) in list {
            if plan.only.as_ref().is_none_or(|only| only.split(',').any(|one| name.contains(one))) {
                let value = workers[who].number(&command);
                figures.entry(name.to_owned()).or_default().push(value);
            }
        }
        for to in [1, last] {
            let _gone = std::fs::remove_file(folder.join(format!("copy-{to}-{round}")));
        }
    }
    print(figures);
    for (index, worker) in workers.iter_mut().enumerate() {
        eprintln!("node {index} dropped {} forwarded packets", worker.ask("dropped"));
    }
    drop(workers);
    let _gone = std::fs::remove_dir_all(&folder);
}

fn print(figures: BTreeMap<String, Vec<f64>>) {
    for (name, values) in figures {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[sorted.len() / 2];
        println!("{}", serde_json::json!({"figure": name, "median": median, "values": values}));
    }
}
