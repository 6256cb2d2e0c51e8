//! How long one task, and one call, takes on a node that has nothing else to do.

use std::time::{Duration, Instant};

use super::command::Bench;
use super::http::Connection;
use super::loops::TASK;
use super::node::{Agent, find, mebibytes};
use super::pairs::{median, seconds};
use super::table::Rows;

const SAMPLES: usize = 500;
const CALLS: usize = 200;
/// Between two samples, so that each of them finds an idle node.
const PAUSE: Duration = Duration::from_millis(5);

/// From the request on an open connection to the line of the result.
pub fn warm(bench: &Bench, agent: &Agent, rows: &mut Rows) -> Result<(), String> {
    let mut connection = Connection::open(&agent.socket())?;
    let body = format!(r#"{{"argv":["{TASK}"],"cwd":"/","local_only":true,"environment":[["PATH","/usr/bin:/bin"]]}}"#);
    let mut taken = Vec::new();
    for _ in 0..SAMPLES / bench.size.divide {
        std::thread::sleep(PAUSE);
        let began = Instant::now();
        let (status, answer) = connection.request("POST", "/v1/jobs", &body, |_| {})?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let value: serde_json::Value = serde_json::from_str(&answer).map_err(|error| format!("{answer}: {error}"))?;
        let job = find(&value, "job").and_then(serde_json::Value::as_str);
        let job = job.ok_or_else(|| format!("POST /v1/jobs: {status} {answer}"))?;
        let mut first = None;
        let results = format!("/v1/jobs/{job}/results?follow=true");
        let (status, _) = connection.request("GET", &results, "", |piece| {
            if first.is_none() && !piece.is_empty() {
                first = Some(began.elapsed());
            }
        })?;
        let first = first.ok_or_else(|| format!("GET {results}: {status} without a line"))?;
        taken.push(first.as_secs_f64() * 1e3);
    }
    taken.sort_by(f64::total_cmp);
    rows.quantiles("idle submit to result, warm API", &taken, 2.0, Some(10.0));
    Ok(())
}

/// A whole `tern run true`, from the start of the client to its end.
pub fn whole_call(bench: &Bench, agent: &Agent, rows: &mut Rows) -> Result<(), String> {
    let mut taken = Vec::new();
    for _ in 0..CALLS / bench.size.divide {
        std::thread::sleep(PAUSE);
        taken.push(seconds(agent.command(&["run", TASK]))? * 1e3);
    }
    taken.sort_by(f64::total_cmp);
    rows.quantiles("idle submit to result, whole `tern run`", &taken, 8.0, None);
    Ok(())
}

/// A held array of a million tasks: the call, and what the agent grows by.
pub fn array(bench: &Bench, agent: &Agent, rows: &mut Rows) -> Result<(), String> {
    // The first small job makes the agent allocate what every job needs.
    seconds(agent.command(&["run", TASK]))?;
    let before = mebibytes(agent.pid, "VmRSS")?;
    let mut grown = 0.0;
    let mut taken = Vec::new();
    for call in 0..bench.size.pairs.max(5) {
        let arguments = ["submit", "--array", "1-1000000", "--hold", "--json", "--", TASK];
        taken.push(seconds(agent.command(&arguments))? * 1e3);
        if call == 0 {
            grown = mebibytes(agent.pid, "VmRSS")? - before;
        }
    }
    taken.sort_by(f64::total_cmp);
    let work = "submit an array of 1,000,000 with --hold (nothing starts), whole call, median";
    rows.at_most(work, median(&taken), 10.0, "ms");
    rows.at_most("growth of the agent by it", grown, 2.0, "MiB");
    Ok(())
}
