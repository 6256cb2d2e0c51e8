//! The JSON that goes through the door.
//!
//! A field that a program relies on keeps its name and meaning within `/v1`; new ones may appear beside it. Texts that
//! need not be UTF-8 (arguments, paths, output) are strings where they are, else arrays of byte values.

pub mod balance;
pub mod entry;
pub mod files;
pub mod grid;
pub mod ledger;
pub mod machine;
pub mod ways;
pub mod work;
pub mod zones;

use serde::{Deserialize, Serialize};
use tern_core::observe::NodeTrit;
use tern_core::promise::Exit;
use tern_core::words::{Bytes, Discipline, Halt};
use utoipa::{IntoParams, ToSchema};

use super::document::shapes;
use crate::node::handle::{NodeStatus, PeerStatus};

/// `POST /v1/jobs`
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SubmitRequest {
    pub name: String,
    /// The command's words with places such as `{}` in them.
    #[schema(value_type = Vec<shapes::Text>)]
    pub argv: Vec<Bytes>,
    /// `argv` is one text for this shell.
    pub shell: Option<String>,
    /// Add `{}` at the end where `argv` has no place.
    pub append: bool,
    /// One row of columns a task.
    #[schema(value_type = Option<Vec<Vec<shapes::Text>>>)]
    pub rows: Option<Vec<Vec<Bytes>>>,
    /// Tasks first..=last with that number as their argument.
    #[schema(value_type = Option<[i64; 2]>)]
    pub array: Option<(i64, i64)>,
    /// Tasks that may run at once on one node; 0: as many as there are slots.
    pub parallel: u32,
    /// Attempts at one task before it counts as failed; 0 counts as 1.
    pub tries: u8,
    pub timeout_ms: Option<u64>,
    #[schema(value_type = shapes::HaltRule)]
    pub halt: Halt,
    /// Accept, but start nothing before it is released.
    pub held: bool,
    /// Never lend it to another node.
    pub local_only: bool,
    /// (name, soft, hard)
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rlimits: Vec<(String, u64, u64)>,
    /// Names of files that go along with each task, with places as in the command; relative to `cwd`.
    #[schema(value_type = Vec<shapes::Text>)]
    pub inputs: Vec<Bytes>,
    /// Names of files that come back; where there are none, all that a task makes or changes does.
    #[schema(value_type = Vec<shapes::Text>)]
    pub outputs: Vec<Bytes>,
    /// Arguments that are names of files go along.
    pub stage: bool,
    pub needs: NeedsRequest,
    /// The order in which tasks start.
    #[schema(value_type = shapes::Lane)]
    pub lane: Discipline,
    /// Let Tern choose the order, and whether tasks leave this node, by what was measured.
    pub adaptive: bool,
    /// When all should be over, Unix milliseconds.
    pub deadline_ms: Option<u64>,
    /// Start no second copy of a task that is only slow. One whose node is lost runs again, and what it had begun may still run there.
    pub exclusive: bool,
    /// Put off: begin on idle nodes, while more nodes are idle than overloaded and nothing else waits.
    pub deferred: bool,
    /// Tasks leave checkpoints: asked to end by TERM, or by themselves, they write all they need to go on into
    /// `$TERN_CHECKPOINT_DIR` and exit with 85.
    pub checkpoint: bool,
    /// How long a task has for that before KILL; with `checkpoint` only.
    pub grace_ms: Option<u64>,
    /// Running a task again does no harm, even if its first run had begun.
    pub idempotent: bool,
    /// Names and values that travel to other nodes.
    #[schema(value_type = Vec<[shapes::Text; 2]>)]
    pub env: Vec<(Bytes, Bytes)>,
    /// Folder that tasks run in, absolute.
    #[schema(value_type = shapes::Text)]
    pub cwd: Bytes,
    /// The whole environment of tasks on this machine; never leaves it.
    #[schema(value_type = Vec<[shapes::Text; 2]>)]
    pub environment: Vec<(Bytes, Bytes)>,
}

/// What a machine must have, or be, to run a task of a job. What is empty or 0 asks for nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NeedsRequest {
    /// Names of nodes: only these.
    pub on: Vec<String>,
    /// Names of nodes: none of these.
    pub not_on: Vec<String>,
    /// This zone, or one within it.
    pub zone: String,
    /// CPUs of one task.
    pub cpus: u16,
    pub memory_mib: u32,
    /// Graphics processors of one task.
    pub gpus: u8,
    /// `x86_64`, `aarch64` …
    pub arch: String,
}

/// `POST /v1/jobs` answers with this.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Submitted {
    /// The id in its full form, `12-3f9a1c2b`.
    pub job: String,
    pub tasks: u32,
}

/// One counted end, a line of `GET /v1/jobs/{job}/results?follow=&output=` (NDJSON).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TaskResult {
    /// From 1, as `{#}`.
    pub number: u32,
    pub round: u16,
    #[schema(value_type = shapes::ExitForm)]
    pub exit: Exit,
    /// As a shell shows it.
    pub status: u8,
    pub started_ms: u64,
    pub ran_ms: f64,
    pub cpu_ms: f64,
    /// Greatest resident set; null where unknown, as for programs smaller than the warden.
    pub rss_kib: Option<u32>,
    /// Tag of the node that ran it.
    pub node: String,
    /// Bytes written in all, whatever part of them stands below.
    pub stdout_bytes: u64,
    pub stderr_bytes: u64,
    /// With `output=true`; absent where nothing was written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<shapes::Text>)]
    pub stdout: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<shapes::Text>)]
    pub stderr: Option<Bytes>,
}

/// What to see of a job's results.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ResultsQuery {
    /// Go on until the job is over.
    pub follow: bool,
    /// With the beginning of each output.
    pub output: bool,
    /// Only this task, from 1.
    pub number: Option<u32>,
    /// Bytes of each output in a line, 1 MiB unless named.
    pub limit: Option<u64>,
}

/// How to see a job.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ShowQuery {
    /// Answer only when it is over.
    pub wait: bool,
}

/// What to see of a task's output.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct OutputQuery {
    /// Leave out so many bytes at the beginning.
    pub from: u64,
}

/// What to run again: all that was not done, unless named.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryRequest {
    /// First and last task number of each range, from 1.
    #[schema(value_type = Option<Vec<[u32; 2]>>)]
    pub tasks: Option<Vec<(u32, u32)>>,
}

/// How many tasks a command reached; absent where that is not counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Done {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tasks: Option<u32>,
}

/// `POST /v1/throttles`
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ThrottleRequest {
    pub pid: i32,
    /// Share of one CPU, per cent, 1 to 100.
    pub percent: u8,
    /// Absent: the best that this machine offers.
    #[serde(default)]
    #[schema(value_type = Option<shapes::Method>)]
    pub method: Option<crate::process::protocol::ThrottleMethod>,
}

/// How an agent ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct StopQuery {
    /// Start nothing more and wait for what runs.
    pub drain: bool,
    /// Leave running tasks with the warden; the next agent adopts them.
    pub keep_tasks: bool,
}

/// A refusal: `kind` is for programs and stays, the sentences are for people and may change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    pub kind: String,
    pub message: String,
    pub what_to_do: String,
}

/// A node at one instant.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    pub node: String,
    /// Its public key, by which peers admit it: 64 hexadecimal digits.
    pub key: String,
    pub version: String,
    /// Process that answers.
    pub agent_pid: u32,
    pub home: String,
    /// -1, 0 or +1, and the same as a word.
    pub trit: i8,
    pub trit_word: String,
    /// Load average over CPUs, as read.
    pub load_ratio: Option<f64>,
    /// What the trit judges, smoothed: the same without what tasks add that were put off, or tasks over slots.
    pub load_ratio_smoothed: Option<f64>,
    /// Which of the two: `system` or `tasks`.
    #[serde(default)]
    pub load_source: String,
    pub cpus: Option<u32>,
    /// Pressure of the last ten seconds, per cent.
    pub cpu_pressure: Option<f32>,
    pub memory_total_kib: Option<u64>,
    pub memory_available_kib: Option<u64>,
    /// The hottest sensor.
    pub celsius: Option<i8>,
    /// `mains`, `battery` or `unknown`.
    #[serde(default)]
    pub power: String,
    /// Of all batteries together, also while they are charged.
    pub battery_percent: Option<u8>,
    pub slots: u32,
    /// Slots that are for tasks now; fewer while the owner uses the machine.
    #[serde(default)]
    pub slots_open: u32,
    pub running: u32,
    pub queued: u64,
    pub draining: bool,
    /// Why it starts nothing, or less than it could.
    #[serde(default)]
    pub because: Option<String>,
    pub disk_full: bool,
    /// Why outputs of tasks that ended elsewhere are not in their places yet, where that lasts.
    pub outputs_wait: Option<String>,
    pub warden_pid: Option<u32>,
    pub warden_deaths: u32,
    /// What recovery had to say at the start.
    pub notes: Vec<String>,
    pub peers: Vec<PeerView>,
}

/// A peer as this node last heard of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PeerView {
    pub node: String,
    pub connected: bool,
    pub trit: i8,
    pub trit_word: String,
    pub queued: u32,
    pub running: u32,
    pub slots: u32,
}

/// The trit as a number and its plain word.
#[must_use]
pub const fn trit(trit: NodeTrit) -> (i8, &'static str) {
    match trit {
        NodeTrit::Idle => (-1, "idle"),
        NodeTrit::Balanced => (0, "balanced"),
        NodeTrit::Overloaded => (1, "overloaded"),
    }
}

impl StatusView {
    /// The view of `status`, answered by this process for the folder `home`.
    #[must_use]
    pub fn new(status: NodeStatus, home: &crate::home::Home) -> Self {
        let (number, word) = trit(status.trit);
        let reading = status.reading;
        Self {
            node: status.node,
            key: status.key,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            agent_pid: status.agent_pid,
            home: home.path().to_string_lossy().into_owned(),
            trit: number,
            trit_word: word.to_owned(),
            load_ratio: reading.filter(|reading| reading.cpus > 0).map(|it| it.load1 / f64::from(it.cpus)),
            load_ratio_smoothed: status.smoothed,
            load_source: status.source.name().to_owned(),
            cpus: reading.map(|reading| reading.cpus),
            cpu_pressure: reading.and_then(|reading| reading.cpu_pressure),
            memory_total_kib: reading.and_then(|reading| reading.memory_total_kib),
            memory_available_kib: reading.and_then(|reading| reading.memory_available_kib),
            celsius: status.condition.celsius,
            power: machine::word(status.condition.power).to_owned(),
            battery_percent: status.condition.charge,
            slots: status.slots,
            slots_open: status.open,
            because: status.because,
            running: status.running,
            queued: status.queued,
            draining: status.draining,
            disk_full: status.disk_full,
            outputs_wait: status.outputs_wait,
            warden_pid: status.warden_pid,
            warden_deaths: status.warden_deaths,
            notes: status.notes,
            peers: status.peers.into_iter().map(PeerView::from).collect(),
        }
    }
}

impl From<PeerStatus> for PeerView {
    fn from(peer: PeerStatus) -> Self {
        let (number, word) = trit(peer.trit);
        Self {
            node: peer.node,
            connected: peer.connected,
            trit: number,
            trit_word: word.to_owned(),
            queued: peer.queued,
            running: peer.running,
            slots: peer.slots,
        }
    }
}
