//! Plain traffic between machines, to see what a network lets through.
//!
//! That something arrives is awaited; that nothing arrives can only be waited for a while, so each test that expects
//! nothing also shows, before or after, that the same thing does arrive where it should.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::node::Node;
use super::run::PATIENCE;

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

/// A TCP connection from that machine to `to` gives back all that is sent on it. The text is a small one: it is sent
/// whole before any of it is read.
pub fn reaches(from: &Node, to: impl Into<SocketAddr>, text: &[u8]) -> bool {
    let to = to.into();
    let Ok(mut stream) = from.inside(|| TcpStream::connect_timeout(&to, WHILE)) else { return false };
    let mut back = vec![0; text.len()];
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text).is_ok() && stream.read_exact(&mut back).is_ok() && back == text
}

/// A TCP connection on which a number goes there and back, again and again, to see how long it stalls and whether it
/// breaks. At the other end is an [`Echo`], perhaps with a grid between.
pub struct Pulse {
    over: Arc<AtomicBool>,
    beats: Arc<AtomicU64>,
    thread: JoinHandle<Beats>,
}

/// What became of a pulse.
#[derive(Debug)]
pub struct Beats {
    /// Numbers that came back, each the one that was awaited.
    pub count: u64,
    /// The longest that one took.
    pub longest: Duration,
    /// Why it ended before it was stopped.
    pub broken: Option<String>,
}

impl Pulse {
    pub fn new(from: &Node, to: impl Into<SocketAddr>) -> Self {
        let to = to.into();
        let stream = from.inside(|| TcpStream::connect_timeout(&to, PATIENCE)).unwrap();
        let (over, beats) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (until, count) = (Arc::clone(&over), Arc::clone(&beats));
        Self { over, beats, thread: std::thread::spawn(move || beat(stream, &until, &count)) }
    }

    /// Numbers that have come back so far.
    pub fn count(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// It broke.
    pub fn ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it after the number that is on its way.
    pub fn stop(self) -> Beats {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn beat(mut stream: TcpStream, over: &AtomicBool, count: &AtomicU64) -> Beats {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut beats = Beats { count: 0, longest: Duration::ZERO, broken: None };
    while !over.load(Ordering::Relaxed) && beats.broken.is_none() {
        let (sent, mut back) = (beats.count.to_be_bytes(), [0; 8]);
        let asked = Instant::now();
        match stream.write_all(&sent).and_then(|()| stream.read_exact(&mut back)) {
            Ok(()) if back == sent => beats.count += 1,
            Ok(()) => beats.broken = Some(format!("{sent:?} came back as {back:?}")),
            Err(error) => beats.broken = Some(error.to_string()),
        }
        beats.longest = beats.longest.max(asked.elapsed());
        count.store(beats.count, Ordering::Relaxed);
        // Between two beats, or it would be load and not a pulse.
        std::thread::sleep(Duration::from_millis(5));
    }
    beats
}
