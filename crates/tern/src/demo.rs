//! `tern demo`: three nodes on this machine, one of them flooded, its work flowing to the idle ones.
//!
//! Each node is a real agent with its own state folder and key; they are connected over encrypted QUIC on loopback and
//! admit nobody but each other. The batch is real work: SHA-256 sums of this very program. With `--kill` one of the idle
//! nodes is killed in the middle, and nothing is lost.

mod grid;
mod nodes;
mod table;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tern_node::control::api::{SubmitRequest, TaskResult};
use tern_node::control::door::{DoorError, Results};
use tokio::signal::unix::{SignalKind, signal};

use grid::Grid;
use nodes::Trio;
use table::Table;

/// How often the table is drawn.
const REDRAW: Duration = Duration::from_millis(250);
/// After the last task.
const SETTLES: Duration = Duration::from_millis(1_500);
/// The books follow within this: both sides and the broker wait for more to tell.
const BOOKS_SETTLE: Duration = Duration::from_secs(8);
/// A demo that takes longer has failed, and says so.
const PATIENCE: Duration = Duration::from_secs(180);

/// Three nodes on this machine share one node's flood of work.
#[derive(clap::Args, Debug)]
pub struct DemoArgs {
    /// Tasks in the flood.
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u32).range(1..))]
    tasks: u32,
    /// Kill one of the idle nodes (agent and warden, with KILL) when a third of the work is done.
    #[arg(long)]
    kill: bool,
    /// Keep the nodes' folders, and say where they are.
    #[arg(long)]
    keep: bool,
}

/// What went wrong. The demo's nodes are stopped and their folders removed in every case.
#[derive(Debug)]
pub enum DemoError {
    Io(std::io::Error),
    Door(DoorError),
    /// In words.
    Failed(String),
    /// By the signal of this number.
    Ended(u8),
}

impl std::fmt::Display for DemoError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Door(error) => write!(f, "{error}"),
            Self::Failed(why) => f.write_str(why),
            Self::Ended(_) => f.write_str("ended on request; its nodes are stopped"),
        }
    }
}
impl From<std::io::Error> for DemoError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
impl From<DoorError> for DemoError {
    fn from(error: DoorError) -> Self {
        Self::Door(error)
    }
}

/// Runs the demo; 0 if every task was done and counted once.
pub async fn run(args: DemoArgs, json: bool) -> ExitCode {
    match play(&args, json).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // A terminal that is gone hears nothing.
            let _unheard = writeln!(std::io::stderr(), "tern demo: {error}");
            ExitCode::from(if let DemoError::Ended(signal) = error { 128 + signal } else { 70 })
        }
    }
}

async fn play(args: &DemoArgs, json: bool) -> Result<bool, DemoError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut trio = Trio::start(args.keep).await?;
    let played = tokio::select! {
        played = flood(&mut trio, args, json) => played,
        _ = interrupt.recv() => Err(DemoError::Ended(2)),
        _ = terminate.recv() => Err(DemoError::Ended(15)),
        _ = hang_up.recv() => Err(DemoError::Ended(1)),
    };
    trio.stop().await;
    played
}

async fn flood(trio: &mut Trio, args: &DemoArgs, json: bool) -> Result<bool, DemoError> {
    let started = Instant::now();
    let job = trio.door(0)?.submit(&batch(args.tasks)?).await?;
    let results = trio.door(0)?.results(&job, true, false).await?;
    let quiet = json || !std::io::stdout().is_terminal();
    let mut table = Table::new(args.tasks, quiet);
    let mut grid = Grid::default();
    let ran = follow(trio, args, results, (&mut table, &mut grid)).await?;
    let view = trio.door(0)?.job(&job).await?;
    let counted = ran.values().sum::<u32>();
    let whole = view.tasks.done == args.tasks && counted == args.tasks;
    if json {
        let by_node: BTreeMap<&str, u32> =
            trio.names().map(|(name, tag)| (name, ran.get(tag).copied().unwrap_or(0))).collect();
        let summary = serde_json::json!({
            "job": job, "state": view.state, "tasks": view.tasks, "ran": by_node,
            "balance": grid.json(),
            "killed": args.kill.then_some("carol"), "seconds": started.elapsed().as_secs_f64(),
        });
        println!("{summary}");
    } else {
        table.summary(trio, &ran, started.elapsed(), args.kill, whole);
        println!("\nhow the sum of the trits went\n{}\n{}", grid.course(), grid.triads().trim_end());
    }
    Ok(whole)
}

/// Counts who ran what until the job is over, draws the table, and kills where that was asked for.
async fn follow(
    trio: &mut Trio,
    args: &DemoArgs,
    mut results: Results,
    (table, grid): (&mut Table, &mut Grid),
) -> Result<BTreeMap<String, u32>, DemoError> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut ran = BTreeMap::new();
    let began = Instant::now();
    let mut redraw = tokio::time::interval(REDRAW);
    let mut to_kill = args.kill;
    loop {
        tokio::select! {
            batch = results.next() => match batch? {
                Some(batch) => count(&mut ran, &batch),
                None => break,
            },
            _ = redraw.tick() => {
                grid.look(trio.door(0)?, began).await;
                table.draw(&trio.statuses().await, &ran, &grid.text());
            }
            () = tokio::time::sleep_until(deadline) => {
                return Err(DemoError::Failed(format!("not done after {} s", PATIENCE.as_secs())));
            }
        }
        if to_kill && ran.values().sum::<u32>() * 3 >= args.tasks {
            to_kill = false;
            table.say(&trio.kill(2).await?);
        }
    }
    settle(trio, grid, began).await?;
    table.draw(&trio.statuses().await, &ran, &grid.text());
    Ok(ran)
}

/// Nothing is left to do: the trits follow within some readings, and the last postings are settled.
async fn settle(trio: &Trio, grid: &mut Grid, began: Instant) -> Result<(), DemoError> {
    let until = Instant::now() + SETTLES;
    while Instant::now() < until {
        grid.look(trio.door(0)?, began).await;
        tokio::time::sleep(REDRAW).await;
    }
    let until = Instant::now() + BOOKS_SETTLE;
    loop {
        grid.look_at_ledger(trio.door(0)?).await;
        if grid.open_triads() == 0 || Instant::now() >= until {
            return Ok(());
        }
        tokio::time::sleep(REDRAW).await;
    }
}

fn count(ran: &mut BTreeMap<String, u32>, batch: &[TaskResult]) {
    for result in batch.iter().filter(|result| result.status == 0) {
        *ran.entry(result.node.clone()).or_default() += 1;
    }
}

fn batch(tasks: u32) -> Result<SubmitRequest, DemoError> {
    let program = std::env::current_exe()?;
    let program = program.into_os_string().into_encoded_bytes();
    let path = std::env::var_os("PATH").unwrap_or_default().into_encoded_bytes();
    Ok(SubmitRequest {
        name: "demo flood".to_owned(),
        argv: vec!["sha256sum".into(), program.into()],
        array: Some((1, i64::from(tasks))),
        tries: 3,
        cwd: "/".into(),
        environment: vec![("PATH".into(), path.clone().into())],
        env: vec![("PATH".into(), path.into())],
        ..SubmitRequest::default()
    })
}
