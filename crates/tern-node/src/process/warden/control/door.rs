//! The socket by which the agent comes in: `warden/sock`, for this user alone.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

/// Bytes that fit into the address of a unix socket, its final NUL included.
const SOCKET_PATH_BYTES: usize = 108;

/// A short name for the same socket, since the kernel takes only short ones. The file is to be kept open while it is used.
fn short(path: &Path) -> io::Result<(PathBuf, Option<fs::File>)> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no socket name"));
    };
    if path.as_os_str().len() < SOCKET_PATH_BYTES {
        return Ok((path.to_owned(), None));
    }
    let folder = fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(folder)?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    Ok((short, Some(folder)))
}

/// Makes the socket, in place of one that a dead warden left behind. The caller holds the warden's lock.
///
/// # Errors
/// Those of the file system and of the socket.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    let (name, _folder) = short(path)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&name)?;
    // The folder is 0700 and every caller's uid is asked for; the mode is one wall more.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Connects to the socket at `path`.
///
/// # Errors
/// `NotFound` or `ConnectionRefused` where nobody listens.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let (name, _folder) = short(path)?;
    UnixStream::connect(name)
}

/// Whether the other end runs as this user.
#[must_use]
pub fn is_ours(stream: &UnixStream) -> bool {
    getsockopt(stream, PeerCredentials).is_ok_and(|peer| peer.uid() == nix::unistd::geteuid().as_raw())
}
