//! As much traffic as passes, with its content checked: numbers in their order, there and back.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use super::node::Node;
use super::run::PATIENCE;

/// Bytes that are written at once.
const BLOCK: usize = 64 * 1024;

/// A TCP connection that is always full. At its other end is an [`Echo`](super::Echo), perhaps with a grid between.
pub struct Load {
    over: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    writer: JoinHandle<()>,
    reader: JoinHandle<Option<String>>,
}

impl Load {
    pub fn new(from: &Node, to: SocketAddr) -> Self {
        let stream = from.inside(|| TcpStream::connect_timeout(&to, PATIENCE)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let (over, bytes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (until, count, out) = (Arc::clone(&over), Arc::clone(&bytes), stream.try_clone().unwrap());
        let writer = std::thread::spawn(move || fill(out, &until));
        Self { over, bytes, writer, reader: std::thread::spawn(move || drain(stream, &count)) }
    }

    /// Bytes that have come back so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// It broke.
    pub fn ended(&self) -> bool {
        self.reader.is_finished()
    }

    /// Ends it when all that was sent has come back; what was wrong otherwise.
    pub fn stop(self) -> Option<String> {
        self.over.store(true, Ordering::Relaxed);
        self.writer.join().unwrap();
        self.reader.join().unwrap()
    }
}

fn fill(mut stream: TcpStream, over: &AtomicBool) {
    let mut numbers = 0_u64..;
    while !over.load(Ordering::Relaxed) {
        let block: Vec<u8> = numbers.by_ref().take(BLOCK / 8).flat_map(u64::to_be_bytes).collect();
        if stream.write_all(&block).is_err() {
            // The reader sees that, too.
            return;
        }
    }
    let _broken = stream.shutdown(Shutdown::Write);
}

/// Reads to the end; whole blocks are sent, so no number is left half.
fn drain(mut stream: TcpStream, count: &AtomicU64) -> Option<String> {
    let (mut block, mut next) = (vec![0; BLOCK], 0_u64);
    loop {
        let mut size = 0_usize;
        while size == 0 || !size.is_multiple_of(8) {
            match stream.read(&mut block[size..]) {
                Ok(0) if size == 0 => return None,
                Ok(0) => return Some(format!("it ended within the number {next}")),
                Ok(more) => size += more,
                Err(error) => return Some(error.to_string()),
            }
        }
        for number in block[..size].chunks(8) {
            if number != next.to_be_bytes() {
                return Some(format!("{number:?} came in the place of {next}"));
            }
            next += 1;
        }
        count.store(next * 8, Ordering::Relaxed);
    }
}
