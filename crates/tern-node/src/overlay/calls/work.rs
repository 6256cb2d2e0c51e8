//! What members ask of each other about work: start nothing more, start again, how do you stand, whom do you lend to.
//!
//! Any member may ask any of it: a member may do what its owner may do.

use std::time::Duration;

use iroh::endpoint::SendStream;
use serde::{Deserialize, Serialize};
use tern_core::machine::{Command, Deny};
use tern_core::view::Flow;
use tern_core::words::{JobId, NodeId};
use tokio::sync::oneshot;

use super::{Call, read, write};
use crate::node::handle::LedgerPage;
use crate::node::input::{Ask, Peer};
use crate::node::{NodeError, NodeStatus};
use crate::overlay::peers::{CallError, Peers};

/// Rows of one answer; the largest of more.
pub const FLOWS_MAX: usize = 100;
/// How long the own loop may take for an answer.
const LOOP_TIMEOUT: Duration = Duration::from_secs(8);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkAsk {
    /// Start nothing more; answered when that is durable.
    Drain,
    Undrain,
    /// How it stands.
    Standing,
    /// Who has tasks of whom, as far as the asked node is one of the two.
    Flow,
    /// What it posted of transfers, from this line on.
    Ledger(u64),
    /// So many tasks wait there: take them, if there is room.
    Take {
        from: NodeId,
        tasks: u32,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkAnswer {
    Standing(Standing),
    Flow(Vec<FlowRow>),
    Ledger(Box<LedgerPage>),
}

/// How a node stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub draining: bool,
    pub running: u32,
    /// Tasks that wait there and that some other node could be lent now.
    pub movable: u64,
    /// Why it starts nothing, or less than it could.
    pub because: Option<String>,
}

/// Tasks of a job that one node has of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FlowRow {
    pub from: NodeId,
    pub to: NodeId,
    pub job: JobId,
    pub tasks: u32,
}

impl From<&NodeStatus> for Standing {
    fn from(status: &NodeStatus) -> Self {
        Self {
            draining: status.draining,
            running: status.running,
            movable: status.movable,
            because: status.because.clone(),
        }
    }
}

/// One row for each job and pair of nodes, the largest first.
#[must_use]
pub fn rows(flows: &[Flow]) -> Vec<FlowRow> {
    let mut rows: Vec<FlowRow> = Vec::new();
    for flow in flows.iter().filter(|flow| flow.tasks > 0) {
        let same = |row: &&mut FlowRow| (row.from, row.to, row.job) == (flow.from, flow.to, flow.job);
        match rows.iter_mut().find(same) {
            Some(row) => row.tasks = row.tasks.saturating_add(flow.tasks),
            None => rows.push(FlowRow { from: flow.from, to: flow.to, job: flow.job, tasks: flow.tasks }),
        }
    }
    rows.sort_by_key(|row| (std::cmp::Reverse(row.tasks), *row));
    rows.truncate(FLOWS_MAX);
    rows
}

/// Asks a member.
///
/// # Errors
/// [`CallError`]
pub async fn ask(peers: &Peers, node: &NodeId, ask: WorkAsk) -> Result<WorkAnswer, CallError> {
    let (mut send, mut receive) = peers.call(node, &Call::Work(ask)).await?;
    let answer: Result<WorkAnswer, String> =
        read(&mut receive).await.map_err(|why| CallError::Broken { node: *node, why })?;
    // The other end sees the end of the stream; nothing is left to lose.
    let _closed = send.finish();
    answer.map_err(CallError::Refused)
}

/// Answers a member.
pub(super) async fn answer(peers: &Peers, ask: WorkAsk, send: &mut SendStream) -> Result<(), String> {
    write(send, &Ok::<(), String>(())).await?;
    let answered = tokio::time::timeout(LOOP_TIMEOUT, done(peers, ask)).await;
    write(send, &answered.unwrap_or_else(|_| Err("the node is too busy to answer".to_owned()))).await
}

async fn done(peers: &Peers, ask: WorkAsk) -> Result<WorkAnswer, String> {
    let command = match ask {
        WorkAsk::Drain => Some(Command::Drain { wait: false }),
        WorkAsk::Undrain => Some(Command::Undrain),
        WorkAsk::Standing | WorkAsk::Flow | WorkAsk::Ledger(_) | WorkAsk::Take { .. } => None,
    };
    if let Some(command) = command {
        let done = loop_says(peers, |reply| Ask::Command { command, reply }).await?;
        done.map_err(|error| why(&error))?;
    }
    if let WorkAsk::Take { from, tasks } = ask
        && !loop_says(peers, |reply| Ask::Offered { from, tasks, reply }).await?
    {
        return Err("it has no room for them now, or does not reach that node".to_owned());
    }
    if ask == WorkAsk::Flow {
        return Ok(WorkAnswer::Flow(rows(&loop_says(peers, Ask::Flows).await?)));
    }
    if let WorkAsk::Ledger(from) = ask {
        return Ok(WorkAnswer::Ledger(Box::new(loop_says(peers, |reply| Ask::Ledger { from, reply }).await?)));
    }
    let status = loop_says(peers, Ask::Status).await?;
    Ok(WorkAnswer::Standing(Standing::from(&status)))
}

async fn loop_says<T>(peers: &Peers, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, String> {
    let (reply, answer) = oneshot::channel();
    let stopping = || "the node is stopping".to_owned();
    peers.to_loop().send(Peer::Asks(Box::new(ask(reply)))).await.map_err(|_| stopping())?;
    answer.await.map_err(|_| stopping())
}

/// What another node is told of an order that was not carried out.
fn why(error: &NodeError) -> String {
    match error {
        NodeError::Denied(Deny::StorageFull) => "the disk of its state folder is full: make room there".to_owned(),
        NodeError::Denied(Deny::StorageFailed) => "the disk of its state folder failed to write".to_owned(),
        NodeError::Denied(Deny::Backpressure) => "too much waits to be written to its disk: ask again".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loans_of_one_job_between_two_nodes_are_one_row() {
        let (a, b) = (NodeId([1; 32]), NodeId([2; 32]));
        let flow = |from, to, job, tasks| Flow { job: JobId(job), from, to, n: 1, tasks, ends_in_ms: None };
        let flows = [flow(a, b, 1, 2), flow(a, b, 1, 3), flow(a, b, 2, 9), flow(b, a, 3, 0)];
        let row = |job, tasks| FlowRow { from: a, to: b, job: JobId(job), tasks };
        assert_eq!(rows(&flows), [row(2, 9), row(1, 5)]);
    }
}
