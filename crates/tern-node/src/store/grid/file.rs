//! The file `roll`, and how files of this folder are replaced: under another name, fsynced, renamed, the folder fsynced.
//!
//! A checksum stands over the whole; a file that does not fit it is named and left alone.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tern_core::trust::frame::{decode_list, encode_list};
use tern_core::trust::{GridId, Invitations, Roll};
use tern_core::words::NodeId;
use tern_core::words::limits::{ADDRESSES_MAX, MEMBERS_MAX, STATEMENT_LIST_BYTES_MAX};

use super::{Grid, StoreError, verify};
use crate::store::job;

const MAGIC: [u8; 8] = *b"TERNROLL";
const VERSION: u16 = 1;
/// Magic (8), version (2), zero (2), CRC-32 of all that follows (4).
const HEAD_BYTES: usize = 16;
/// Two lists of statements, and the addresses of every member.
const FILE_BYTES_MAX: usize = 2 * STATEMENT_LIST_BYTES_MAX + MEMBERS_MAX * (40 + ADDRESSES_MAX * 24);
/// Behind the name of a file that is not whole yet.
const NEW: &str = "new";

/// What follows the head.
#[derive(Serialize, Deserialize)]
struct Content {
    grid: GridId,
    statements: Vec<u8>,
    former: Vec<u8>,
    invitations: Invitations,
    addresses: BTreeMap<NodeId, Vec<SocketAddr>>,
}

/// `None` where there is none.
pub fn read(path: &Path) -> Result<Option<Grid>, StoreError> {
    let failed = |error| StoreError::io("the roll of the grid cannot be read", path)(error);
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(StoreError::GridMode { path: path.to_owned(), mode });
    }
    if metadata.len() > FILE_BYTES_MAX as u64 {
        return Err(damaged(path, format!("it has {} bytes, at most {FILE_BYTES_MAX} are possible", metadata.len())));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    parse(path, &bytes).map(Some)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Grid, StoreError> {
    let Some((head, body)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
        return Err(damaged(path, "it is cut short"));
    };
    if head[..8] != MAGIC {
        return Err(damaged(path, "it is no roll of a grid"));
    }
    let version = u16::from_le_bytes([head[8], head[9]]);
    if version > VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found: version, known: VERSION });
    }
    if head[12..] != checksum(&head[8..12], body) {
        return Err(damaged(path, "its checksum is wrong"));
    }
    let content: Content = postcard::from_bytes(body).map_err(|error| damaged(path, error.to_string()))?;
    let lists = decode_list(&content.statements).and_then(|all| Ok((all, decode_list(&content.former)?)));
    let (statements, former) = lists.map_err(|error| damaged(path, error.to_string()))?;
    let mut roll = Roll::new(content.grid);
    let taken = roll.apply(&statements, verify);
    taken.map_err(|why| damaged(path, format!("a statement in it is refused: {why}")))?;
    roll.remember(former, verify);
    Ok(Grid { roll, invitations: content.invitations, addresses: content.addresses })
}

fn checksum(version: &[u8], body: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(version);
    hasher.update(body);
    hasher.finalize().to_le_bytes()
}

pub fn write(path: &Path, grid: &Grid) -> Result<(), StoreError> {
    let nearest = |addresses: &Vec<SocketAddr>| addresses.iter().take(ADDRESSES_MAX).copied().collect();
    let content = Content {
        grid: grid.roll.grid(),
        statements: encode_list(&grid.roll.statements()),
        former: encode_list(&grid.roll.former()),
        invitations: grid.invitations.clone(),
        addresses: grid.addresses.iter().take(MEMBERS_MAX).map(|(node, all)| (*node, nearest(all))).collect(),
    };
    let body = postcard::to_extend(&content, Vec::new()).map_err(|error| damaged(path, error.to_string()))?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(checksum(&bytes[8..12], &body));
    bytes.extend(body);
    replace(path, &bytes)
}

/// Puts a private file in the place of another, or where none was.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let new = half(path);
    remove(&new)?;
    let written = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&new, path)
    };
    written().map_err(|error| {
        // What stays is swept up when the folder is opened.
        let _ = fs::remove_file(&new);
        StoreError::io("cannot be written; what was there before is still there", path)(error)
    })?;
    job::sync_folder(path.parent().unwrap_or(path))
}

fn half(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(NEW);
    path.with_file_name(name)
}

/// Removes what died before it got its name.
pub fn sweep(folder: &Path) -> Result<(), StoreError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(StoreError::io("cannot be read", folder))?,
    };
    for entry in entries.flatten() {
        if entry.path().extension().is_some_and(|last| last == NEW) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file for good, if it is there.
pub fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Ok(()) => job::sync_folder(path.parent().unwrap_or(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io("cannot be removed", path)(error)),
    }
}

fn damaged(path: &Path, what: impl Into<String>) -> StoreError {
    StoreError::GridDamaged {
        path: path.to_owned(),
        what: what.into(),
        advice: "restore it from a backup, or move it away and enter the grid again with a ticket of another machine",
    }
}
