//! `policy.toml` as it is read.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    pub licences: Licences,
    pub sources: Sources,
    /// Crate → why it may not come in and what to take instead.
    pub bans: BTreeMap<String, String>,
    pub duplicates: Duplicates,
    pub weight: Weight,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licences {
    /// SPDX names; an exception is part of the name.
    pub allowed: BTreeSet<String>,
    /// Crate → the licence that is accepted for it alone.
    #[serde(default)]
    pub exceptions: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    pub allowed: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duplicates {
    /// Crate → number of versions that may be in the lock file at once.
    pub budget: BTreeMap<String, usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    pub package: String,
    /// Packages in its tree on one platform, build dependencies included, tests excluded.
    pub budget: usize,
}

impl Rules {
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| format!("policy.toml: {error}"))
    }
}
