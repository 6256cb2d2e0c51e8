//! Names of nodes, for people: short, and the same in a terminal, in a file name and in an address.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize};

use crate::words::limits::{MEMBERS_MAX, NAME_BYTES_MAX};

/// One to 63 of `a`–`z`, `0`–`9` and `-`, the hyphen neither first nor last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Name(String);

impl Name {
    /// Reads a name as it stands.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let good = (1..=NAME_BYTES_MAX).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with('-')
            && !text.ends_with('-');
        good.then(|| Self(text.to_string()))
    }

    /// The nearest name to a machine's host name: its first label in lower case, everything else as hyphens.
    #[must_use]
    pub fn near(text: &str) -> Self {
        let label = text.split('.').next().unwrap_or_default();
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
        let mut name: String = label.chars().map(plain).take(NAME_BYTES_MAX).collect();
        name = name.trim_matches('-').to_string();
        Self::parse(&name).unwrap_or_else(|| Self("node".to_string()))
    }

    /// This name, or the first of `name-2`, `name-3` … that is not `taken`.
    #[must_use]
    pub fn free(&self, taken: impl Fn(&Self) -> bool) -> Self {
        if !taken(self) {
            return self.clone();
        }
        let numbered = |number: usize| {
            let tail = format!("-{number}");
            let head: String = self.0.chars().take(NAME_BYTES_MAX - tail.len()).collect();
            Self(format!("{}{tail}", head.trim_end_matches('-')))
        };
        // One number more than there can be members, so one is free.
        (2..=MEMBERS_MAX + 2).map(numbered).find(|name| !taken(name)).unwrap_or_else(|| self.clone())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no name of a node"))
    }
}
