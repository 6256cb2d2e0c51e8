//! The calls that concern the grid.

use hyper::Method;

use super::{Door, DoorError, NOTHING, segment};
use crate::control::api::Done;
use crate::control::api::entry::{
    InvitationView, InviteRequest, JoinRequest, JoinedView, LeftView, RecoverRequest, RemovedView,
};
use crate::control::api::grid::{MembersView, NodeEntry, NodesView};
use crate::control::api::ways::{ForwardRequest, ForwardView, NetcheckView, PathView, PingRequest, PingView};
use crate::control::api::zones::{ZoneEntry, ZonesView};

impl Door {
    pub async fn members(&self) -> Result<MembersView, DoorError> {
        self.get("/v1/members").await
    }

    pub async fn nodes(&self) -> Result<NodesView, DoorError> {
        self.get("/v1/nodes").await
    }

    /// By name, short key or whole key, as everywhere here.
    pub async fn node(&self, node: &str) -> Result<NodeEntry, DoorError> {
        self.get(&format!("/v1/nodes/{}", segment(node))).await
    }

    pub async fn zones(&self) -> Result<ZonesView, DoorError> {
        self.get("/v1/zones").await
    }

    /// By its whole name.
    pub async fn zone(&self, zone: &str) -> Result<ZoneEntry, DoorError> {
        self.get(&format!("/v1/zones/{}", segment(zone))).await
    }

    pub async fn invite(&self, request: &InviteRequest) -> Result<InvitationView, DoorError> {
        self.call(Method::POST, "/v1/invitations", Some(request)).await
    }

    pub async fn join(&self, request: &JoinRequest) -> Result<JoinedView, DoorError> {
        self.call(Method::POST, "/v1/join", Some(request)).await
    }

    pub async fn leave(&self) -> Result<LeftView, DoorError> {
        self.call(Method::POST, "/v1/leave", NOTHING).await
    }

    pub async fn remove(&self, node: &str) -> Result<RemovedView, DoorError> {
        self.call(Method::DELETE, &format!("/v1/members/{}", segment(node)), NOTHING).await
    }

    pub async fn recover(&self, request: &RecoverRequest) -> Result<(), DoorError> {
        let _done: Done = self.call(Method::POST, "/v1/recover", Some(request)).await?;
        Ok(())
    }

    pub async fn rotate(&self) -> Result<(), DoorError> {
        let _done: Done = self.call(Method::POST, "/v1/rotate", NOTHING).await?;
        Ok(())
    }

    pub async fn path(&self, node: &str) -> Result<PathView, DoorError> {
        self.get(&format!("/v1/path/{}", segment(node))).await
    }

    pub async fn ping(&self, node: &str, request: PingRequest) -> Result<PingView, DoorError> {
        self.call(Method::POST, &format!("/v1/ping/{}", segment(node)), Some(&request)).await
    }

    pub async fn netcheck(&self) -> Result<NetcheckView, DoorError> {
        self.get("/v1/netcheck").await
    }

    pub async fn forwards(&self) -> Result<Vec<ForwardView>, DoorError> {
        self.get("/v1/forwards").await
    }

    pub async fn forward(&self, request: &ForwardRequest) -> Result<ForwardView, DoorError> {
        self.call(Method::POST, "/v1/forwards", Some(request)).await
    }

    pub async fn close_forward(&self, local: &str) -> Result<(), DoorError> {
        let _done: Done = self.call(Method::DELETE, &format!("/v1/forwards/{}", segment(local)), NOTHING).await?;
        Ok(())
    }
}
