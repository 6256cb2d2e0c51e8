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
        routes::work::migrate::migrate,
        routes::ledger::ledger,
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
        pub percent: u8,
        pub method: Method,
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
