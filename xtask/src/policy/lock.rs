//! `Cargo.lock`: every package of every platform, with where it came from.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub struct Lock {
    #[serde(rename = "package")]
    pub packages: Vec<Locked>,
}

#[derive(Debug, Deserialize)]
pub struct Locked {
    pub name: String,
    pub version: String,
    /// Absent for the workspace's own crates.
    pub source: Option<String>,
    pub checksum: Option<String>,
}

impl Lock {
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| format!("Cargo.lock: {error}"))
    }
}
