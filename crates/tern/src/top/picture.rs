//! What is shown: the nodes, this node, its jobs. It is asked for once a second, so that one screen is one moment.

use serde::Serialize;
use tern_core::view::{JobState, JobView};
use tern_node::control::api::StatusView;
use tern_node::control::api::grid::NodesView;
use tern_node::control::api::work::FlowView;
use tern_node::control::{Door, DoorError};

/// One moment.
#[derive(Clone, Debug, Serialize)]
pub struct Picture {
    pub status: StatusView,
    /// None: the node is in no grid.
    pub grid: Option<NodesView>,
    /// Who has tasks of whom.
    pub flow: FlowView,
    /// Those that run or wait.
    pub jobs: Vec<JobView>,
}

impl Picture {
    pub async fn take(door: &Door) -> Result<Self, DoorError> {
        let status = door.status().await?;
        let grid = match door.nodes().await {
            Err(DoorError::Refused { kind, .. }) if kind == "no_mesh" => None,
            grid => Some(grid?),
        };
        let flow = if grid.is_some() { door.flow().await? } else { FlowView::default() };
        let mut jobs = door.jobs().await?;
        jobs.retain(|job| matches!(job.state, JobState::Running | JobState::Queued));
        // Those that run before those that wait, the newest first.
        jobs.sort_by_key(|job| (job.state != JobState::Running, std::cmp::Reverse(job.accepted_ms)));
        Ok(Self { status, grid, flow, jobs })
    }
}
