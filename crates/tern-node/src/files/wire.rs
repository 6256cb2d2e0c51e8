//! What two nodes say to each other about files, and what a face hears of a copy.

use iroh::endpoint::{RecvStream, SendStream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use tern_core::words::{Bytes, NodeId};
use utoipa::ToSchema;

use super::outline::ContentId;
use crate::overlay::calls;

/// Bytes of one message about files.
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// Bytes of a reason in words: many of them travel in one message at the end of a copy.
pub const WHY_BYTES_MAX: usize = 1024;

/// Why something was not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The order makes no sense.
    Invalid,
    NoSuchFile,
    NoSuchNode,
    /// Something is there that would be overwritten.
    Exists,
    NoPermission,
    /// A name, a kind of file or a size that is not taken, or a node that takes and gives none.
    Refused,
    /// The source changed while it was read.
    Changed,
    /// What came is not what was named.
    Damaged,
    /// As many copies run as may; or another one has the same target.
    Busy,
    StorageFull,
    Unreachable,
    /// It broke off; the same command goes on.
    Broken,
    NoIdlePeers,
    Io,
}

impl Kind {
    /// The word that programs see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NoSuchFile => "no_such_file",
            Self::NoSuchNode => "no_such_node",
            Self::Exists => "exists",
            Self::NoPermission => "no_permission",
            Self::Refused => "refused",
            Self::Changed => "changed",
            Self::Damaged => "damaged",
            Self::Busy => "busy",
            Self::StorageFull => "storage_full",
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::NoIdlePeers => "no_idle_peers",
            Self::Io => "io",
        }
    }
}

/// A refusal or a failure, in words for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Trouble {
    pub kind: Kind,
    #[serde(deserialize_with = "shortened")]
    pub message: String,
}

impl Trouble {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: short(message.into()) }
    }

    /// Of the system's, about this path.
    #[must_use]
    pub fn at(path: &std::path::Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Of;
        let kind = match error.kind() {
            Of::NotFound | Of::NotADirectory => Kind::NoSuchFile,
            Of::AlreadyExists => Kind::Exists,
            Of::PermissionDenied | Of::ReadOnlyFilesystem => Kind::NoPermission,
            Of::StorageFull | Of::QuotaExceeded => Kind::StorageFull,
            _ => Kind::Io,
        };
        Self::new(kind, format!("{}: {error}", path.display()))
    }
}

/// Cuts a reason to [`WHY_BYTES_MAX`]. The middle goes: it stands in long paths, and what is wrong stands at the end. Letters that
/// steer a terminal go, too; written as JSON each would be six.
#[must_use]
pub fn short(why: String) -> String {
    let why = if why.contains(char::is_control) { why.replace(char::is_control, "\u{fffd}") } else { why };
    if why.len() <= WHY_BYTES_MAX {
        return why;
    }
    let half = WHY_BYTES_MAX / 2;
    let head = why.floor_char_boundary(half);
    let tail = why.ceil_char_boundary(why.len() - half + '…'.len_utf8());
    format!("{}…{}", &why[..head], &why[tail..])
}

/// Cut on arrival as well: the other node need not have done it.
fn shortened<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    String::deserialize(from).map(short)
}

/// What one node asks of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// What there is under these paths: [`Listed`] until its end.
    List { sources: Vec<Vec<u8>>, recursive: bool },
    /// The name of a file's content: [`Outlined`], then the hashes of its groups.
    /// `bare`: without the content, however small it is.
    Outline { path: Vec<u8>, bare: bool },
    /// A content from one of its groups on.
    Content(Wanted),
    /// Fetch this: [`Event`] until it is done.
    Take(Order),
}

/// A content, where it is, and over whom it comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    pub id: ContentId,
    pub path: Vec<u8>,
    /// The nodes behind the asked one, the source last; empty: the asked one has it.
    pub way: Vec<NodeId>,
    /// The first group that is wanted.
    pub first: u64,
}

/// What to fetch, and where to put it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub from: NodeId,
    pub sources: Vec<Vec<u8>>,
    pub target: Vec<u8>,
    pub recursive: bool,
    pub force: bool,
    /// The target is the folder for files that others share: it is made, and a name that is taken gets a number.
    pub inbox: bool,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listed {
    /// The next source begins; what it is called without its folder.
    Source {
        title: Vec<u8>,
    },
    Entry(Entry),
    /// Something that is not copied, and why.
    Skipped {
        name: Vec<u8>,
        #[serde(deserialize_with = "shortened")]
        why: String,
    },
    End,
    Failed(Trouble),
}

/// A file or folder below a source; the empty name is the source itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub name: Vec<u8>,
    pub mode: u32,
    pub form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// Where it is on its machine, and how large.
    File {
        path: Vec<u8>,
        size: u64,
    },
    Folder,
    Link {
        target: Vec<u8>,
    },
}

/// A file's content by name; a small one is here, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlined {
    pub id: ContentId,
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    pub whole: Option<Vec<u8>>,
}

/// What a copy did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    pub files: u64,
    pub bytes: u64,
    /// Bytes of these that an earlier try had left.
    pub resumed_bytes: u64,
    /// Files that were there already with the same content.
    pub unchanged: u64,
    /// Hops between the two nodes: 1 is direct.
    pub hops: u32,
    /// Where the last source came to be.
    #[schema(value_type = crate::control::document::shapes::Text)]
    pub target: Bytes,
    /// What was not copied, and why.
    pub refused: Vec<String>,
}

/// What happened to a copy, as it happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// All that there is to copy.
    Total {
        files: u64,
        bytes: u64,
    },
    /// Bytes that are there up to now.
    Progress {
        bytes: u64,
    },
    /// Who gets a shared file, and why: load average over CPUs in thousandths, and how many idle nodes there are.
    Chosen {
        node: String,
        rho_milli: u16,
        idle: u32,
    },
    /// For the person who waits.
    Note {
        text: String,
    },
    Done(Summary),
    #[schema(value_type = Object)]
    Failed(Trouble),
}

/// Writes one message.
pub async fn say<T: Serialize>(stream: &mut SendStream, value: &T) -> Result<(), Trouble> {
    calls::write(stream, value).await.map_err(|why| Trouble::new(Kind::Broken, why))
}

/// Reads one message; it may take its time to begin.
pub async fn hear<T: DeserializeOwned>(stream: &mut RecvStream) -> Result<T, Trouble> {
    let broken = |why: String| Trouble::new(Kind::Broken, why);
    let bytes = calls::frame(stream, MESSAGE_BYTES_MAX).await.map_err(broken)?;
    let unread =
        |_| Trouble::new(Kind::Refused, "the other node's message could not be read: another version of tern?");
    calls::decode(&bytes).map_err(unread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_short_when_they_are_made_and_when_they_arrive() {
        for letter in ["a", "\u{e9}", "\u{1b}", "\u{1f980}"] {
            let long = format!("/{}: no space left", letter.repeat(MESSAGE_BYTES_MAX / letter.len()));
            let made = Trouble::new(Kind::Io, long.clone());
            assert!(made.message.len() <= WHY_BYTES_MAX);
            assert!(made.message.starts_with('/') && made.message.ends_with(": no space left"), "{made:?}");
            assert!(!made.message.contains(char::is_control));
            let said = Listed::Failed(Trouble { kind: Kind::Io, message: long.clone() });
            let heard = calls::decode(&postcard::to_stdvec(&said).expect("it has a form"));
            assert_eq!(heard, Ok(Listed::Failed(made.clone())));
            let said = Listed::Skipped { name: Vec::new(), why: long };
            let heard = calls::decode(&postcard::to_stdvec(&said).expect("it has a form"));
            assert_eq!(heard, Ok(Listed::Skipped { name: Vec::new(), why: made.message }));
        }
        assert_eq!(short("as it is".to_owned()), "as it is");
    }
}
