//! The resolved tree of this platform, from `cargo metadata`.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Deserialize)]
pub struct Tree {
    pub packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
pub struct Package {
    pub id: String,
    pub name: String,
    pub version: String,
    /// An SPDX expression.
    pub license: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Debug, Deserialize)]
struct Kind {
    /// None is a normal dependency; else "build" or "dev".
    kind: Option<String>,
}

impl Tree {
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("cargo metadata: {error}"))
    }

    /// Packages that are built to build `package`, itself not counted; 0 where there is no such package.
    pub fn weight(&self, package: &str) -> usize {
        let edges: BTreeMap<&str, &[Edge]> =
            self.resolve.nodes.iter().map(|node| (node.id.as_str(), node.deps.as_slice())).collect();
        let start = self.packages.iter().find(|found| found.name == package).map(|found| found.id.as_str());
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = start.into_iter().collect();
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                let built = edges.get(id).into_iter().copied().flatten().filter(|edge| edge.is_built());
                open.extend(built.map(|edge| edge.pkg.as_str()));
            }
        }
        seen.len().saturating_sub(1)
    }
}

impl Edge {
    fn is_built(&self) -> bool {
        self.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
    }
}
