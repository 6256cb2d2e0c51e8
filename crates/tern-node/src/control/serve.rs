//! The unix socket: who may connect, and how much of everything.
//!
//! The socket is 0600 in a folder that is 0700, and the kernel's word on the peer's uid is asked for each connection: this
//! user's own and root's are served, others are closed at once.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tern_core::words::limits::{DOOR_CONNECTIONS_MAX, DOOR_HEAD_BYTES_MAX, DOOR_HEADERS_MAX, DOOR_IDLE};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// Why the door could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(
        "{path} belongs to user {owner}, and this is user {own}: it was left alone. Name another state folder with --home"
    )]
    ForeignOwner { path: PathBuf, owner: u32, own: u32 },
    #[error("{path} is there and is no socket: it was left alone. Move it away")]
    NotASocket { path: PathBuf },
    #[error("{path} is too long for a socket ({got} bytes, {limit} at most): name a shorter state folder with --home")]
    TooLong { path: PathBuf, got: usize, limit: usize },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// The longest path that `sockaddr_un` holds, its final NUL aside.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// An open socket, removed when dropped.
pub struct Door {
    listener: UnixListener,
    path: PathBuf,
}

/// Binds the socket. Only the holder of the folder's lock may call this: a socket that is there is then a dead one.
///
/// # Errors
/// [`ServeError`]
pub fn bind(path: &Path) -> Result<Door, ServeError> {
    let fail = |source| ServeError::Io { path: path.to_owned(), source };
    let got = path.as_os_str().len();
    if got > SOCKET_PATH_BYTES_MAX {
        return Err(ServeError::TooLong { path: path.to_owned(), got, limit: SOCKET_PATH_BYTES_MAX });
    }
    remove_stale(path)?;
    // Bound under a name that nobody looks for, made private, and only then put in its place: at no instant is there a
    // socket with wider rights.
    let fresh = path.with_extension("new");
    remove_stale(&fresh)?;
    let listener = UnixListener::bind(&fresh).map_err(fail)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).map_err(fail)?;
    std::fs::rename(&fresh, path).map_err(fail)?;
    Ok(Door { listener, path: path.to_owned() })
}

/// Refuses early what [`bind`] would refuse later: what lies at `path` and is no socket of this user.
///
/// # Errors
/// [`ServeError`]
pub fn examine(path: &Path) -> Result<(), ServeError> {
    is_own_socket(path).map(drop)
}

/// Whether what lies at `path` is a socket of this user; false where nothing lies there.
pub(crate) fn is_own_socket(path: &Path) -> Result<bool, ServeError> {
    let meta = match std::fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(ServeError::Io { path: path.to_owned(), source }),
    };
    let own = nix::unistd::geteuid().as_raw();
    if meta.uid() != own {
        return Err(ServeError::ForeignOwner { path: path.to_owned(), owner: meta.uid(), own });
    }
    if !meta.file_type().is_socket() {
        return Err(ServeError::NotASocket { path: path.to_owned() });
    }
    Ok(true)
}

fn remove_stale(path: &Path) -> Result<(), ServeError> {
    if is_own_socket(path)? {
        std::fs::remove_file(path).map_err(|source| ServeError::Io { path: path.to_owned(), source })?;
    }
    Ok(())
}

impl Drop for Door {
    fn drop(&mut self) {
        // Whoever waits for the end of the agent looks for this; failing leaves a dead socket, which the next start removes.
        let _left = std::fs::remove_file(&self.path);
    }
}

impl Door {
    /// Serves until dropped.
    pub async fn serve(&self, router: Router) {
        let places = Arc::new(Semaphore::new(DOOR_CONNECTIONS_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: those that are open must end first.
                    tracing::warn!(%error, "the control socket could not accept");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            };
            if !is_welcome(&stream) {
                tracing::warn!("a connection of another user to the control socket was closed");
                continue;
            }
            let router = router.clone();
            tokio::spawn(async move {
                talk(stream, router).await;
                drop(place);
            });
        }
    }
}

fn is_welcome(stream: &UnixStream) -> bool {
    let own = nix::unistd::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn talk(stream: UnixStream, router: Router) {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(std::time::Duration::from_millis(DOOR_IDLE.as_ms()))
        .max_headers(DOOR_HEADERS_MAX)
        .max_buf_size(DOOR_HEAD_BYTES_MAX);
    let end = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
    if let Err(error) = end {
        // A client that went away in the middle is no concern of ours.
        tracing::debug!(%error, "a connection to the control socket ended early");
    }
}
