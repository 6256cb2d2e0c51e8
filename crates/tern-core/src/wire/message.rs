//! The messages between nodes that share work.

use alloc::boxed::Box;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::bounded;
use super::travel::{Made, Travel};
use crate::observe::{Fit, NodeTrit};
use crate::promise::Outcome;
use crate::promise::ledger::{Posting, Triad};
use crate::words::{Bytes, Epoch, GrantId, JobId, JobSpec, NodeId, TaskSet, Unfit};

/// Version of this page; a peer that speaks another is told so and left alone.
pub const WIRE_VERSION: u16 = 5;

/// One message. Every one may be lost, repeated or late.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// Every second, and at once when it changes: how loaded the sender is.
    Vitals { trit: NodeTrit, queued: u32, running: u32, slots: u32, load_milli: u32 },
    /// From an idle node to a loaded one: lend me up to `tasks`. `asked` is the asker's boot time; the lease counts from it.
    Ask { tasks: u32, asked: u64 },
    /// The answer. `argv` holds one rendered vector a task in ascending order (filled in by the owner's adapter).
    Lend {
        grant: GrantId,
        job: JobId,
        round: u16,
        epoch: Epoch,
        n: u32,
        spec: Box<JobSpec>,
        tasks: TaskSet,
        #[serde(deserialize_with = "bounded::argv")]
        argv: Vec<Vec<Bytes>>,
        /// The `asked` of the request that this answers.
        asked: u64,
        /// The files that the tasks take along; there exactly where the job has some.
        travel: Option<Box<Travel>>,
        /// Who keeps the book of this transfer, and the tasks of all of it: the message may have had no room for some.
        broker: NodeId,
        whole: u32,
    },
    /// Nothing to lend now.
    Nothing { asked: u64 },
    /// The holder of these grants still works on them.
    Renew {
        #[serde(deserialize_with = "bounded::per_grant")]
        grants: Vec<GrantId>,
        asked: u64,
    },
    /// The lease of these counts from `asked` on; those of `lost` are void: stop their tasks.
    Renewed {
        #[serde(deserialize_with = "bounded::per_grant")]
        grants: Vec<GrantId>,
        #[serde(deserialize_with = "bounded::per_grant")]
        lost: Vec<GrantId>,
        asked: u64,
    },
    /// Ends of attempts, repeated until acknowledged. `output` has (stdout, stderr) an outcome, cut at a limit.
    Results {
        grant: GrantId,
        #[serde(deserialize_with = "bounded::per_task")]
        outcomes: Vec<Outcome>,
        #[serde(deserialize_with = "bounded::per_task")]
        output: Vec<(Bytes, Bytes)>,
        /// Files that came of them, one entry an outcome; empty where none travel.
        #[serde(deserialize_with = "bounded::per_task")]
        made: Vec<Made>,
    },
    /// These are durable with the owner (or refused for good): forget them.
    Received { grant: GrantId, tasks: TaskSet },
    /// The borrower will not run these; they return to the queue.
    Return { grant: GrantId, tasks: TaskSet, why: Option<Unfit> },
    /// The owner wants the grant to end; running tasks are to be ended.
    Revoke { grant: GrantId },
    /// Tasks wait here, or a second copy of one is wanted; whoever has a free slot may ask.
    Offer { tasks: u32 },
    /// The owner does not want these any more: what waits of them is given back, what runs is ended.
    Recall { grant: GrantId, tasks: TaskSet },
    /// To the broker: the sender's halves of these transfers, and those that it took back; repeated until settled.
    Post {
        #[serde(deserialize_with = "bounded::per_posting")]
        postings: Vec<Posting>,
        #[serde(deserialize_with = "bounded::per_posting")]
        aborts: Vec<Triad>,
    },
    /// From the broker: nobody needs to tell of these again.
    Settled {
        #[serde(deserialize_with = "bounded::per_posting")]
        txs: Vec<GrantId>,
    },
    /// From the broker of one zone to that of another: on these nodes so many tasks wait, and slots are free where you are.
    Pair {
        #[serde(deserialize_with = "bounded::per_giver")]
        givers: Vec<(NodeId, u32)>,
    },
    /// From the broker to a node with free slots: tasks wait on that one, which is in another zone.
    Meet { with: NodeId },
    /// To a node of another zone: this is what the sender has for tasks, and from now on it says how loaded it is. `answers`: the
    /// other began.
    Greet {
        #[serde(deserialize_with = "bounded::fit")]
        fit: Fit,
        answers: bool,
    },
}
