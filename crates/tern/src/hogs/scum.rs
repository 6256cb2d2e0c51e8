//! `tern scum`: the processes that take most of this machine, with their score, band, and whether one may act on them.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use tern_core::decide::scum::matrix::{Action, action};
use tern_core::decide::scum::{ProcTrit, Protected, ScumSettings};
use tern_core::observe::NodeTrit;
use tern_node::config::ScumConfig;
use tern_node::sense::hogs::{self, Judged};
use tern_node::sense::{ProcessSample, sample_processes};

use super::Trouble;
use super::escape::plain;

/// The words after `tern scum`.
#[derive(Clone, Debug, clap::Args)]
pub struct ScumArgs {
    /// Also those that are quiet
    #[arg(long)]
    pub all: bool,
    /// Measure for so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(200..=60_000))]
    pub interval: u64,
    /// Show at most so many, the highest scores first
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub top: u16,
}

/// One process, judged.
#[derive(Clone, Debug)]
pub struct Row {
    pub sample: ProcessSample,
    pub user: String,
    pub score: f64,
    pub band: ProcTrit,
    pub protected: Option<Protected>,
}

/// Where the processes run: it decides what is to be done with them.
#[derive(Clone, Debug, Default)]
pub struct Where {
    pub node: NodeTrit,
    /// The name of an idle node that could take one.
    pub taker: Option<String>,
}

impl Where {
    /// What the matrix says of a process. Nothing is done by saying it.
    fn action(&self, row: &Row) -> Action {
        if row.protected.is_some() { Action::Nothing } else { action(row.band, self.node, self.taker.is_some()) }
    }

    fn line(&self) -> String {
        let then = match (self.node, &self.taker) {
            (NodeTrit::Overloaded, Some(taker)) => format!("hogs belong on an idle node: {taker} is one"),
            (NodeTrit::Overloaded, None) => "no node is idle: hogs belong held back".to_owned(),
            (NodeTrit::Balanced, _) => "hogs belong held back".to_owned(),
            (NodeTrit::Idle, _) => "it can bear its hogs".to_owned(),
        };
        format!("this machine is {}: {then}", self.node)
    }
}

/// Measures, judges and prints.
pub fn run(
    args: &ScumArgs,
    config: &ScumConfig,
    at: &Where,
    json: bool,
    out: &mut impl Write,
) -> Result<ExitCode, Trouble> {
    let samples = sample_processes(Duration::from_millis(args.interval))?;
    let listed: Vec<&str> = config.protected.iter().map(String::as_str).collect();
    let looked_at = samples.len();
    let rows: Vec<Row> = judge(samples, &config.settings(), &listed)
        .into_iter()
        .filter(|row| args.all || row.band > ProcTrit::Quiet)
        .take(args.top.into())
        .collect();
    if json {
        print_json(&rows, at, out)?;
    } else {
        print_table(&rows, looked_at, at, out)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Scores processes, the highest first. `listed` names processes that are off limits beside the usual ones.
pub fn judge(samples: Vec<ProcessSample>, settings: &ScumSettings, listed: &[&str]) -> Vec<Row> {
    let mut names = BTreeMap::new();
    let judged = hogs::judge(samples, settings, listed).into_iter().map(|Judged { sample, score, band, protected }| {
        let user = names.entry(sample.uid).or_insert_with(|| user_name(sample.uid)).clone();
        Row { sample, user, score, band, protected }
    });
    judged.collect()
}

fn user_name(uid: u32) -> String {
    let known = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok().flatten();
    known.map_or_else(|| uid.to_string(), |user| user.name)
}

fn print_json(rows: &[Row], at: &Where, out: &mut impl Write) -> Result<(), Trouble> {
    let values: Vec<_> = rows
        .iter()
        .map(|row| {
            let sign: i8 = match row.band {
                ProcTrit::Quiet => -1,
                ProcTrit::Watch => 0,
                ProcTrit::Hog => 1,
            };
            serde_json::json!({
                "pid": row.sample.pid,
                "start_time": row.sample.start_time,
                "uid": row.sample.uid,
                "user": row.user,
                "name": row.sample.name,
                "command": row.sample.command,
                "cpu_percent": row.sample.cpu_percent,
                "memory_percent": row.sample.memory_percent,
                "rss_kib": row.sample.rss_kib,
                "age_s": row.sample.age.as_secs(),
                "score": row.score,
                "trit": sign,
                "band": row.band,
                "protected": row.protected,
                "action": at.action(row),
            })
        })
        .collect();
    serde_json::to_writer(&mut *out, &values)?;
    Ok(writeln!(out)?)
}

fn print_table(rows: &[Row], looked_at: usize, at: &Where, out: &mut impl Write) -> Result<(), Trouble> {
    if rows.is_empty() {
        return Ok(writeln!(out, "no hogs among {looked_at} processes (--all shows the quiet ones)")?);
    }
    writeln!(out, "{}", at.line())?;
    let header = ["PID", "USER", "CPU %", "MEM %", "AGE", "SCORE", "BAND", "ACTION", "PROTECTED", "COMMAND"];
    let [pid, user, cpu, memory, age, score, band, action, protected, command] = header;
    write!(out, "{pid:>8} {user:<10} {cpu:>6} {memory:>6} {age:>6} {score:>6}  {band:<9} {action:<8} ")?;
    writeln!(out, "{protected:<20} {command}")?;
    for row in rows {
        let sample = &row.sample;
        let memory = sample.memory_percent.map_or("-".into(), |share| format!("{share:.1}"));
        let protected = row.protected.map_or("no", protected_word);
        let command = if sample.command.is_empty() { format!("[{}]", sample.name) } else { sample.command.clone() };
        writeln!(
            out,
            "{:>8} {:<10} {:>6.1} {memory:>6} {:>6} {:>6.3}  {:<9} {:<8} {protected:<20} {}",
            sample.pid,
            plain(&row.user, 10),
            sample.cpu_percent,
            age_word(sample.age),
            row.score,
            row.band,
            action_word(at.action(row)),
            plain(&command, 60),
        )?;
    }
    Ok(())
}

const fn action_word(action: Action) -> &'static str {
    match action {
        Action::Migrate => "migrate",
        Action::Throttle => "throttle",
        Action::Allow => "allow",
        Action::Nothing => "-",
    }
}

const fn protected_word(why: Protected) -> &'static str {
    match why {
        Protected::Init => "process 1",
        Protected::KernelThread => "kernel thread",
        Protected::Own => "tern or its parents",
        Protected::OtherUser => "another user's",
        Protected::Listed => "needed by the system",
        Protected::Settings => "by scum.protected",
    }
}

fn age_word(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
