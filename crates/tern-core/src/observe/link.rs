//! The link trit: +1 direct, 0 relayed, −1 failed.
//!
//! How this node reaches another one: by a path of its own, through other machines, or not at all. Of two equally
//! loaded machines the one that is reached directly gets the work; one that is not reached gets none.

use core::fmt;

use serde::{Deserialize, Serialize};

/// How another node is reached (RS-23). No relative of the host's trit: there is no way from one to the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkTrit {
    /// −1: no path is known that works.
    #[default]
    Failed,
    /// 0: through another member, or a relay.
    Relayed,
    /// +1: from address to address.
    Direct,
}

impl LinkTrit {
    /// `+1`, `0` or `-1`.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Failed => "-1",
            Self::Relayed => "0",
            Self::Direct => "+1",
        }
    }

    /// The plain word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Relayed => "relayed",
            Self::Direct => "direct",
        }
    }
}

impl fmt::Display for LinkTrit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Failed => "-1 failed",
            Self::Relayed => "0 relayed",
            Self::Direct => "+1 direct",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn the_plain_word_stands_beside_the_sign_and_a_better_link_is_greater() {
        for link in [LinkTrit::Failed, LinkTrit::Relayed, LinkTrit::Direct] {
            assert_eq!(format!("{link}"), format!("{} {}", link.sign(), link.word()));
        }
        assert_eq!(format!("{:>12}", LinkTrit::Direct), "   +1 direct");
        assert!(LinkTrit::Failed < LinkTrit::Relayed && LinkTrit::Relayed < LinkTrit::Direct);
    }
}
