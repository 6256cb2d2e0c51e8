//! Why the node did something, or why something waits: with its numbers, so that a face can say it in words.

use core::fmt;

use crate::decide::balance::migrate::{Way, Why};
use crate::decide::fits::Lack;
use crate::decide::strategy;
use crate::observe::NodeTrit;
use crate::words::spec::Discipline;
use crate::words::{Span, Unfit};

/// The reason of an action or of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Started: this many may be in the warden's hands, this many are.
    Room { ahead: u32, in_hand: u32 },
    /// Asked for work: this many slots are free, and the peer has this many tasks waiting on this many slots.
    Idle { free: u32, peer_queued: u32, peer_slots: u32 },
    /// Lent: this many of the waiting tasks, of which half may go.
    HalfOfQueue { queued: u32, asked: u32 },
    /// Started or lent before all others: in this order, expected to need so long on the reference core, after having waited
    /// so long.
    Next { order: Discipline, estimate: Span, waited: Span },
    /// Told: slots are free there, and so many tasks wait here.
    FreeThere { waiting: u32 },
    /// Told: so many tasks wait in this zone without a slot, and so many slots of another one are free.
    Zones { waiting: u64, free: u64 },
    /// Got to know: it stands in another zone, and one of the two has work and the other room.
    OtherZone,
    /// Copied: there it would be over so much earlier, as far as is known.
    Straggler { gain: Span },
    /// Ended: another copy of the task ended first.
    OtherCopy,
    /// Ended: the job was cancelled, or its own condition was met.
    JobCancelled,
    /// Ended: the lease ran out this long ago.
    LeaseOver { late: Span },
    /// Ended: the owner wants it back.
    Revoked,
    /// Not started yet: for so long no slot became free here, and one is free elsewhere.
    NoSlotFor(Span),
    /// Ended: nobody here knows the attempt.
    UnknownAttempt,
    /// Given back: the node cannot run it.
    Unfit(Unfit),
    /// Given back, or waits: the node starts nothing more.
    Draining,
    /// Drained, or not any more: somebody asked for it.
    Asked,
    /// Drained, given back, or waits: the battery is below the mark.
    BatteryLow { percent: u8, below: u8 },
    /// Not drained any more: the battery has risen.
    BatteryCharged { percent: u8, above: u8 },
    /// Not drained any more: the machine is fed.
    Fed,
    /// Fewer slots, given back, or waits: the owner of the machine uses it. The loads in hundredths.
    OwnerUses { open: u32, slots: u32, load_centi: u32, ours_centi: u32 },
    /// Given back: their commands are so long that a message carried only so many of them.
    LongCommands { carried: u32 },
    /// Waits for `release`.
    Held,
    /// Waits: it was put off. So many nodes are overloaded and idle, and this one is so.
    PutOff { plus: u32, minus: u32, here: NodeTrit },
    /// The order was left to Tern: so many slots, the mean length of tasks, by how much of it they differ in per cent, and what
    /// lent tasks took beside their runs.
    Strategy { why: strategy::Why, slots: u32, mean: Span, percent: u32, carry: Option<Span> },
    /// By the decision matrix: the score of the process, how loaded this node is, and whether an idle one could take something.
    Matrix { score_milli: u32, node: NodeTrit, taker: bool },
    /// Decided by the trits of all nodes that are heard.
    Signs { plus: u32, zero: u32, minus: u32 },
    /// Waits for the disk to have room.
    StorageFull,
    /// Waits for the warden.
    WardenAway,
    /// Waits: all places are taken.
    Busy { ahead: u32, in_hand: u32 },
    /// Waits: its tasks take more than one slot each, or memory or GPUs besides, and that much is not free at once.
    Together { cpus: u16, memory_mib: u32, gpus: u8, in_hand: u32 },
    /// Waits: it may not run here. So many connected nodes may run it, with so many slots free.
    Elsewhere { lack: Lack, nodes: u32, free: u32 },
    /// Waits: so many of its tasks may run at once, and do.
    AtParallel { parallel: u32 },
    /// Its condition to stop early is met: so many of so many.
    Halted { count: u32, limit: u32 },
    /// Asked to move, ended, or lent: somebody asked for it, and this is how it goes.
    Moves(Way),
    /// Not moved, and why not.
    Stays(Why),
    /// It goes on from this checkpoint, the so many-th of its task.
    Checkpoint { nth: u16 },
    /// Waits, for so long at most: it was promised to another node, which has not asked for it.
    Promised { left: Span },
    /// So many of its tasks run on other nodes.
    Lent { tasks: u32 },
    /// So many of its tasks were cancelled and have not ended yet.
    Ending { tasks: u32 },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Room { ahead, in_hand } => write!(f, "{in_hand} of {ahead} places are taken"),
            Self::Idle { free, peer_queued, peer_slots } => {
                write!(f, "{free} free slots here, {peer_queued} tasks wait there for {peer_slots} slots")
            }
            Self::HalfOfQueue { queued, asked } => write!(f, "{queued} tasks wait here, {asked} were asked for"),
            Self::Next { order, estimate, waited } => next(f, order, estimate, waited),
            Self::FreeThere { waiting } => write!(f, "slots are free there, {waiting} tasks wait here"),
            Self::Zones { waiting, free } => {
                write!(f, "{waiting} tasks wait in this zone, {free} slots are free in that one")
            }
            Self::OtherZone => f.write_str("it stands in another zone, and one has work where the other has room"),
            Self::Straggler { gain } => write!(f, "it runs long, and a copy would end {} ms earlier", gain.as_ms()),
            Self::OtherCopy => f.write_str("another copy of the task ended first"),
            Self::JobCancelled => f.write_str("the job was cancelled"),
            Self::LeaseOver { late } => write!(f, "the lease ran out {} ms ago", late.as_ms()),
            Self::Revoked => f.write_str("the owner took the work back"),
            Self::NoSlotFor(waited) => {
                write!(f, "no slot became free here for {} ms, and one is free elsewhere", waited.as_ms())
            }
            Self::UnknownAttempt => f.write_str("nobody here knows this attempt"),
            Self::Unfit(why) => write!(f, "{why}"),
            Self::Draining => f.write_str("the node is draining: it starts nothing more"),
            Self::Asked => f.write_str("somebody asked for it"),
            Self::BatteryLow { percent, below } => {
                write!(f, "the battery is at {percent} %, below {below} %: the node starts nothing more")
            }
            Self::BatteryCharged { percent, above } => write!(f, "the battery is at {percent} %, {above} % are enough"),
            Self::Fed => f.write_str("the machine is not on battery any more"),
            Self::OwnerUses { open, slots, load_centi, ours_centi } => owner(f, (open, slots), load_centi, ours_centi),
            Self::LongCommands { carried } => {
                write!(f, "the commands are long: a message had room for {carried} of them")
            }
            Self::Held => f.write_str("held: waits for release"),
            Self::PutOff { plus, minus, here } => put_off(f, plus, minus, here),
            Self::Strategy { why, slots, mean, percent, carry } => ordered(f, why, slots, mean, (percent, carry)),
            Self::Matrix { score_milli, node, taker } => matrix(f, score_milli, node, taker),
            Self::Signs { plus, zero, minus } => write!(f, "{plus} overloaded, {zero} balanced, {minus} idle"),
            Self::StorageFull => f.write_str("the disk is full"),
            Self::WardenAway => f.write_str("the process that starts tasks is away"),
            Self::Busy { ahead, in_hand } => write!(f, "waits for a slot: {in_hand} of {ahead} places are taken"),
            Self::Together { cpus, memory_mib, gpus, in_hand } => {
                together(f, cpus, memory_mib, gpus)?;
                write!(f, ": {in_hand} tasks run or are about to")
            }
            Self::Elsewhere { lack, nodes: 0, .. } => {
                write!(f, "it may not run here: {lack}; and no other node that is connected may run it now")
            }
            Self::Elsewhere { lack, nodes, free } => {
                write!(f, "it may not run here: {lack}; {nodes} other nodes may run it, with {free} slots free")
            }
            Self::AtParallel { parallel } => write!(f, "{parallel} of its tasks may run at once, and do"),
            Self::Halted { count, limit } => write!(f, "stopped early: {count} ends, the limit is {limit}"),
            Self::Moves(_) | Self::Stays(_) | Self::Checkpoint { .. } | Self::Promised { .. } => self.of_a_move(f),
            Self::Lent { tasks } => write!(f, "{tasks} of its tasks are with other nodes"),
            Self::Ending { tasks } => write!(f, "{tasks} of its tasks are being ended"),
        }
    }
}

impl Reason {
    /// Of a task that somebody wants elsewhere.
    fn of_a_move(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Moves(way) => write!(f, "somebody asked for it: {way}"),
            Self::Stays(why) => write!(f, "{why}"),
            Self::Checkpoint { nth } => write!(f, "it goes on from there; it is its checkpoint number {nth}"),
            Self::Promised { left } => {
                let secs = left.as_ms().div_ceil(1_000);
                write!(f, "it is to move: the other node has {secs} s left to ask for it")
            }
            _ => Ok(()),
        }
    }
}

fn next(f: &mut fmt::Formatter<'_>, order: Discipline, estimate: Span, waited: Span) -> fmt::Result {
    let why = match order {
        Discipline::Fifo => "its turn",
        Discipline::Interactive => "the highest response ratio",
        Discipline::Batch => "the longest that may go there",
        Discipline::Deadline => "the earliest deadline",
    };
    write!(f, "{why}: about {} ms of work, waited {} ms", estimate.as_ms(), waited.as_ms())
}

fn owner(f: &mut fmt::Formatter<'_>, (open, slots): (u32, u32), load_centi: u32, ours_centi: u32) -> fmt::Result {
    let centi = |load: u32| (load / 100, load % 100);
    let ((load, part), (ours, of_it)) = (centi(load_centi), centi(ours_centi));
    write!(f, "the machine's load is {load}.{part:02}, {ours}.{of_it:02} of it by tasks: ")?;
    write!(f, "{open} of {slots} slots are for tasks")
}

fn put_off(f: &mut fmt::Formatter<'_>, plus: u32, minus: u32, here: NodeTrit) -> fmt::Result {
    f.write_str("put off: it starts on idle nodes while more are idle than overloaded and nothing else waits; ")?;
    write!(f, "{plus} overloaded, {minus} idle, this one {}", here.word())
}

fn matrix(f: &mut fmt::Formatter<'_>, score_milli: u32, node: NodeTrit, taker: bool) -> fmt::Result {
    let taker = if taker { "an idle node could take something" } else { "no idle node could take anything" };
    write!(f, "it scores {:.2}, this node is {}, {taker}", f64::from(score_milli) / 1000.0, node.word())
}

fn ordered(
    f: &mut fmt::Formatter<'_>,
    why: strategy::Why,
    slots: u32,
    mean: Span,
    (percent, carry): (u32, Option<Span>),
) -> fmt::Result {
    let mean = mean.as_ms();
    match why {
        strategy::Why::Deadline => f.write_str("it has a deadline"),
        strategy::Why::Batch => {
            write!(f, "a batch that fills the {slots} slots, about {mean} ms a task, which differ by {percent} %")
        }
        strategy::Why::Few => write!(f, "few tasks, or fewer than the {slots} slots, about {mean} ms each"),
        strategy::Why::Alike => write!(f, "about {mean} ms each, which differ by {percent} % only"),
        strategy::Why::Unknown => f.write_str("nothing is known yet of how long its tasks run"),
    }?;
    carry.map_or(Ok(()), |carry| write!(f, "; lent tasks took {} ms beside their runs", carry.as_ms()))
}

fn together(f: &mut fmt::Formatter<'_>, cpus: u16, memory_mib: u32, gpus: u8) -> fmt::Result {
    write!(f, "waits until {cpus} slots are free at once")?;
    if memory_mib > 0 {
        write!(f, ", with {memory_mib} MiB of memory")?;
    }
    if gpus > 0 {
        write!(f, ", with {gpus} GPUs")?;
    }
    Ok(())
}
