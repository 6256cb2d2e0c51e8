//! The agent's life: `tern up`, `tern down`, and the agent itself.
//!
//! `tern up` becomes the warden, which starts the agent and starts it again if it dies. Detached, it does so in a session of
//! its own and returns when the agent answers.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use serde_json::json;
use tern_node::config::{self, Flags};
use tern_node::control::api::StopQuery;
use tern_node::control::serve::ServeError;
use tern_node::control::{Door, Entry, Meshed, router, serve};
use tern_node::home::Home;
use tern_node::node::{self, Running, StartError, StartOptions};
use tern_node::process::pidfd::Pidfd;
use tern_node::process::warden::Options as WardenOptions;
use tern_node::store::{self, StoreError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli::failure::{CANTCREAT, IOERR, NOPERM, SOFTWARE, TEMPFAIL, code_of};
use crate::cli::tree::{DownArgs, UpArgs};
use crate::cli::{Context, Failure, Outcome, print};
use crate::grid::founded::Founded;

/// A log beyond this is put aside at the next start; one older log is kept.
const LOG_BYTES_MAX: u64 = 8 << 20;
/// How often a start is asked whether it is ready.
const READY_POLL: Duration = Duration::from_millis(5);
/// Recovery of a large journal takes its time; beyond this something is wrong.
const READY_WAIT_MAX: Duration = Duration::from_secs(300);
/// How long `down` waits for an agent that holds the folder and does not answer yet.
const RETURN_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long `down` waits for the warden once the agent has gone.
const WARDEN_WAIT_MAX: Duration = Duration::from_secs(30);

/// Threads of the agent's own for connections and calls; what waits for a disk has others.
const WORKERS_MAX: usize = 2;
/// How long the agent, when all else has ended, waits for what works on files.
const LAST_WORK: Duration = Duration::from_secs(1);

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        let code = if matches!(error, ServeError::ForeignOwner { .. }) { NOPERM } else { CANTCREAT };
        Self::new(code, "no_socket", error.to_string())
    }
}

/// `tern up`
pub fn up(context: &Context, args: &UpArgs) -> Outcome {
    prepare(&context.home)?;
    if let Some(pid) = is_held(&context.home.agent_lock())? {
        return Err(already_runs(&context.home, pid));
    }
    if args.detach {
        return crate::cli::block_on(up_detached(context));
    }
    Err(supervised(context, None)?.exec().into())
}

/// Makes the folder. What is wrong with settings and socket is said here, where somebody reads it, and not in a log.
fn prepare(home: &Home) -> Result<(), Failure> {
    tern_node::home::make_folder(home.path()).map_err(|error| {
        let message = format!("the state folder {} cannot be made: {error}", home.path().display());
        Failure { message, ..Failure::from(error) }
    })?;
    config::load(home, &Flags::default())?;
    Ok(serve::examine(&home.control_socket())?)
}

/// Starts a detached agent if none runs.
pub async fn ensure(context: &Context) -> Result<(), Failure> {
    prepare(&context.home)?;
    if is_held(&context.home.agent_lock())?.is_none() {
        let pid = detach(context).await?;
        context.printer.remark(&format!("agent {pid} was started on {}", context.home.path().display()));
    }
    Ok(())
}

/// What `tern up --detach` starts: a new session, then the words in its place.
pub fn detached(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let mut become_them = || -> io::Result<std::convert::Infallible> {
        nix::unistd::setsid()?;
        let program = words.next().ok_or(io::ErrorKind::InvalidInput)?;
        Err(Command::new(program).args(&mut words).exec())
    };
    match become_them() {
        Err(error) => Failure::from(error).report(false),
        Ok(never) => match never {},
    }
}

/// The command that starts the agent: the warden with the agent's words; the agent alone where a warden is there already,
/// which then watches it. `before` are words of our own that start the command in their place.
fn supervised(context: &Context, before: Option<&str>) -> Result<Command, Failure> {
    let home = &context.home;
    let this: OsString = std::env::current_exe()?.into();
    let agent = agent_words(home)?;
    let words = if is_held(&home.warden_lock())?.is_some() {
        agent
    } else {
        let node_tag = store::key::node_id(home).map_err(|error| refused(error.kind(), &error))?.tag();
        let options = WardenOptions { node_tag, agent: Some(agent), ..WardenOptions::default() };
        [this.clone(), "warden".into()].into_iter().chain(options.to_args(home)).collect()
    };
    let words = before.map(|word| [this, word.into()]).into_iter().flatten().chain(words);
    let words: Vec<OsString> = words.collect();
    let mut command =
        Command::new(words.first().ok_or_else(|| Failure::from(io::Error::from(io::ErrorKind::NotFound)))?);
    command.args(words.get(1..).unwrap_or_default());
    Ok(command)
}

/// The command that is the agent of a folder.
fn agent_words(home: &Home) -> io::Result<Vec<OsString>> {
    Ok(vec![std::env::current_exe()?.into(), "agent".into(), "--home".into(), home.path().into()])
}

async fn up_detached(context: &Context) -> Outcome {
    let home = &context.home;
    let before = Founded::look(home);
    let pid = detach(context).await?;
    let founded = Founded::since(&before, home).await;
    if context.printer.json {
        context.printer.value(&json!({"pid": pid, "home": home.path(), "founded": founded}))?;
    } else {
        context.printer.line(&format!("agent {pid} is ready on {}", home.path().display()))?;
        if let Some(founded) = founded {
            context.printer.line(&founded.to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts the agent in a session of its own and returns its pid when it answers.
async fn detach(context: &Context) -> Result<u32, Failure> {
    let home = &context.home;
    let log_path = home.path().join("agent.log");
    if std::fs::metadata(&log_path).is_ok_and(|meta| meta.len() > LOG_BYTES_MAX) {
        std::fs::rename(&log_path, home.path().join("agent.log.1"))?;
    }
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&log_path)?;
    remove_if_there(&start_error(home))?;
    let mut command = supervised(context, Some("detached"))?;
    let mut child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
    let waited = tokio::time::timeout(READY_WAIT_MAX, until_ready(home, &mut child)).await;
    match waited {
        Ok(Ok(Some(pid))) => Ok(pid),
        Ok(Ok(None)) => Err(did_not_start(home, &log_path, "it ended at once")),
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(did_not_start(home, &log_path, "it does not answer")),
    }
}

/// The agent's pid when it answers; None when what was started has ended instead, or said why it cannot start.
async fn until_ready(home: &Home, child: &mut Child) -> Result<Option<u32>, Failure> {
    loop {
        if let Ok(door) = Door::open(home, Entry::Agent, None).await
            && let Ok(status) = door.status().await
        {
            return Ok(Some(status.agent_pid));
        }
        // One that gave way to another `tern up` waits for the agent of that one, as long as it is there.
        if let Some(status) = child.try_wait()?
            && (status.code() != Some(TEMPFAIL.into()) || is_held(&home.warden_lock())?.is_none())
        {
            return Ok(None);
        }
        if start_error(home).exists() {
            // The warden would try again and again; whoever asked is told instead.
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        tokio::time::sleep(READY_POLL).await;
    }
}

/// Where an agent that cannot start says why.
fn start_error(home: &Home) -> PathBuf {
    home.path().join("agent.error")
}

fn did_not_start(home: &Home, log: &Path, how: &str) -> Failure {
    let said = std::fs::read_to_string(start_error(home)).unwrap_or_default();
    let (code, reason) = said.split_once(' ').unwrap_or(("", how));
    // One that could not say it in that file said it in the log; the last line of an older life may stand there as well.
    let last = if said.is_empty() { last_line(log) } else { None };
    let last = last.map_or_else(String::new, |line| format!(", which ends: {line}"));
    let message =
        format!("the agent did not start: {}. All that it said stands in {}{last}", reason.trim_end(), log.display());
    Failure::new(code.parse().unwrap_or(SOFTWARE), "did_not_start", message)
}

/// The last line of a log, if it is short enough to be told.
fn last_line(log: &Path) -> Option<String> {
    const BYTES_MAX: usize = 1_000;
    let text = std::fs::read(log).ok()?;
    let text = String::from_utf8_lossy(text.get(text.len().saturating_sub(BYTES_MAX)..)?).into_owned();
    text.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned)
}

/// Who holds a lock: the pid where it is known, 0 where it is not; None where nobody does.
fn is_held(lock: &Path) -> Result<Option<u32>, Failure> {
    let file = match File::open(lock) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(_free) => Ok(None),
        Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            Ok(Some(text.trim().parse().unwrap_or(0)))
        }
        Err((_, error)) => Err(io::Error::from(error).into()),
    }
}

fn already_runs(home: &Home, pid: u32) -> Failure {
    let who = if pid == 0 { "another process".to_owned() } else { format!("process {pid}") };
    let folder = home.path().display();
    let message = format!(
        "{who} already holds {folder}. There is one agent a folder: `tern down` stops it, --home names another"
    );
    Failure::new(TEMPFAIL, "already_runs", message)
}

fn refused(kind: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(code_of(kind), kind, error.to_string())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// `tern agent`: what keeps it from starting is also left in a file, for `tern up` to tell.
pub fn agent(context: &Context) -> Outcome {
    start_agent(context).inspect_err(|failure| {
        // Without a right to write there the message stands on stderr alone.
        let _unwritten = std::fs::write(start_error(&context.home), format!("{} {}\n", failure.code, failure.message));
    })
}

fn start_agent(context: &Context) -> Outcome {
    if !context.home.path().is_dir() {
        let message = format!("{} is gone, and its node with it; nothing was started", context.home.path().display());
        return Err(Failure::new(CANTCREAT, "no_folder", message));
    }
    let config = config::load(&context.home, &Flags::default())?;
    if context.verbose == 0 {
        print::log_as(&config.log);
    }
    let options = StartOptions { config, agent: agent_words(&context.home)?, ..StartOptions::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build()?;
    let end = runtime.block_on(live(context.home.clone(), options));
    // What still reads a large file for somebody is not waited for.
    runtime.shutdown_timeout(LAST_WORK);
    end
}

/// Threads of the agent's own: on a small machine a second one would do little but take turns with the first, and the tasks need
/// the cores.
fn workers() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (cores / 2).clamp(1, WORKERS_MAX)
}

async fn live(home: Home, options: StartOptions) -> Outcome {
    let settings = options.config.mesh.clone();
    let before = Founded::look(&home);
    let running = node::start(home.clone(), options).await.map_err(|error| match error {
        StartError::Locked { pid } | StartError::Store(StoreError::InUse { pid, .. }) => {
            already_runs(&home, pid.unwrap_or(0))
        }
        other => refused(other.kind(), &other),
    })?;
    let door = match serve::bind(&home.control_socket()) {
        Ok(door) => door,
        Err(error) => {
            // It is the socket that went wrong, and the reason for the failure; tasks stay with the warden.
            let _stopped = running.stop(false, true).await;
            return Err(error.into());
        }
    };
    let (stop, mut wishes) = mpsc::channel(1);
    let meshed = running.grid().map(|grid| Meshed { grid, settings });
    let serving = door.serve(router(running.handle.clone(), Some(stop), meshed));
    tokio::pin!(serving);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    before.log(&home);
    tracing::info!(home = %home.path().display(), "the agent is ready");
    let wish = tokio::select! {
        () = &mut serving => return Err(Failure::new(IOERR, "no_socket", "the control socket cannot be served any more")),
        wish = wishes.recv() => wish.unwrap_or_default(),
        _ = terminate.recv() => DRAIN,
        _ = interrupt.recv() => DRAIN,
    };
    tracing::info!(drain = wish.drain, keep_tasks = wish.keep_tasks, "the agent ends");
    // Faces may look on while it drains; a second signal leaves running tasks to the warden.
    let handle = running.handle.clone();
    let ending = end(running, wish);
    tokio::pin!(ending);
    let ended = loop {
        tokio::select! {
            ended = &mut ending => break ended,
            () = &mut serving => break ending.await,
            _ = terminate.recv() => hurry(&handle, true).await,
            _ = interrupt.recv() => hurry(&handle, true).await,
            Some(wish) = wishes.recv() => if !wish.drain {
                hurry(&handle, wish.keep_tasks).await;
            },
        }
    };
    ended.map(|()| ExitCode::SUCCESS)
}

const DRAIN: StopQuery = StopQuery { drain: true, keep_tasks: false };

async fn end(running: Running, wish: StopQuery) -> Result<(), Failure> {
    running
        .stop(wish.drain, wish.keep_tasks)
        .await
        .map_err(|error| Failure::new(SOFTWARE, "did_not_stop", error.to_string()))
}

/// It waits no longer.
async fn hurry(handle: &node::Handle, keep_tasks: bool) {
    // It may have ended by itself in this very moment.
    let _ended = handle.stop(false, keep_tasks).await;
}

/// `tern down`
pub async fn down(context: &Context, args: DownArgs) -> Outcome {
    let door = match Door::open(&context.home, Entry::Agent, None).await {
        Err(error) => match down_in_its_place(context, &args).await? {
            Some(outcome) => return Ok(outcome),
            None => returned(&context.home).await.ok_or(error)?,
        },
        Ok(door) => door,
    };
    let status = door.status().await?;
    let pid = status.agent_pid;
    // Opened before it is asked: afterwards the number might be another process's.
    let process = i32::try_from(pid).ok().and_then(|pid| Pidfd::open(pid).ok());
    let drain = !args.now && !args.keep_tasks;
    door.stop(drain, args.keep_tasks).await?;
    if drain && status.running > 0 {
        let message = format!("waits for {} running tasks; `tern down --now` ends them", status.running);
        context.printer.remark(&message);
    }
    if let Some(process) = process {
        // The process and not its lock: between the two ends, its socket would still take questions.
        tokio::task::spawn_blocking(move || until_ended(&process)).await.map_err(io::Error::from)??;
    }
    if !args.keep_tasks {
        // Asked again and again: a thread that waits for the lock could not be called back when time is up.
        if tokio::time::timeout(WARDEN_WAIT_MAX, until_free(&context.home.warden_lock())).await.is_err() {
            context.printer.remark("the agent has gone; its warden is still there and still ends tasks");
        }
    }
    if context.printer.json {
        context.printer.value(&json!({"stopped": pid}))?;
    } else {
        context.printer.line(&format!("agent {pid} has stopped"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The door of an agent that was just coming back.
async fn returned(home: &Home) -> Option<Door> {
    let since = Instant::now();
    while is_held(&home.agent_lock()).ok()?.is_some() && since.elapsed() < RETURN_WAIT_MAX {
        if let Ok(door) = Door::open(home, Entry::Agent, None).await {
            return Some(door);
        }
        tokio::time::sleep(READY_POLL).await;
    }
    None
}

/// There is no agent, but a warden that would start it again: a node in this process takes its place and stops as it would.
/// None: there is no warden either, or the agent has come back.
async fn down_in_its_place(context: &Context, args: &DownArgs) -> Result<Option<ExitCode>, Failure> {
    let home = &context.home;
    if is_held(&home.warden_lock())?.is_none() {
        return Ok(None);
    }
    let config = config::load(home, &Flags::default())?;
    let options = StartOptions { config, agent: agent_words(home)?, ..StartOptions::default() };
    let Ok(running) = node::start(home.clone(), options).await else { return Ok(None) };
    end(running, StopQuery { drain: !args.now && !args.keep_tasks, keep_tasks: args.keep_tasks }).await?;
    if context.printer.json {
        context.printer.value(&json!({"stopped": null}))?;
    } else {
        context.printer.line("no agent ran; its warden does not start it again")?;
    }
    Ok(Some(ExitCode::SUCCESS))
}

fn until_ended(process: &Pidfd) -> io::Result<()> {
    while !process.wait(u16::MAX)? {}
    Ok(())
}

async fn until_free(lock: &Path) {
    // A lock that cannot be looked at is nobody's to wait for.
    while let Ok(Some(_)) = is_held(lock) {
        tokio::time::sleep(READY_POLL).await;
    }
}
