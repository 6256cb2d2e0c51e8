//! A cable on which every packet takes its time, carried by this test program from one end to the other.
//!
//! The kernel can delay packets itself (`netem`), but not every kernel was built with that; nearly every one has
//! interfaces whose other side is a program. Such a cable is for delays, not for throughput.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::ground::node::Node;

/// Packets on their way in one direction; one more is lost, as in a router.
const MOST: usize = 4096;
/// How often a cable without traffic looks whether it is over.
const LOOK: Duration = Duration::from_millis(20);
/// A whole frame of Ethernet, and room.
const FRAME: usize = 2048;

/// Carries until it is dropped.
pub struct Slow {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Slow {
    /// Makes an interface of that name on each of the two machines, `delay` apart.
    pub fn new(ends: [(&Node, &str); 2], delay: Duration) -> Result<Self, String> {
        let [a, b] = ends.map(|(node, interface)| node.inside(|| tap(interface)));
        let (a, b) = (Arc::new(a?), Arc::new(b?));
        let over = Arc::new(AtomicBool::new(false));
        let ways = [(Arc::clone(&a), Arc::clone(&b)), (b, a)];
        let carries = |(from, to): (Arc<File>, Arc<File>)| {
            let over = Arc::clone(&over);
            std::thread::spawn(move || carry(&from, &to, delay, &over))
        };
        let threads = ways.into_iter().map(carries).collect();
        Ok(Self { over, threads })
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _panicked = thread.join();
        }
    }
}

/// Whether this machine has such interfaces.
pub fn probe(node: &Node) -> Result<(), String> {
    node.inside(|| tap("probe")).map(drop)
}

/// One direction. Packets keep their order; each is late by at least the delay and at most a little more.
fn carry(mut from: &File, mut to: &File, delay: Duration, over: &AtomicBool) {
    let mut way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut frame = [0; FRAME];
    while !over.load(Ordering::Relaxed) {
        let patience = way.front().map_or(LOOK, |(due, _)| due.saturating_duration_since(Instant::now()).min(LOOK));
        // Rounded up, or the last part of a millisecond would be spent in turning round.
        let patience = PollTimeout::try_from(patience + Duration::from_micros(999)).unwrap_or(PollTimeout::ZERO);
        let _interrupted = poll(&mut [PollFd::new(from.as_fd(), PollFlags::POLLIN)], patience);
        while let Ok(size) = from.read(&mut frame) {
            if way.len() < MOST {
                way.push_back((Instant::now() + delay, frame[..size].to_vec()));
            }
        }
        while way.front().is_some_and(|(due, _)| *due <= Instant::now()) {
            let (_, frame) = way.pop_front().expect("the one that is due");
            // An interface that is down takes nothing: the packet is lost, as on any cable that was pulled.
            let _lost = to.write(&frame);
        }
    }
}

/// The program's side of a new interface of this thread's namespace. The interface goes when this is closed.
fn tap(interface: &str) -> Result<File, String> {
    let failed = |error: std::io::Error| format!("no interface can be carried by a program: /dev/net/tun: {error}");
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
    let file = options.open("/dev/net/tun").map_err(failed)?;
    let mut request =
        Request { name: [0; libc::IFNAMSIZ], flags: (libc::IFF_TAP | libc::IFF_NO_PI) as i16, rest: [0; 22] };
    assert!(interface.len() < libc::IFNAMSIZ, "{interface}: too long for an interface");
    request.name[..interface.len()].copy_from_slice(interface.as_bytes());
    #[expect(unsafe_code, reason = "no safe call names such an interface")]
    // SAFETY: the request has the size and layout of `struct ifreq`, and lives during the call.
    let named = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) };
    if named < 0 { Err(failed(std::io::Error::last_os_error())) } else { Ok(file) }
}

/// `struct ifreq` with the member that this call takes.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    flags: i16,
    rest: [u8; 22],
}
