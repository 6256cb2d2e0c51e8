//! The calls that concern work as it moves.

use hyper::Method;
use tern_core::observe::kpi::Kpi;

use super::{Door, DoorError, NOTHING, segment};
use crate::control::api::Done;
use crate::control::api::balance::BalanceView;
use crate::control::api::ledger::LedgerView;
use crate::control::api::work::{
    ExplainView, FlowView, LatelyView, MigrateRequest, MigrationView, QueueView, StandingView,
};

impl Door {
    /// Starts nothing more on this node. With `wait` it returns when nothing runs here any more.
    pub async fn drain(&self, wait: bool) -> Result<(), DoorError> {
        let _done: Done = self.call(Method::POST, &format!("/v1/drain?wait={wait}"), NOTHING).await?;
        Ok(())
    }

    pub async fn undrain(&self) -> Result<StandingView, DoorError> {
        self.call(Method::POST, "/v1/undrain", NOTHING).await
    }

    pub async fn drain_node(&self, node: &str, wait: bool) -> Result<StandingView, DoorError> {
        self.call(Method::POST, &format!("/v1/nodes/{}/drain?wait={wait}", segment(node)), NOTHING).await
    }

    pub async fn undrain_node(&self, node: &str) -> Result<StandingView, DoorError> {
        self.call(Method::POST, &format!("/v1/nodes/{}/undrain", segment(node)), NOTHING).await
    }

    /// What waits on this node, and why.
    pub async fn queue(&self) -> Result<QueueView, DoorError> {
        self.get("/v1/queue").await
    }

    /// Answered when it is clear what became of the task.
    pub async fn migrate(&self, request: &MigrateRequest) -> Result<MigrationView, DoorError> {
        self.call(Method::POST, "/v1/migrate", Some(request)).await
    }

    pub async fn flow(&self) -> Result<FlowView, DoorError> {
        self.get("/v1/flow").await
    }

    pub async fn balance(&self) -> Result<BalanceView, DoorError> {
        self.get("/v1/balance").await
    }

    /// The same, carried out.
    pub async fn apply_balance(&self) -> Result<BalanceView, DoorError> {
        self.call(Method::POST, "/v1/balance", NOTHING).await
    }

    pub async fn ledger(&self) -> Result<LedgerView, DoorError> {
        self.get("/v1/ledger").await
    }

    pub async fn decisions(&self) -> Result<Vec<LatelyView>, DoorError> {
        self.get("/v1/decisions").await
    }

    /// The figures of what was written since then, Unix milliseconds; 0: of all of it.
    pub async fn kpi(&self, since_ms: u64) -> Result<Kpi, DoorError> {
        self.get(&format!("/v1/kpi?since={since_ms}")).await
    }

    /// `task` from 1.
    pub async fn explain(&self, job: &str, task: Option<u32>) -> Result<ExplainView, DoorError> {
        let task = task.map_or_else(String::new, |number| format!("?task={number}"));
        self.get(&format!("/v1/jobs/{}/explain{task}", segment(job))).await
    }
}
