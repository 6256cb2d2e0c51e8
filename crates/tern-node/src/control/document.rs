//! The OpenAPI document of the control API, made from the routes themselves.
//!
//! It is served at `/v1/openapi.json` and kept in `docs/openapi.json`; a test compares the two and the routes.

use utoipa::OpenApi;
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};

use super::{api, routes};

/// The description of every route.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tern control API",
        description = "One node's jobs, results, throttles and state, and its grid. Served on a unix socket in the state folder \
                       (`control.sock`, 0600); the peer's uid is checked.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        routes::jobs::submit,
        routes::jobs::list,
        routes::jobs::show,
        routes::jobs::forget,
        routes::jobs::hold,
        routes::jobs::release,
        routes::jobs::cancel,
        routes::jobs::retry,
        routes::work::explain,
        routes::work::decisions,
        routes::outputs::results,
        routes::outputs::output,
        routes::files::copy,
        routes::files::share,
        routes::node::status,
        routes::node::throttles,
        routes::node::throttle,
        routes::node::release_throttle,
        routes::grid::members,
        routes::grid::nodes,
        routes::grid::node,
        routes::grid::zones,
        routes::grid::zone,
        routes::grid::entry::remove,
        routes::grid::entry::invite,
        routes::grid::entry::join,
        routes::grid::entry::leave,
        routes::grid::entry::rotate,
        routes::grid::entry::recover,
        routes::grid::ways::path,
        routes::grid::ways::ping,
        routes::grid::ways::netcheck,
        routes::grid::forwards::list,
        routes::grid::forwards::open,
        routes::grid::forwards::close,
        routes::work::drain,
        routes::work::undrain,
        routes::work::drain_node,
        routes::work::undrain_node,
        routes::work::flow,
        routes::work::queue,
        routes::work::migrate::migrate,
        routes::ledger::ledger,
        routes::figures::kpi::kpi,
        routes::figures::metrics::metrics,
        routes::grid::balance::balance,
        routes::grid::balance::apply,
        routes::node::stop,
        routes::node::document,
    ),
    components(schemas(api::Refusal, api::TaskResult))
)]
pub struct Document;

/// The document as JSON with a final newline.
#[must_use]
pub fn json() -> String {
    let mut document = Document::openapi();
    // One path a crate version: the document must not change with the build.
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    refusals(&mut document);
    // The document holds texts and maps with text keys only; serde_json has no way to fail on those.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Every operation may refuse, and always in the same shape.
fn refusals(document: &mut utoipa::openapi::OpenApi) {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("Refusal"))).build();
    let refusal = ResponseBuilder::new()
        .description("Refused, with the reason and what to do; nothing was changed.")
        .content("application/json", body)
        .build();
    for path in document.paths.paths.values_mut() {
        for operation in [&mut path.get, &mut path.post, &mut path.delete].into_iter().flatten() {
            operation.responses.responses.insert("default".to_owned(), refusal.clone().into());
        }
    }
}

/// Shapes of the core's types in the document. Never built: the core cannot know about HTTP, so they are mirrored here, and
/// a test compares what both serialise to.
pub mod shapes {
    use serde::Serialize;
    use utoipa::ToSchema;

    /// A string where it is UTF-8, else an array of byte values.
    #[derive(Serialize, ToSchema)]
    #[serde(untagged)]
    pub enum Text {
        Utf8(String),
        Bytes(Vec<u8>),
    }

    /// How an attempt ended.
    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum ExitForm {
        /// The program's own exit code; 127 where it was not found, 126 where it may not be run.
        Code(u8),
        Signal(u8),
        TimedOut,
        Cancelled,
        /// It did not count and runs again.
        Void,
        /// Ended on request, with 85.
        Checkpointed,
    }

    /// What happened to a task that was to move.
    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum How {
        /// It had not begun, and waits or runs on the other node now.
        Moved,
        /// It left a checkpoint and goes on from it on the other node.
        Checkpointed,
        /// It was stopped, and runs again on the other node.
        Rerun,
        /// It cannot move and is held back where it runs.
        Throttled,
        /// Nothing was done.
        Refused,
        /// It was over before it could move.
        Ended,
        /// The other node did not take it.
        Stayed,
    }

    /// The order in which tasks start.
    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Lane {
        Fifo,
        Interactive,
        Batch,
        Deadline,
    }

    /// When to stop a job early.
    #[derive(Serialize, ToSchema)]
    pub struct HaltRule {
        pub when: HaltTime,
        pub what: HaltEnd,
        pub count: u32,
        pub percent: bool,
    }

    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum HaltTime {
        Never,
        Soon,
        Now,
    }

    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum HaltEnd {
        Fail,
        Success,
        Done,
    }

    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Method {
        Quota,
        Weight,
        Autogroup,
        DutyCycle,
    }

    /// A process that is held back.
    #[derive(Serialize, ToSchema)]
    pub struct Throttled {
        pub pid: i32,
        /// Clock ticks since boot at its start.
        pub start_time: u64,
        /// Share of one CPU; null where the method keeps to no share.
        pub percent: Option<u8>,
        pub method: Method,
        pub asked_by: AskedBy,
    }

    /// Who had a process held back.
    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum AskedBy {
        /// By a command or this API.
        Person,
        /// The decision matrix, which lets go of it by itself.
        Matrix,
    }

    /// What became of tasks.
    #[derive(Serialize, ToSchema)]
    pub struct KpiTasks {
        pub accepted: u64,
        pub done: u64,
        /// Those that ran out of time among them.
        pub failed: u64,
        /// Ended while they ran, because their job was cancelled.
        pub cancelled: u64,
        /// Ends after which the task runs again, or of a copy that came second.
        pub again: u64,
        /// Ends here of tasks of other nodes.
        pub foreign: u64,
    }

    /// Tasks that changed their node.
    #[derive(Serialize, ToSchema)]
    pub struct KpiMoves {
        pub lent: u64,
        /// Back without having run.
        pub returned: u64,
        pub borrowed: u64,
    }

    /// The figures. Seconds are seconds, rates are for one second; null: not measured, and `not_measured` says why.
    #[derive(Serialize, ToSchema)]
    pub struct KpiFigures {
        /// σ² of ρ over the nodes that are known, mean over time.
        pub load_variance: Option<f64>,
        /// σ / ρ̄ of the same, mean over time.
        pub load_variation: Option<f64>,
        /// Own tasks that left this node, or came back without having run.
        pub migration_rate: Option<f64>,
        /// From acceptance (or the end of the try before) to the start of a run that ended well or failed.
        pub queue_latency_mean: Option<f64>,
        /// Nearest rank: the ⌈0.50 n⌉-th of n, and so on.
        pub queue_latency_p50: Option<f64>,
        pub queue_latency_p95: Option<f64>,
        pub queue_latency_p99: Option<f64>,
        /// Σ slots × time that tasks took here, over Σ slots × time that there were for tasks.
        pub utilisation: Option<f64>,
        /// Of jobs that began and ended in this time: their time over max(Σ work / Σ capacity, longest task).
        pub makespan_over_bound: Option<f64>,
        pub makespan_over_bound_worst: Option<f64>,
        /// Jain's index over nodes: what own tasks took of each, over the slots that it had while there were any.
        pub jain: Option<f64>,
        /// Own tasks that were over, a second.
        pub throughput: Option<f64>,
        /// W: from acceptance to end.
        pub task_latency_mean: Option<f64>,
        /// L: own tasks in the system, mean over time.
        pub tasks_in_system: Option<f64>,
        /// λW; λ is `throughput`.
        pub little_lambda_w: Option<f64>,
        /// |L − λW| of the greater.
        pub little_apart: Option<f64>,
    }

    /// What the event log says of a time.
    #[derive(Serialize, ToSchema)]
    pub struct Kpi {
        /// Unix milliseconds of the first and the last line.
        pub from_ms: Option<u64>,
        pub to_ms: Option<u64>,
        /// That the agent was there and the machine awake.
        pub seconds: f64,
        /// Lives of the agent.
        pub lives: u32,
        pub lines: u64,
        /// Lines that could not be read.
        pub unreadable: u64,
        /// Nodes of whose slots something was known.
        pub nodes: u32,
        /// Starts that seem to lie before their task was accepted; they are no part of any figure.
        pub clock_steps: u64,
        /// Jobs behind `makespan_over_bound`.
        pub jobs_measured: u64,
        pub tasks: KpiTasks,
        pub moves: KpiMoves,
        pub figures: KpiFigures,
        /// Why a figure is absent, by its name.
        pub not_measured: std::collections::BTreeMap<String, String>,
    }

    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum State {
        Held,
        Queued,
        Running,
        Done,
        Failed,
        Cancelled,
    }

    #[derive(Serialize, ToSchema)]
    pub struct Counts {
        pub total: u32,
        pub done: u32,
        pub failed: u32,
        pub cancelled: u32,
        pub running: u32,
        pub queued: u32,
    }

    /// One job.
    #[derive(Serialize, ToSchema)]
    pub struct Job {
        /// The id in its full form, `12-3f9a1c2b`.
        pub job: String,
        pub name: String,
        pub command: String,
        pub state: State,
        pub tasks: Counts,
        pub round: u16,
        /// Unix milliseconds.
        pub accepted_ms: u64,
        pub ended_ms: Option<u64>,
        /// Why it waits, where it waits.
        pub because: Option<String>,
        /// Journals that hold it, of those wanted: "1 of 1".
        pub durability: String,
        /// When all of it should be over, Unix milliseconds, where that was said.
        pub deadline_ms: Option<u64>,
    }
}
