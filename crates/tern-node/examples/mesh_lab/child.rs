//! One process: a node, and the client and server of everything that it is compared with.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tern_core::trust::Ticket;
use tern_node::files::{Copy, Files};
use tern_node::overlay::calls;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{bare, node};

/// How long the mesh may take until it knows a way.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a question.
const QUESTION: usize = 64;

/// Reads commands until its standard input ends.
pub fn run(words: &[String]) {
    let number = |at: usize| words[at].parse::<usize>().expect("a number");
    if std::env::var_os("LAB_LOG").is_some() {
        eprintln!("node {} is process {}", words[0], std::process::id());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let node = node::start(number(0), number(1), &PathBuf::from(&words[2])).await;
        say("ready");
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let words: Vec<&str> = line.split(' ').collect();
            match act(&node, &words).await {
                Ok(answer) => say(&format!("ok {answer}")),
                Err(why) => say(&format!("failed {why}")),
            }
        }
    });
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("somebody listens");
}

async fn act(node: &node::Node, words: &[&str]) -> Result<String, String> {
    let number = |at: usize| words[at].parse::<usize>().map_err(|error| error.to_string());
    let grid = node.overlay.grid();
    let text = |error: &dyn std::fmt::Display| error.to_string();
    match words[0] {
        "invite" => grid.invite(false, 600_000).await.map(|it| it.ticket.to_text()).map_err(|error| text(&error)),
        "join" => {
            let ticket: Ticket = Ticket::parse(words[1]).map_err(|error| error.to_string())?;
            grid.join(ticket, None).await.map(|joined| joined.name).map_err(|error| text(&error))
        }
        "reach" => reach(node, number(1)?).await,
        "ping" => {
            let rounds = grid.ping(&node::id(number(1)?), number(2)?, QUESTION).await;
            let rounds = rounds.map_err(|error| text(&error))?;
            Ok(p50(rounds.iter().map(|round| round.time).collect()))
        }
        "flood" => {
            let bytes = number(2)? as u64;
            let took = calls::flood(grid.peers(), &node::id(number(1)?), bytes).await;
            Ok(rate(bytes, took.map_err(|error| text(&error))?))
        }
        "copy" => {
            let bytes = std::fs::metadata(words[2]).map_err(|error| text(&error))?.len();
            let copy = Copy {
                from: Some(node::id(number(1)?)),
                sources: vec![words[2].into()],
                target: words[3].into(),
                ..Copy::default()
            };
            let (events, mut happened) = tokio::sync::mpsc::channel(64);
            tokio::spawn(async move { while happened.recv().await.is_some() {} });
            let began = Instant::now();
            Files::new(grid.clone()).copy(copy, &events).await.map_err(|error| text(&error))?;
            Ok(rate(bytes, began.elapsed()))
        }
        "dropped" => {
            let view = grid.view().await.map_err(|error| text(&error))?;
            Ok(format!("{} of {}", view.dropped, view.forwarded))
        }
        "make" => make(words[1], number(2)?),
        _ => other(words).await,
    }
}

async fn other(words: &[&str]) -> Result<String, String> {
    let number = |at: usize| words[at].parse::<usize>().map_err(|error| error.to_string());
    let address = || words[1].parse().map_err(|error| format!("{error}"));
    match words[0] {
        "tcp-listen" => Ok(bare::tcp_listen().await.to_string()),
        "tcp-ping" => Ok(p50(bare::tcp_ping(address()?, number(2)?).await)),
        "tcp-flood" => Ok(rate(number(2)? as u64, bare::tcp_flood(address()?, number(2)? as u64).await)),
        "bare-listen" => Ok(bare::bare_listen().await),
        "bare-ping" => Ok(p50(bare::bare_connect(words[1]).await.ping(number(2)?).await)),
        "bare-flood" => {
            let bytes = number(2)? as u64;
            Ok(rate(bytes, bare::bare_connect(words[1]).await.flood(bytes).await))
        }
        unknown => Err(format!("{unknown} is no command")),
    }
}

/// Waits until there is a way, and until it is direct where it should be.
async fn reach(node: &node::Node, to: usize) -> Result<String, String> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let reach = node.overlay.grid().reach(node::id(to)).await.map_err(|error| error.to_string())?;
        let hops = reach.path.len();
        if hops > 0 {
            let pinged = node.overlay.grid().ping(&node::id(to), 20, QUESTION).await;
            let direct = pinged.map_err(|error| error.to_string())?.last().is_some_and(|round| round.direct);
            if direct == (hops == 1) {
                eprintln!("node {to} is {hops} hop(s) away, after {:?}", began.elapsed());
                return Ok(hops.to_string());
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let view = node.overlay.grid().view().await.map_err(|error| error.to_string())?;
    let nodes: Vec<String> = view.nodes.iter().map(|it| format!("{} up={} {:?}", it.name, it.up, it.reach)).collect();
    Err(format!("no way to {to}: {nodes:?} {:?} refused {:?} notes {:?}", view.links, view.refused, view.notes))
}

fn p50(mut times: Vec<Duration>) -> String {
    times.sort();
    format!("{:.1}", times[times.len() / 2].as_secs_f64() * 1e6)
}

fn rate(bytes: u64, took: Duration) -> String {
    format!("{:.1}", bytes as f64 / took.as_secs_f64() / f64::from(1 << 20))
}

/// A file that does not compress.
fn make(path: &str, bytes: usize) -> Result<String, String> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut content = Vec::with_capacity(bytes);
    while content.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend_from_slice(&state.to_le_bytes());
    }
    content.truncate(bytes);
    std::fs::write(path, content).map(|()| bytes.to_string()).map_err(|error| error.to_string())
}
