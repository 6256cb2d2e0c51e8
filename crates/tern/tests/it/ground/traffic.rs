//! Plain traffic between machines, to see what a network lets through.
//!
//! That something arrives is awaited; that nothing arrives can only be waited for a while, so each test that expects
//! nothing also shows, before or after, that the same thing does arrive where it should.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::node::Node;

/// How long an answer is awaited that is not expected.
const WHILE: Duration = Duration::from_millis(300);
/// How often a thread that waits looks whether it is over.
const LOOK: Duration = Duration::from_millis(20);

/// Answers each UDP packet and each TCP connection on one port of a machine with what it got, until it is dropped.
pub struct Echo {
    port: u16,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Echo {
    /// On all addresses of the machine.
    pub fn new(node: &Node) -> Self {
        let (tcp, udp) = node.inside(|| {
            let tcp = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            let udp = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, tcp.local_addr().unwrap().port())).unwrap();
            (tcp, udp)
        });
        let (port, over) = (tcp.local_addr().unwrap().port(), Arc::new(AtomicBool::new(false)));
        let (one, other) = (Arc::clone(&over), Arc::clone(&over));
        let threads =
            vec![std::thread::spawn(move || echo_udp(&udp, &one)), std::thread::spawn(move || echo_tcp(&tcp, &other))];
        Self { port, over, threads }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _panicked = thread.join();
        }
    }
}

fn echo_udp(socket: &UdpSocket, over: &AtomicBool) {
    socket.set_read_timeout(Some(LOOK)).unwrap();
    let mut packet = [0; 2048];
    while !over.load(Ordering::Relaxed) {
        if let Ok((size, from)) = socket.recv_from(&mut packet) {
            // Its way back may be cut; that is what the test looks for.
            let _lost = socket.send_to(&packet[..size], from);
        }
    }
}

/// One connection after the other.
fn echo_tcp(listener: &TcpListener, over: &AtomicBool) {
    listener.set_nonblocking(true).unwrap();
    while !over.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => echo_stream(stream, over),
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

fn echo_stream(mut stream: TcpStream, over: &AtomicBool) {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(LOOK)).unwrap();
    let mut part = [0; 16384];
    while !over.load(Ordering::Relaxed) {
        match stream.read(&mut part) {
            Ok(0) => return,
            Ok(size) if stream.write_all(&part[..size]).is_err() => return,
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return,
            _ => (),
        }
    }
}

/// One UDP packet from that machine to `to` comes back within a while. No route is no.
pub fn answers(from: &Node, to: impl Into<SocketAddr>) -> bool {
    let socket = from.inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
    socket.set_read_timeout(Some(WHILE)).unwrap();
    let mut packet = [0; 16];
    socket.send_to(b"are you there?", to.into()).is_ok() && socket.recv(&mut packet).is_ok_and(|size| size == 14)
}

/// A TCP connection from that machine to `to` gives back all that is sent on it.
pub fn reaches(from: &Node, to: impl Into<SocketAddr>, text: &[u8]) -> bool {
    let to = to.into();
    let Ok(mut stream) = from.inside(|| TcpStream::connect_timeout(&to, WHILE)) else { return false };
    let mut back = vec![0; text.len()];
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(text).is_ok() && stream.read_exact(&mut back).is_ok() && back == text
}
