//! Secrets in files of their own: written private, and refused where others may read them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use iroh::SecretKey;

use super::{StoreError, file};

const SECRET_BYTES: usize = 32;

/// `None` where there is none.
pub fn read(path: &Path) -> Result<Option<SecretKey>, StoreError> {
    let failed = |error| StoreError::io("the admin key cannot be read", path)(error);
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    check(path, file.metadata().map_err(failed)?.mode())?;
    let mut bytes = Vec::with_capacity(SECRET_BYTES + 1);
    file.take(SECRET_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let secret: [u8; SECRET_BYTES] = bytes.try_into().map_err(|_| StoreError::GridDamaged {
        path: path.to_owned(),
        what: "it is no secret key of 32 bytes".to_owned(),
        advice: "restore it, or move it away and let another admin make this machine one again",
    })?;
    Ok(Some(SecretKey::from_bytes(&secret)))
}

pub fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    file::replace(path, bytes)
}

/// That nobody else may read this file, if it is there.
pub fn check_mode(path: &Path) -> Result<(), StoreError> {
    match fs::metadata(path) {
        Ok(metadata) => check(path, metadata.mode()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io("cannot be looked at", path)(error)),
    }
}

fn check(path: &Path, mode: u32) -> Result<(), StoreError> {
    let mode = mode & 0o7777;
    if mode & 0o077 != 0 { Err(StoreError::KeyMode { path: path.to_owned(), mode }) } else { Ok(()) }
}
