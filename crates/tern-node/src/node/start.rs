//! Bringing a node up: lock, key, journal, warden, loop.

mod mesh;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tern_core::decide::scum::control::Reach;
use tern_core::machine::{Effect, Event, Machine, WorkSettings};
use tern_core::observe::trit::{IDLE_BELOW, OVERLOADED_ABOVE, TritSettings};
use tern_core::observe::{Class, Fit};
use tern_core::words::NodeId;
use tokio::sync::{mpsc, watch};

use super::effects::history::History;
use super::effects::recorder::Recorder;
use super::handle::{Handle, NodeError};
use super::input::{INPUTS_MAX, Input};

use super::run::Loop;
use super::sampler::Sampler;
use super::wardens::devices::Devices;
use super::wardens::orders::Orders;
use super::wardens::{WardenPlan, Wardens};
use crate::config::Config;
use crate::home::Home;
use crate::overlay::{Grid, OUTBOUND_MAX, Overlay, OverlayError, Tailnet};
use crate::process::{checkpoint, warden};
use crate::sense::condition::{self, Condition, Conditions};
use crate::sense::facts::{self, Root};
use crate::sense::hogs::{self, Hogs};
use crate::stage::Stager;
use crate::store::{self, Journal, LedgerLog, StoreError};

/// How to start.
#[derive(Clone, Debug, Default)]
pub struct StartOptions {
    /// None: the configuration's, else one a CPU.
    pub slots: Option<u32>,
    /// The warden ends its tasks and itself when this process goes (`tern map` without an agent).
    pub private: bool,
    /// Only accept and answer: nothing is dispatched and no warden is started.
    pub idle: bool,
    /// How this process is started again should it die: it is the folder's agent. Empty: a passing node.
    pub agent: Vec<OsString>,
    pub config: Config,
    /// Where the files lie that tell of this machine.
    pub machine: Root,
}

/// Why a node did not start. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the folder.
    #[error("another node holds this folder{}", pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Locked { pid: Option<u32> },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    #[error("the loop's thread could not be started: {0}")]
    Thread(std::io::Error),
    /// Of a node that lives as long as a command.
    #[error("no warden can be started: {why}. No task was started; `tern doctor` looks at what one needs")]
    NoWarden { why: String },
    #[error("64 random bits could not be had from the kernel: {0}")]
    Random(std::io::Error),
}

impl StartError {
    /// A word for scripts, as the API's refusals have one.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "locked",
            Self::Store(error) => error.kind(),
            Self::NoWarden { .. } => "no_warden",
            Self::Overlay(_) | Self::Thread(_) | Self::Random(_) => "did_not_start",
        }
    }
}

/// A node that runs in this process.
pub struct Running {
    pub handle: Handle,
    thread: JoinHandle<()>,
    overlay: Option<Overlay>,
}

impl Loop {
    /// What this machine has for tasks; its graphics processors are given out from now on.
    fn equip(&mut self, options: &StartOptions) -> Fit {
        let facts = facts::read(&options.machine, None);
        self.orders.devices = Devices::new(&facts.gpus);
        Fit::of(&options.config.mesh.zone, &facts)
    }
}

impl Running {
    /// Stops the node and waits until its journal is closed.
    ///
    /// # Errors
    /// [`NodeError::Stopping`] where it had stopped already.
    pub async fn stop(self, drain: bool, keep_tasks: bool) -> Result<(), NodeError> {
        let stopped = self.handle.stop(drain, keep_tasks).await;
        if let Some(overlay) = self.overlay {
            overlay.close().await;
        }
        // A panic of the loop was reported by its own thread.
        let _ = self.thread.join();
        stopped
    }

    /// The grid that it is in; None: it was told to have none.
    #[must_use]
    pub fn grid(&self) -> Option<Grid> {
        self.overlay.as_ref().map(|overlay| overlay.grid().clone())
    }

    /// Whether the loop has ended, asked or not.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Opens the folder and starts the loop, and the overlay where the configuration names a listening address. The folder
/// is locked until the node stops.
///
/// # Errors
/// [`StartError`]: the folder is in use, cannot be written, or its journal cannot be read.
pub async fn start(home: Home, options: StartOptions) -> Result<Running, StartError> {
    let lock = store::lock(&home)?;
    let node = store::key::node_id(&home)?;
    let (to_loop, inputs) = sync_channel(INPUTS_MAX);
    let (to_peers, outbound) = mpsc::channel(OUTBOUND_MAX);
    let incarnation = store::key::random_u64().map_err(StartError::Random)?;
    let meshed = options.config.mesh.enabled && !options.private && !options.idle;
    let mut overlay = if meshed {
        let overlay = mesh::options(&home, incarnation, &options)?;
        Some(Box::pin(Overlay::start(overlay, outbound, to_loop.clone())).await?)
    } else {
        None
    };
    let conditions = conditions(&options);
    if let Some(overlay) = &mut overlay {
        overlay.follow_condition(conditions.clone());
        if options.config.mesh.tailscale {
            overlay.follow_tailnet(Tailnet::default());
        }
    }
    let mut node_loop = build(home.clone(), node, &options, conditions, (to_loop.clone(), inputs))?;
    node_loop.to_peers = overlay.is_some().then_some(to_peers);
    node_loop.to_mesh = overlay.as_ref().map(Overlay::to_mesh);
    node_loop.stager = stager(&home, overlay.as_ref(), &options.config);
    let fit = node_loop.equip(&options);
    let slots = slots(&options);
    let thread = std::thread::Builder::new()
        .name("tern-loop".to_owned())
        .spawn(move || {
            let _lock = lock;
            let mut effects: Vec<Effect> = Vec::new();
            node_loop.handle(Event::Start { incarnation, slots }, &mut effects);
            node_loop.recall(&mut effects);
            node_loop.handle(Event::Fit(fit), &mut effects);
            let power = node_loop.conditions.borrow_and_update().power;
            node_loop.handle(Event::Power(power), &mut effects);
            node_loop.perform(effects);
            node_loop.run();
        })
        .map_err(StartError::Thread)?;
    let running = Running { handle: Handle::new(to_loop, node, home), thread, overlay };
    // An agent goes on trying; a command would wait for ever.
    let passing = !options.idle && options.agent.is_empty();
    if passing && let Ok(Err(why)) = running.handle.begun().await {
        // What fails here has ended already.
        let _ended = Box::pin(running.stop(false, false)).await;
        return Err(StartError::NoWarden { why });
    }
    Ok(running)
}

/// Without a place for work folders this node shares work without files, and says so.
fn stager(home: &Home, overlay: Option<&Overlay>, config: &Config) -> Option<Stager> {
    let overlay = overlay?;
    let bytes = config.work.cache_mib.saturating_mul(1 << 20);
    let stager = Stager::new(home, overlay.grid().peers().clone(), bytes);
    stager.inspect_err(|error| tracing::warn!(%error, "no files of tasks are taken: there is no place for them")).ok()
}

fn build(
    home: Home,
    node: NodeId,
    options: &StartOptions,
    conditions: Conditions,
    (to_loop, inputs): (SyncSender<Input>, Receiver<Input>),
) -> Result<Loop, StartError> {
    store::lay_out(&home)?;
    let (journal, recovery) = Journal::open(&home, node, true)?;
    let first_job = recovery.state.head().next_job;
    checkpoint::sweep(&home, &recovery.state);
    let mut machine = Machine::new(recovery.state);
    machine.set_trit(trit_settings(&options.config));
    machine.set_mode(options.config.balance.mode);
    machine.set_reach(options.config.balance.hogs);
    machine.set_work(work_settings(options));
    let slots = slots(options);
    let warden =
        warden::Options { node_tag: node.tag(), die_with_client: options.private, ..warden::Options::default() };
    let plan = (!options.idle).then_some(WardenPlan { slots, agent: options.agent.clone(), options: warden });
    Ok(Loop {
        node,
        machine,
        journal,
        history: History::of(&home, options.private),
        inputs,
        orders: Orders::new(home.clone()),
        wardens: Wardens::new(home.clone(), plan, to_loop),
        sampler: Sampler::new(&options.config),
        conditions,
        hogs: hogs(&home, options),
        hold_percent: options.config.balance.hold_percent,
        to_peers: None,
        to_mesh: None,
        stager: None,
        files: options.config.mesh.files,
        ledger: LedgerLog::open(&home),
        recorder: Recorder::new(&home, node, !options.private && !options.idle),
        uncarried: Vec::new(),
        tickets: BTreeMap::new(),
        last_ticket: 0,
        first_job,
        keep_jobs: options.config.keep_jobs as usize,
        protected: options.config.scum.protected.clone(),
        forgot: false,
        watchers: BTreeMap::new(),
        positions: recovery.positions,
        dirty_since: None,
        wake_at: None,
        notes: recovery.notes.iter().map(ToString::to_string).inspect(|note| tracing::warn!("{note}")).collect(),
        stopping: None,
        home,
    })
}

/// An agent follows how its machine is fed; who only looks, looks once, and a command of its own needs none of it.
fn conditions(options: &StartOptions) -> Conditions {
    let root = &options.machine;
    if options.private {
        return watch::channel(Condition::default()).1;
    }
    if options.idle {
        return condition::once(root);
    }
    condition::follow(root.clone(), condition::LOOK_EVERY).unwrap_or_else(|error| {
        tracing::warn!(%error, "no thread for battery and temperature: they stay as they are now");
        condition::once(root)
    })
}

/// Only an agent acts on processes, and only where it is set so.
fn hogs(home: &Home, options: &StartOptions) -> Hogs {
    let config = &options.config;
    if options.private || options.idle || config.balance.hogs == Reach::Off {
        return hogs::never();
    }
    let followed = hogs::follow(home.clone(), config.scum.settings(), config.scum.protected.clone());
    followed.unwrap_or_else(|error| {
        tracing::warn!(%error, "no thread to look at processes: the matrix does nothing");
        hogs::never()
    })
}

/// When the machine stands back: an agent's, not a command's own node, which was started to work now. Machines at which people
/// sit give them slots unless told otherwise.
fn work_settings(options: &StartOptions) -> WorkSettings {
    if options.private || options.idle {
        return WorkSettings::default();
    }
    let work = &options.config.work;
    let at_a_desk = || {
        let class = facts::read(&options.machine, None).class;
        matches!(class, Some(Class::Laptop | Class::Desktop | Class::Phone))
    };
    WorkSettings {
        drain_below: work.drain_below,
        yield_to_owner: work.yield_to_owner.unwrap_or_else(at_a_desk),
        leave_one: work.leave_one,
        ..WorkSettings::default()
    }
}

/// The thresholds themselves are fixed; only how far a trit must come back before it changes is a setting.
fn trit_settings(config: &Config) -> TritSettings {
    TritSettings {
        literal: config.trit.literal,
        source: config.trit.load,
        leave_overloaded_below: OVERLOADED_ABOVE - config.trit.hysteresis,
        leave_idle_above: IDLE_BELOW + config.trit.hysteresis,
        ..TritSettings::default()
    }
}

fn slots(options: &StartOptions) -> u32 {
    options.slots.or(options.config.slots).unwrap_or_else(cpus)
}

/// CPUs that this process may use.
pub(super) fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine whose case is of this kind, as its firmware numbers them.
    fn machine(chassis: &str) -> (tempfile::TempDir, StartOptions) {
        let folder = tempfile::tempdir().unwrap();
        let dmi = folder.path().join("sys/class/dmi/id");
        std::fs::create_dir_all(&dmi).unwrap();
        std::fs::write(dmi.join("chassis_type"), chassis).unwrap();
        let options = StartOptions { machine: Root::at(folder.path()), ..StartOptions::default() };
        (folder, options)
    }

    #[test]
    fn machines_at_which_people_sit_give_up_slots_unless_told_otherwise() {
        let [desktop, laptop, server] = ["3\n", "10\n", "23\n"].map(machine);
        assert!(work_settings(&desktop.1).yield_to_owner && work_settings(&laptop.1).yield_to_owner);
        assert!(!work_settings(&server.1).yield_to_owner);
        let (_folder, mut told) = machine("3\n");
        told.config.work.yield_to_owner = Some(false);
        told.config.work.drain_below = 35;
        let settings = work_settings(&told);
        assert!(!settings.yield_to_owner && settings.drain_below == 35 && settings.leave_one);
        // Who started a node for one command wants it to work.
        told.private = true;
        assert_eq!(work_settings(&told), WorkSettings::default());
    }
}
