//! Real machines of the core in virtual time, with everything around them healthy.

mod agent;
mod perform;
mod step;
mod trace;
mod watch;

use tern_core::machine::Event;
use tern_core::wire::Message;
use tern_core::words::spec::Discipline;

pub use step::{run, watched};
pub use watch::{Course, Noted};

/// How the world around the machines is, and what they are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The lane of tasks that name none.
    pub discipline: Discipline,
    /// One fsync.
    pub fsync_s: f64,
    /// Until the vitals of one node are with all others.
    pub vitals_s: f64,
    /// Seeds what the machines draw.
    pub seed: u64,
    /// Stop so long after the last task has come, whatever is left.
    pub ends_s: f64,
    /// The order of each job is the machines' to choose.
    pub adaptive: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let discipline = Discipline::Fifo;
        Self { discipline, fsync_s: 0.001, vitals_s: 0.1, seed: 1, ends_s: 5_000_000.0, adaptive: false }
    }
}

/// Something that will happen.
#[derive(Debug)]
enum What {
    /// The next job of the workload is submitted.
    Submit(usize),
    Deliver(Box<Parcel>),
    /// All others hear how loaded this node is.
    Heard(usize, Box<Message>),
    Tell(usize, Box<Event>),
    Fsync(usize),
    /// The warden's results are on its disk.
    Synced(usize),
    Alarm(usize),
    /// Under this version of the host's plan a task ends.
    Ends(usize, u64),
    /// Inputs have arrived.
    Inputs(usize),
    /// The owner of the machine comes or goes.
    Owner(usize),
    /// A watched node reads its load.
    Sample(usize),
}

#[derive(Debug)]
struct Parcel {
    from: usize,
    to: usize,
    message: Message,
}
