//! The node's secret key: a node *is* this key. Thirty-two random bytes that nobody else may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use iroh::SecretKey;
use tern_core::words::NodeId;

use super::{StoreError, job};
use crate::home::Home;

const KEY_BYTES: usize = 32;

/// The node's secret, made at the first call and read at every other.
///
/// # Errors
/// [`StoreError::KeyMode`] where others may read it, [`StoreError::KeyDamaged`], [`StoreError::Io`].
pub fn secret(home: &Home) -> Result<SecretKey, StoreError> {
    let path = home.key();
    match File::open(&path) {
        Ok(file) => read(file, &path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(home, &path),
        Err(error) => Err(StoreError::io("the node's key cannot be opened", &path)(error)),
    }
}

/// Who this node is, without any network.
///
/// # Errors
/// As [`secret`].
pub fn node_id(home: &Home) -> Result<NodeId, StoreError> {
    Ok(NodeId(*secret(home)?.public().as_bytes()))
}

/// 64 random bits, from the same source as keys.
///
/// # Errors
/// None on the systems of today; the signature leaves room for one that has to ask.
pub fn random_u64() -> io::Result<u64> {
    let bytes = SecretKey::generate().to_bytes();
    Ok(u64::from_le_bytes(std::array::from_fn(|index| bytes[index])))
}

fn read(mut file: File, path: &Path) -> Result<SecretKey, StoreError> {
    let failed = |error| StoreError::io("the node's key cannot be read", path)(error);
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(StoreError::KeyMode { path: path.to_owned(), mode });
    }
    let mut bytes = [0u8; KEY_BYTES];
    if metadata.len() != KEY_BYTES as u64 {
        return Err(StoreError::KeyDamaged { path: path.to_owned(), found: metadata.len() });
    }
    file.read_exact(&mut bytes).map_err(failed)?;
    Ok(SecretKey::from_bytes(&bytes))
}

/// Under another name first: a key is whole or not there. `link` refuses where another process was faster; then its key
/// is the node's.
fn make(home: &Home, path: &Path) -> Result<SecretKey, StoreError> {
    let folder = home.path();
    crate::home::make_folder(folder).map_err(StoreError::io("the state folder cannot be made", folder))?;
    let mine = random_u64().map_err(StoreError::io("no random bits", path))?;
    let new = folder.join(format!("key.new.{mine:016x}"));
    let written = write(&new).and_then(|()| match fs::hard_link(&new, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    // Whether or not it got its name, this one is not needed any more.
    let _ = fs::remove_file(&new);
    written.map_err(StoreError::io("the node's key cannot be written", path))?;
    job::sync_folder(folder)?;
    read(File::open(path).map_err(StoreError::io("the node's key cannot be opened", path))?, path)
}

fn write(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&SecretKey::generate().to_bytes())?;
    file.sync_data()
}
