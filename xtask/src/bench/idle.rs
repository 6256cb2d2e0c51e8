//! What the node costs while it does nothing, what deciding costs, and how well a hog is found and held back.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::node::{Agent, cpu_seconds, find, mebibytes};
use super::table::Rows;
use crate::run::{capture, cargo};

/// Let it come to rest after its start.
const SETTLE: Duration = Duration::from_secs(5);
/// The kernel counts in hundredths of a second: over this time one of them is 0.03 % of a core.
const WATCHED: Duration = Duration::from_secs(30);
/// Per cent of one core that the hog is to be left.
const QUOTA: f64 = 50.0;

/// The core alone, with a disk and processes that take no time.
pub fn schedule(rows: &mut Rows) -> Result<(), String> {
    let text = capture(cargo(&["run", "--release", "--locked", "-p", "tern-core", "--example", "schedule"]))?;
    print!("{text}");
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = words.windows(2).find(|pair| pair[1].starts_with("ns")).and_then(|pair| pair[0].parse::<f64>().ok());
    let nanoseconds = number.ok_or_else(|| format!("the example `schedule` printed no `N ns`: {text}"))?;
    let work =
        "scheduling one task: the core's decisions alone, without a disk (HyperQueue's 560 µs go through its server)";
    rows.at_most(work, nanoseconds / 1e3, 10.0, "µs");
    Ok(())
}

/// Agent and warden with nothing to do.
pub fn quiet(agent: &Agent, rows: &mut Rows) -> Result<(), String> {
    std::thread::sleep(SETTLE);
    let used = || Ok::<f64, String>(cpu_seconds(agent.pid)? + cpu_seconds(agent.warden_pid)?);
    let (before, began) = (used()?, Instant::now());
    std::thread::sleep(WATCHED);
    let share = (used()? - before) / began.elapsed().as_secs_f64() * 100.0;
    let work = format!("agent and warden with nothing to do, of a core over {} s", WATCHED.as_secs());
    rows.at_most(&work, share, 0.2, "%");
    rows.at_most("RSS of that agent", mebibytes(agent.pid, "VmRSS")?, 40.0, "MiB");
    Ok(())
}

/// A process that takes a core: found, held back, let go.
pub fn burner(agent: &Agent, rows: &mut Rows) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(own).arg("burn").stdin(Stdio::null()).spawn().map_err(|error| error.to_string())?;
    let end = watch(agent, child.id(), rows);
    let _ = child.kill();
    let _ = child.wait();
    end
}

fn watch(agent: &Agent, pid: u32, rows: &mut Rows) -> Result<(), String> {
    let began = Instant::now();
    let mut score = 0.0;
    while score < 0.5 && began.elapsed() < Duration::from_secs(20) {
        score = score_of(&agent.json(&["scum", "--json"])?, pid).unwrap_or(0.0);
    }
    let seen = began.elapsed().as_secs_f64();
    rows.within("score of a process that burns one core", score, 0.6, 0.05, "");
    rows.at_most("time until it is scored so", seen, 2.0, "s");
    let free = share(pid, Duration::from_secs(3))?;
    let (name, percent) = (pid.to_string(), QUOTA.to_string());
    let answer = agent.json(&["throttle", &name, "--percent", &percent, "--json"])?;
    println!("{answer}");
    std::thread::sleep(Duration::from_secs(1));
    rows.within("its CPU, throttled to 50 %", share(pid, Duration::from_secs(5))?, QUOTA, QUOTA / 10.0, "%");
    agent.json(&["throttle", "release", &name, "--json"])?;
    let after = share(pid, Duration::from_secs(3))?;
    rows.within(&format!("its CPU after release (before: {free:.0} %)"), after, free, free / 10.0, "%");
    Ok(())
}

/// CPU of a process over a time, per cent of one core.
fn share(pid: u32, over: Duration) -> Result<f64, String> {
    let (before, began) = (cpu_seconds(pid)?, Instant::now());
    std::thread::sleep(over);
    Ok((cpu_seconds(pid)? - before) / began.elapsed().as_secs_f64() * 100.0)
}

/// The score beside this pid, wherever the list stands in the answer.
fn score_of(value: &serde_json::Value, pid: u32) -> Option<f64> {
    match value {
        serde_json::Value::Object(map) if map.get("pid").and_then(serde_json::Value::as_u64) == Some(pid.into()) => {
            find(value, "score")?.as_f64()
        }
        serde_json::Value::Object(map) => map.values().find_map(|inner| score_of(inner, pid)),
        serde_json::Value::Array(list) => list.iter().find_map(|inner| score_of(inner, pid)),
        _ => None,
    }
}
