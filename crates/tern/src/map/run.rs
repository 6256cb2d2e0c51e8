//! One batch from its command line to its exit status: read, submit, follow, print.
//!
//! Printing has a thread of its own, so that a slow reader holds back the results and never the node that runs tasks.
//! An interrupt or a reader that goes away cancels the job, waits for its end, and then leaves.

use std::ffi::OsString;
use std::io::{self, BufWriter, IsTerminal};
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::sync::Arc;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tern_core::words::spec::HaltWhen;
use tern_node::control::api::TaskResult;
use tern_node::control::door::{Door, DoorError, Entry};
use tern_node::home::Home;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::args::{self, MapArgs};
use super::error::MapError;
use super::halt::{MANY, Tally};
use super::input::Sources;
use super::print::{self, Fetch, Job, Printer, Style};
use super::progress::Progress;
use super::request::{self, Batch};

/// 128 + SIGPIPE, as parallel ends when its reader goes away.
pub const BROKEN_PIPE: u8 = 141;
/// Batches of results between the node and the printer.
const BATCHES_WAITING_MAX: usize = 4;
/// How often it is asked how the node is.
const LOOK_AROUND: std::time::Duration = std::time::Duration::from_secs(2);
/// After so many looks at a job of which nothing runs it is said why.
const IDLE_LOOKS: u32 = 2;
/// Bytes gathered before a write.
const WRITE_BYTES: usize = 64 * 1024;

/// Runs `tern map` with the words that followed it; `home` is the state folder unless `--home` names another.
pub async fn run(raw: Vec<OsString>, home: &Home) -> ExitCode {
    // As soon as the options are read.
    let mut json = false;
    match map(raw, home, &mut json).await {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            error.say(json);
            ExitCode::from(error.status())
        }
    }
}

async fn map(raw: Vec<OsString>, home: &Home, json: &mut bool) -> Result<u8, MapError> {
    let mut args = args::read(raw)?;
    *json = args.json;
    let sources = Sources::read(std::mem::take(&mut args.words), std::mem::take(&mut args.arg_file))?;
    if !args.quiet {
        notes(&args, &sources);
    }
    let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let batch = request::batch(&args, sources, cores, &mut io::stdin().lock())?;
    let style = Style { keep_order: args.keep_order, tag: args.tag, json: args.json, quiet: args.quiet };
    if args.dry_run {
        let mut out = BufWriter::with_capacity(WRITE_BYTES, io::stdout().lock());
        print::dry_run(&mut out, style, batch.rows(), &batch.template).map_err(MapError::Output)?;
        return Ok(0);
    }
    let home = args.home.clone().map_or_else(|| home.clone(), Home::new);
    let progress = Progress::new(batch.tasks(), args.bar || args.eta, args.quiet || args.json);
    if batch.rows().is_empty() {
        let printer = printer(batch, style, progress, nothing());
        return printer.finish(None).map_err(MapError::Output);
    }
    execute(batch, style, progress, &home).await
}

/// What a person should know before it starts.
fn notes(args: &MapArgs, sources: &Sources) {
    if sources.read_stdin() && io::stdin().is_terminal() {
        print::say("tern map: reading arguments from the terminal, one a line; end with Ctrl-D");
    }
    for name in request::unset(args) {
        print::say(&format!("tern map: --env {name}: not set here, so nothing travels"));
    }
}

type StdPrinter = Printer<BufWriter<io::Stdout>, io::Stderr>;

fn printer(batch: Batch, style: Style, progress: Progress, fetch: Fetch) -> StdPrinter {
    let tally = Tally::new(batch.request.halt, batch.tasks());
    let sinks = (BufWriter::with_capacity(WRITE_BYTES, io::stdout()), io::stderr());
    let rows = batch.request.rows.unwrap_or_default();
    Printer::new(sinks, style, Job { rows, template: batch.template, tally, progress }, fetch)
}

/// Submits the batch, follows it to its end and closes the door.
async fn execute(batch: Batch, style: Style, progress: Progress, home: &Home) -> Result<u8, MapError> {
    let mut stop = Stop::listen().map_err(MapError::Signals)?;
    // A node that does not answer must not keep anybody who wants to leave.
    let door = tokio::select! {
        door = Door::open(home, Entry::AgentOrPrivate, Some(batch.slots)) => Arc::new(door?),
        signal = stop.received() => return Ok(128 + signal),
    };
    let submitted = tokio::select! {
        submitted = door.submit(&batch.request) => submitted,
        signal = stop.received() => return Ok(128 + signal),
    };
    let followed = match submitted {
        Ok(job) => {
            let halts = batch.request.halt.when != HaltWhen::Never;
            let printer = printer(batch, style, progress, fetch(&door, &job));
            match follow(&door, &job, printer, stop).await {
                Ok(status) if !halts && status <= MANY => Ok(with_cancelled(&door, &job, status).await),
                followed => followed,
            }
        }
        Err(refused) => {
            // Nothing was accepted: there is nothing to keep.
            if let Some(door) = Arc::into_inner(door) {
                let _left = door.close(false).await;
            }
            return Err(refused.into());
        }
    };
    // What was shown need not be kept, nor what was stopped on request; what could not be shown is.
    let keep = match &followed {
        Err(MapError::Output(error)) => error.kind() != io::ErrorKind::BrokenPipe,
        followed => followed.is_err(),
    };
    if keep && let Some(folder) = door.private_folder() {
        print::say(&format!("tern map: what was done so far is kept in {}", folder.display()));
    }
    // A printer that is stuck in a write still holds the door; the node then ends with the process.
    if let Some(door) = Arc::into_inner(door) {
        door.close(keep).await?;
    }
    followed
}

/// What was cancelled from elsewhere is not done: that is said, and counts as failed.
async fn with_cancelled(door: &Door, job: &str, failed: u8) -> u8 {
    // An agent that has gone meanwhile says nothing of it.
    let cancelled = door.job(job).await.map_or(0, |view| view.tasks.cancelled);
    if cancelled > 0 {
        print::say(&format!("tern map: {cancelled} tasks were cancelled before their end"));
    }
    u8::try_from(u32::from(failed).saturating_add(cancelled)).unwrap_or(MANY).min(MANY)
}

/// Reads a task's whole output through the door, from the printer's thread.
fn fetch(door: &Arc<Door>, job: &str) -> Fetch {
    let (door, job, runtime) = (Arc::clone(door), job.to_string(), Handle::current());
    Box::new(move |number, stream, sink| {
        runtime.block_on(async {
            let mut output = door.output(&job, number, stream).await.map_err(io::Error::other)?;
            while let Some(piece) = output.next().await.map_err(io::Error::other)? {
                sink(&piece)?;
            }
            Ok(())
        })
    })
}

/// For a job without a task.
fn nothing() -> Fetch {
    Box::new(|_, _, _| Ok(()))
}

/// Passes results to the printer until the job is over.
async fn follow(door: &Door, job: &str, printer: StdPrinter, mut stop: Stop) -> Result<u8, MapError> {
    let mut results = door.results(job, true, true).await?;
    let (batches, mut printing) = start(printer, job);
    // One future for all batches, never dropped half-way: a batch that is being read would be lost with it.
    let pump = async {
        while let Some(batch) = results.next().await? {
            // Where the printer is gone, its error is what counts, and the rest is read only to see the end.
            drop(batches.send(batch).await);
        }
        drop(batches);
        Ok::<(), MapError>(())
    };
    tokio::pin!(pump);
    let mut stopped = None;
    let mut broken = None;
    let (reader_gone, watch) = (reader_gone(), say_why(door, job));
    tokio::pin!(reader_gone, watch);
    let mut gone = false;
    loop {
        tokio::select! {
            signal = stop.received() => {
                if stopped.replace(signal).is_some() {
                    // Asked a second time: wait neither for the tasks' ends nor for a reader that does not read.
                    return Ok(128 + signal);
                }
                cancel(door, job).await?;
            }
            written = &mut printing, if broken.is_none() => {
                broken = Some(written);
                cancel(door, job).await?;
            }
            () = &mut reader_gone, if !gone => {
                gone = true;
                cancel(door, job).await?;
            }
            () = &mut watch => {}
            pumped = &mut pump => {
                pumped?;
                break;
            }
        }
    }
    let written = match broken {
        Some(written) => written,
        None => printing.await,
    };
    let status = written.map_err(io::Error::other).flatten().map_err(MapError::Output)?;
    if gone {
        return Err(MapError::Output(io::ErrorKind::BrokenPipe.into()));
    }
    Ok(stopped.map_or(status, |signal| 128 + signal))
}

/// Says once why nothing comes: there is no room on a disk, or no machine takes what waits. Never returns.
async fn say_why(door: &Door, job: &str) {
    let mut idle = 0;
    let mut look = tokio::time::interval_at(tokio::time::Instant::now() + LOOK_AROUND, LOOK_AROUND);
    loop {
        look.tick().await;
        let Ok(status) = door.status().await else { continue };
        let full = match status.outputs_wait {
            _ if status.disk_full => format!("the disk of {} is full: nothing starts until there is room", status.home),
            Some(why) => format!("outputs wait until there is room for them: {why}"),
            None => {
                let Ok(view) = door.job(job).await else { continue };
                let waits = view.tasks.running == 0 && view.tasks.queued > 0;
                idle = if waits { idle + 1 } else { 0 };
                match view.because {
                    Some(why) if idle >= IDLE_LOOKS => format!("nothing runs: {why}. `tern explain {job}` says more"),
                    _ => continue,
                }
            }
        };
        print::say(&format!("tern map: {full}"));
        std::future::pending::<()>().await;
    }
}

/// Returns when whoever read standard output has gone away, which a write would meet only at the next result. A file has
/// no reader, and its thread waits until the process ends.
async fn reader_gone() {
    let (gone, told) = oneshot::channel();
    let watch = move || {
        let stdout = io::stdout();
        let mut watched = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
        loop {
            match poll(&mut watched, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                Err(_) => return,
                Ok(_) => break,
            }
        }
        if watched[0].revents().is_some_and(|events| events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP)) {
            // Nobody listens after the end.
            let _ = gone.send(());
        }
    };
    std::thread::spawn(watch);
    if told.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Cancels the job; one that is over already may refuse that.
async fn cancel(door: &Door, job: &str) -> Result<(), MapError> {
    match door.cancel(job).await {
        Ok(()) | Err(DoorError::Refused { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Starts the printer's thread. It ends when the sender is dropped, or at the first write that fails. It is no task of
/// the runtime, so that one stuck in a write cannot keep the process alive.
fn start(mut printer: StdPrinter, job: &str) -> (mpsc::Sender<Vec<TaskResult>>, oneshot::Receiver<io::Result<u8>>) {
    let (sender, mut batches) = mpsc::channel::<Vec<TaskResult>>(BATCHES_WAITING_MAX);
    let (say_end, end) = oneshot::channel();
    let job = job.to_string();
    std::thread::spawn(move || {
        let print = || {
            while let Some(batch) = batches.blocking_recv() {
                printer.batch(batch)?;
            }
            printer.finish(Some(&job))
        };
        let end = print();
        // Nobody waits for it after a second signal.
        drop(say_end.send(end));
    });
    (sender, end)
}

/// The signals that end a batch in order.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        let listen = |kind| signal(kind);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// The number of the signal that came.
    async fn received(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
            _ = self.hang_up.recv() => 1,
        }
    }
}
