//! A process with some nodes, which does what it is told on its standard input.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use tern_core::machine::mesh::Here;
use tern_core::trust::Ticket;
use tern_core::words::NodeId;
use tern_node::home::Home;
use tern_node::overlay::{OUTBOUND_MAX, Overlay, OverlayOptions};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;

pub const CHILD: &str = "nodes::child_that_holds_nodes";
/// Where the folders of all nodes lie.
pub const FOLDER: &str = "TERN_TEST_FOLDER_OF_NODES";
/// The first node of this process, and the one behind its last.
pub const NUMBERS: &str = "TERN_TEST_NUMBERS_OF_NODES";
/// Before every answer.
pub const MARK: &str = "@@ ";

struct Node {
    number: usize,
    overlay: Overlay,
    _outbound: mpsc::Sender<(NodeId, Vec<u8>)>,
}

impl Node {
    async fn start(number: usize, folder: &Path) -> Self {
        let home = Home::new(folder.join(number.to_string()));
        let (to_loop, inputs) = sync_channel(1024);
        std::thread::spawn(move || while inputs.recv().is_ok() {});
        let (outbound, frames) = mpsc::channel(OUTBOUND_MAX);
        let options = OverlayOptions::on_loopback(&home, &format!("n{number}")).expect("a grid");
        // Where zones are inferred they follow round trips, and those of a busy machine tremble.
        let here = Here { zone: "lab".to_owned(), ..options.here };
        let options = OverlayOptions { here, ..options };
        let overlay = Overlay::start(options, frames, to_loop).await.expect("it listens");
        Self { number, overlay, _outbound: outbound }
    }

    /// Members of which it believes that a second machine has their key.
    async fn disputes(&self) -> usize {
        let view = self.overlay.grid().view().await.expect("it answers");
        view.nodes.iter().filter(|node| node.disputed).count()
    }

    /// How many it lists as up, and a hash of all that it knows of everybody which does not change while nothing happens.
    async fn picture(&self) -> String {
        let view = self.overlay.grid().view().await.expect("it answers");
        // Who is there, what the newest adjacency says, what the newest profile says. Whose key it has seen twice is a node's own
        // sight and no part of it.
        let mut parts: [DefaultHasher; 3] = Default::default();
        view.grid.0.0.hash(&mut parts[0]);
        for node in &view.nodes {
            (node.node.0, &node.name, node.up).hash(&mut parts[0]);
            // They change with each start: the newest record is the one that counts.
            node.main_addresses.hash(&mut parts[1]);
            (&node.zone, node.facts.as_ref().map(|facts| facts.encode())).hash(&mut parts[2]);
        }
        let parts = parts.map(|part| format!("{:08x}", part.finish() as u32)).join("-");
        let (up, down): (Vec<_>, Vec<_>) = view.nodes.iter().partition(|node| node.up);
        let down: Vec<&str> = down.iter().map(|node| node.name.as_str()).collect();
        format!("{}:{parts}:{}-misses-{}", up.len(), self.number, down.join("+"))
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{MARK}{line}").and_then(|()| out.flush()).expect("somebody listens");
}

async fn act(nodes: &[Node], numbers: &Range<usize>, words: &[&str]) -> String {
    match words {
        ["invite", kind] => {
            let invited = nodes[0].overlay.grid().invite(*kind == "admin", 600_000).await;
            invited.expect("a ticket").ticket.to_text()
        }
        ["join", number, ticket] => {
            let node = &nodes[number.parse::<usize>().expect("a number") - numbers.start];
            let joined = node.overlay.grid().join(Ticket::parse(ticket).expect("a ticket"), None).await;
            joined.expect("it is let in").name
        }
        ["pictures"] => {
            let mut pictures = Vec::new();
            for node in nodes {
                pictures.push(node.picture().await);
            }
            pictures.join(" ")
        }
        ["disputes"] => {
            let mut disputes = 0;
            for node in nodes {
                disputes += node.disputes().await;
            }
            disputes.to_string()
        }
        _ => panic!("{words:?} is no command"),
    }
}

#[test]
#[ignore = "the child of another test"]
fn child_that_holds_nodes() {
    let (Ok(folder), Ok(numbers)) = (std::env::var(FOLDER), std::env::var(NUMBERS)) else { return };
    let (from, to) = numbers.split_once(' ').expect("two numbers");
    let numbers = from.parse().expect("a number")..to.parse().expect("a number");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut nodes = Vec::new();
        for number in numbers.clone() {
            nodes.push(Node::start(number, Path::new(&folder)).await);
        }
        say("ready");
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            say(&act(&nodes, &numbers, &line.split(' ').collect::<Vec<_>>()).await);
        }
    });
}
