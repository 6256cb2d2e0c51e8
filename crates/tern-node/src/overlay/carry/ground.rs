//! The ground under the connections: the addresses that this machine has, and word at once when one comes or goes.
//!
//! iroh looks as well, but it gathers what it hears for a quarter of a second, and tells its connections only where there is a
//! default route or after five seconds more. A stream that should stand still for less than two cannot wait for that.

use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};

use iroh::endpoint::{Connection, LocalTransportAddr, Path};
use tokio::sync::watch;

/// Whether this machine has that address now: only then can a socket be bound to it.
pub fn is_here(address: IpAddr) -> bool {
    let address = address.to_canonical();
    // One that counts on one interface only cannot be bound without its name; and it stays as long as the interface.
    let local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    // Any other failure, such as too many open files, says nothing of the address.
    let gone = || UdpSocket::bind((address, 0)).is_err_and(|error| error.kind() == ErrorKind::AddrNotAvailable);
    local || !gone()
}

/// Whether a path begins at an address that this machine has now.
fn stands(path: &Path<'_>) -> bool {
    !matches!(path.local_addr(), LocalTransportAddr::Ip(Some(from)) if !is_here(*from))
}

/// Whether nothing can be sent over the connection any more: the path that it uses, or each while none is chosen, begins at an
/// address that this machine has lost.
pub fn is_lost(connection: &Connection) -> bool {
    let paths = connection.paths();
    match paths.iter().find(Path::is_selected) {
        Some(used) => !stands(&used),
        None => !paths.is_empty() && !paths.iter().any(|path| stands(&path)),
    }
}

/// Whether the connection has chosen a path that begins at an address of this machine.
pub fn is_firm(connection: &Connection) -> bool {
    connection.paths().iter().any(|path| path.is_selected() && stands(&path))
}

/// Counts the changes of this machine's addresses. Where the system cannot tell it never moves, and iroh's own watch remains.
pub fn watch() -> watch::Receiver<u64> {
    let (moved, changes) = watch::channel(0);
    #[cfg(target_os = "linux")]
    match kernel::listen() {
        Ok(socket) => drop(tokio::spawn(kernel::follow(socket, moved))),
        Err(error) => tracing::info!(%error, "the kernel does not tell of its addresses: a change is noticed later"),
    }
    #[cfg(not(target_os = "linux"))]
    drop(moved);
    changes
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::io;
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket};
    use tokio::net::UdpSocket;
    use tokio::sync::watch;

    /// Addresses of either family.
    const GROUPS: u32 = (libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR) as u32;
    /// More than one message of the kernel.
    const MESSAGE_BYTES: usize = 8192;

    /// A socket of datagrams like any other, but for its family.
    pub fn listen() -> io::Result<UdpSocket> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Netlink, SockType::Datagram, flags, SockProtocol::NetlinkRoute)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        UdpSocket::from_std(socket.into())
    }

    /// What the messages say does not matter: whoever hears of one looks for itself. Also where more was said than the socket
    /// holds, something has changed.
    pub async fn follow(socket: UdpSocket, moved: watch::Sender<u64>) {
        let mut message = [0; MESSAGE_BYTES];
        loop {
            let heard = tokio::select! {
                heard = socket.recv(&mut message) => heard,
                () = moved.closed() => return,
            };
            if heard.is_err_and(|error| error.raw_os_error() != Some(libc::ENOBUFS)) {
                return;
            }
            moved.send_modify(|count| *count += 1);
        }
    }
}
