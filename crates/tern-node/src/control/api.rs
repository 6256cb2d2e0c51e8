//! The JSON that goes through the door.

use serde::{Deserialize, Serialize};
use tern_core::promise::Exit;
use tern_core::words::{Bytes, Halt};

/// `POST /v1/jobs`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubmitRequest {
    pub name: String,
    /// The command's words with places such as `{}` in them.
    pub argv: Vec<Bytes>,
    /// `argv` is one text for this shell.
    pub shell: Option<String>,
    /// Add `{}` at the end where `argv` has no place.
    pub append: bool,
    /// One row of columns a task.
    pub rows: Option<Vec<Vec<Bytes>>>,
    /// Tasks first..=last with that number as their argument.
    pub array: Option<(i64, i64)>,
    pub parallel: u32,
    /// 0 counts as 1.
    pub tries: u8,
    pub timeout_ms: Option<u64>,
    pub halt: Halt,
    pub held: bool,
    pub local_only: bool,
    pub rlimits: Vec<(String, u64, u64)>,
    /// Names and values that travel to other nodes.
    pub env: Vec<(Bytes, Bytes)>,
    pub cwd: Bytes,
    pub environment: Vec<(Bytes, Bytes)>,
}

/// One counted end, a line of `GET /v1/jobs/{job}/results?follow=&output=` (NDJSON).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskResult {
    /// From 1, as `{#}`.
    pub number: u32,
    pub round: u16,
    pub exit: Exit,
    /// As a shell shows it.
    pub status: u8,
    pub started_ms: u64,
    pub ran_ms: f64,
    pub cpu_ms: f64,
    pub rss_kib: u32,
    /// Tag of the node that ran it.
    pub node: String,
    pub stdout_bytes: u64,
    pub stderr_bytes: u64,
    /// With `output=true`; absent where nothing was written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stdout: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stderr: Option<Bytes>,
}

/// `POST /v1/jobs` answers with this.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Submitted {
    pub job: String,
}
