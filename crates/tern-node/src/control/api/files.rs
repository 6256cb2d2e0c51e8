//! Copies of files between nodes.

use serde::{Deserialize, Serialize};
use tern_core::words::Bytes;
use utoipa::ToSchema;

use crate::control::document::shapes;

/// `POST /v1/copies`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CopyRequest {
    /// The node that has the files, by name, short key or key; null: this one.
    pub from: Option<String>,
    /// Paths there: absolute, or from the home folder of the agent's user.
    #[schema(value_type = Vec<shapes::Text>)]
    pub sources: Vec<Bytes>,
    /// The node that gets them; null: this one.
    pub to: Option<String>,
    #[schema(value_type = shapes::Text)]
    pub target: Bytes,
    /// Folders with all that is in them.
    pub recursive: bool,
    /// Overwrite files that are there.
    pub force: bool,
}

/// `POST /v1/shares`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ShareRequest {
    /// Paths of this node.
    #[schema(value_type = Vec<shapes::Text>)]
    pub sources: Vec<Bytes>,
    pub recursive: bool,
}
