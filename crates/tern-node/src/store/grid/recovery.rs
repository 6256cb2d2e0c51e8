//! The recovery key as a text that a person can move, print and type in again.
//!
//! Whoever has it can make an admin of the grid. It lies on the founder's machine only until its owner moves it away.

use std::fs::{self, File};
use std::io::{self, Read};

use iroh::SecretKey;
use tern_core::trust::Name;

use super::{StoreError, public};
use crate::home::Home;
use crate::store::job;

const MARK: &str = "tern-recovery-1";
/// A file with a few lines of explanation; more is none.
const TEXT_BYTES_MAX: u64 = 4096;

/// Why a text is no recovery key. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    #[error("the recovery key cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("no recovery key: a line that begins with {MARK} is wanted")]
    None,
    #[error("the recovery key is mistyped or cut short: its checksum does not fit; copy it again")]
    Mistyped,
}

pub fn text(root: &SecretKey, founder: &Name) -> String {
    let grid = public(root);
    let secret: String = root.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let sum = crc32fast::hash(&root.to_bytes());
    format!(
        "# Recovery key of the Tern grid {grid}, founded on {founder}.\n\
         # It can make an admin of this grid when all machines that are one are lost. Whoever has it can do so:\n\
         # move it off this machine, to a place that you trust.\n\
         {MARK} {secret} {sum:08x}\n"
    )
}

/// Reads the recovery key out of its file's text; lines that begin with `#` say nothing.
///
/// # Errors
/// [`RecoveryError`]
pub fn read_recovery(from: impl Read) -> Result<SecretKey, RecoveryError> {
    let mut bytes = Vec::new();
    from.take(TEXT_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(|_| RecoveryError::None)?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let mut words = line.unwrap_or_default().split_whitespace();
    if words.next() != Some(MARK) {
        return Err(RecoveryError::None);
    }
    // A secret has as many digits as a public key.
    let secret = words.next().and_then(tern_core::words::NodeId::from_hex).ok_or(RecoveryError::Mistyped)?;
    let sum = words.next().and_then(|sum| u32::from_str_radix(sum, 16).ok());
    if sum != Some(crc32fast::hash(&secret.0)) || words.next().is_some() {
        return Err(RecoveryError::Mistyped);
    }
    Ok(SecretKey::from_bytes(&secret.0))
}

/// Gives a recovery key that lies here another name, so that no other grid's takes its place.
pub fn set_aside(home: &Home) -> Result<(), StoreError> {
    let path = home.recovery();
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(StoreError::io("the recovery key cannot be opened", &path))?,
    };
    let whose = read_recovery(file).map_or_else(|_| "unreadable".to_owned(), |root| public(&root).to_string());
    let aside = path.with_file_name(format!("recovery-{whose}"));
    fs::rename(&path, &aside).map_err(StoreError::io("cannot be renamed", &path))?;
    job::sync_folder(&home.grid())
}
