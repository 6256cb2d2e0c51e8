//! Every limit has a name, and all of them stand here.

use super::time::Span;

/// Tasks in one job. A bitmap of them is 2 MiB at worst.
pub const TASKS_PER_JOB_MAX: u32 = 1 << 24;
/// Jobs that a node keeps, finished ones included; the oldest finished are forgotten first.
pub const JOBS_MAX: usize = 10_000;
/// Attempts at one task within a round (`--retries`).
pub const TRIES_MAX: u8 = 100;
/// Rounds of one job: how often it may be retried.
pub const ROUNDS_MAX: u16 = 1_000;
/// Bytes of a job's spec without its inputs.
pub const SPEC_BYTES_MAX: usize = 1 << 20;
/// Bytes of one argument: the kernel's MAX_ARG_STRLEN, its final NUL included.
pub const ARG_BYTES_MAX: usize = 128 * 1024;
/// Bytes of an argument vector and environment together: a quarter of the usual 8 MiB stack.
pub const ARGV_BYTES_MAX: usize = 2 << 20;
/// Words of one argument vector in a message.
pub const ARGV_WORDS_MAX: usize = 1 << 17;
/// Tasks in one message to the warden or to a peer.
pub const GRANT_TASKS_MAX: u32 = 1024;
/// Slots of one node.
pub const SLOTS_MAX: u32 = 4096;
/// Tasks that one slot can explain in what another node claims of itself.
pub const RUNNING_PER_SLOT_MAX: u32 = 16;
/// Peers of one node.
pub const PEERS_MAX: usize = 128;
/// Grants to other nodes that may be open at once.
pub const GRANTS_OPEN_MAX: usize = 4096;
/// Grants of other nodes that may be held at once.
pub const GRANTS_HELD_MAX: usize = 1024;
/// Records that wait for the disk; beyond it commands are denied with backpressure.
pub const STAGED_MAX: usize = 4096;
/// Incarnations of one node whose results are still accepted.
pub const INCARNATIONS_MAX: usize = 4096;
/// Bytes of one message on the wire.
pub const FRAME_BYTES_MAX: usize = 4 << 20;
/// Bytes of standard output or error that travel with a result; more is fetched as a file.
pub const RESULT_OUTPUT_BYTES_MAX: usize = 64 << 10;

/// With this a task ends that left a checkpoint of itself and wants to go on from it.
pub const CHECKPOINT_EXIT: u8 = 85;
/// Checkpoints of one task within a round: one that leaves more without coming to an end has failed.
pub const CHECKPOINTS_MAX: u16 = 1_000;
/// Tasks of a job that leaves checkpoints: what is known of each of them is a row.
pub const CHECKPOINT_TASKS_MAX: u32 = 1 << 16;
/// Between TERM and KILL where tasks leave checkpoints and nothing else is said …
pub const CHECKPOINT_GRACE: Span = Span::secs(30);
/// … and at most.
pub const CHECKPOINT_GRACE_MOST: Span = Span::secs(3_600);
/// Bytes of a checkpoint that travels: one that is larger is left behind, and its task goes on from the one before.
pub const CHECKPOINT_BYTES_MAX: u64 = 16 << 30;
/// Files and folders of a checkpoint that travels.
pub const CHECKPOINT_FILES_MAX: usize = 1 << 16;
/// Bytes of what a task has written so far, to both outputs, that travel with its checkpoint: one that wrote more stays.
pub const CHECKPOINT_OUTPUT_BYTES_MAX: u64 = 64 << 20;
/// Tasks that are on the move at once because somebody asked for it.
pub const MIGRATIONS_MAX: usize = 256;
/// A task waits so long for the node that it is to move to; then it may run anywhere again.
pub const MOVE_PATIENCE: Span = Span::secs(10);

/// Files that one task takes along, or brings back.
pub const TASK_FILES_MAX: usize = 4_096;
/// Nodes that a job may name or exclude.
pub const NAMED_NODES_MAX: usize = 256;
/// Transfers that a broker's book may hold, settled ones of its epoch included.
pub const LEDGER_OPEN_MAX: usize = 1 << 16;
/// Of these, open ones that one node alone has posted.
pub const LEDGER_OPEN_BY_ONE: usize = LEDGER_OPEN_MAX / 8;
/// Pairs of nodes that a book holds up since they tell a transfer in two ways.
pub const LEDGER_BLOCKED_MAX: usize = 1 << 10;
/// Epochs for which a transfer stays open of which one side does not come.
pub const LEDGER_EPOCHS_OPEN: u64 = 5;
/// How often a broker closes an epoch.
pub const LEDGER_EPOCH: Span = Span::secs(60);
/// Places on the ring of keys from which senders look for the balanced node that keeps their books: what a node posts, and what is
/// settled of it, goes in few messages. A book has room for a thousand transfers a second, and for a hundred of one node that stay open.
pub const LEDGER_SEATS: u8 = 2;
/// Postings wait so long for others, and so do answers to them; who has told some not long ago tells the next after the gap …
pub const LEDGER_TELL: Span = Span::ms(1_000);
pub const LEDGER_GAP: Span = Span::secs(10);
/// … and again after so long, in which the other side and the broker may each have waited for their gap, until they are settled …
pub const LEDGER_TELL_AGAIN: Span = Span::secs(25);
/// … or for so long: no longer than a broker remembers what it settled.
pub const LEDGER_PATIENCE: Span = Span::secs(60);
/// Postings, and answers to them, in one message.
pub const POSTINGS_PER_FRAME: usize = 4_096;

/// A task that came back so often from nodes that did not run it stays with its owner.
pub const MOVES_MAX: u8 = 6;
/// Tasks of one job of which is remembered that they came back; the first are forgotten.
pub const MOVED_MAX: usize = 1_024;
/// A node that gave a task back is not lent it again for this long.
pub const LENT_AGAIN: Span = Span::secs(1);
/// A node that could not run a job's tasks is not lent others of it for this long.
pub const UNFIT_LASTS: Span = Span::secs(30);
/// The same where inputs did not come as they are: they may have changed just then.
pub const UNFIT_INPUTS_LAST: Span = Span::secs(2);
/// Nodes that could not run tasks of one job and are remembered; the first are forgotten.
pub const UNFIT_MAX: usize = 256;
/// Commands whose earlier runs are remembered; the one that ran longest ago goes first.
pub const HISTORY_COMMANDS_MAX: usize = 4_096;
/// Tasks, each a command with its inputs, whose earlier runs are remembered.
pub const HISTORY_TASKS_MAX: usize = 32_768;
/// Once there were so many runs, the last of them counts one part in so many.
pub const HISTORY_WINDOW: u32 = 16;
/// Only jobs of so many tasks or fewer are looked at task by task.
pub const HISTORY_JOB_TASKS_MAX: u32 = 65_536;
/// Tasks of one job that are remembered each by itself; of a larger job those that are longer than usual.
pub const HISTORY_LEARNT_PER_JOB: u32 = 4_096;
/// Names of rows that are held for jobs that are not over, over all jobs.
pub const HISTORY_ROWS_HELD_MAX: usize = 1 << 20;

/// A lease counts from when its holder asked for it.
pub const LEASE_TTL: Span = Span::ms(1_000);
/// How often a holder renews.
pub const LEASE_RENEW: Span = Span::ms(250);
/// What the granter waits beyond the TTL, for drift between the clocks.
pub const LEASE_MARGIN: Span = Span::ms(100);
/// The warden makes results durable at once when idle, else after this.
pub const COMMIT_INTERVAL: Span = Span::ms(20);
/// How often a node tells its peers how loaded it is.
pub const VITALS_INTERVAL: Span = Span::ms(1_000);
/// It says so at once when a trit changes, but not more often than this.
pub const VITALS_GAP: Span = Span::ms(50);
/// Results and returned tasks are sent again until they are acknowledged.
pub const RESEND: Span = Span::ms(500);
/// A peer that had nothing to lend is asked again after this, then after twice as long …
pub const ASK_AGAIN_FIRST: Span = Span::ms(50);
/// … up to this.
pub const ASK_AGAIN_MOST: Span = Span::ms(2_000);
/// How long after a failed write the node's own records are tried again. A caller's command is never tried again.
pub const STORAGE_RETRY: Span = Span::ms(1_000);
/// Between TERM and KILL.
pub const KILL_GRACE: Span = Span::ms(2_000);

/// Links that a node keeps, connections that have not introduced themselves included.
pub const LINKS_MAX: usize = 32;
/// Addresses of one endpoint of a node.
pub const NODE_ADDRESSES_MAX: usize = 8;
/// Bytes of the name of a zone with all that it lies in.
pub const ZONE_BYTES_MAX: usize = 64;
/// Bytes of the body of one record.
pub const RECORD_BYTES_MAX: usize = 4 * 1024;
/// Up to so many members everybody knows everybody. In a larger grid only those of one zone do.
pub const FLAT_MEMBERS_MAX: usize = 128;
/// Nodes of one zone that others can reach in a grid with zones.
pub const ROSTER_MEMBERS_MAX: usize = 4_096;
/// Links to other zones that a roster names.
pub const ROSTER_BORDERS_MAX: usize = 64;
/// Members of a zone whose addresses are told to other zones.
pub const ROSTER_DOORS_MAX: usize = 4;
/// Bytes of the body of a roster.
pub const ROSTER_BYTES_MAX: usize = 8 * ROSTER_MEMBERS_MAX + 4 * 1024;
/// Nodes whose rosters are kept, those that were taken back included.
pub const ROSTERS_MAX: usize = 1_024;
/// Nodes that speak for one zone.
pub const SPEAKERS: usize = 2;
/// Nodes of a zone that keep links to others.
pub const BORDER_NODES: usize = 8;
/// How long the place among the first must be held before a node speaks for its zone, or does so no more.
pub const SPEAKER_PATIENCE: Span = Span::secs(3);
/// How often a zone tells how loaded it is, if that has changed.
pub const ZONE_LOAD_EVERY: Span = Span::secs(10);
/// How often the broker of a zone looks at the loads of the others.
pub const AREAS_EVERY: Span = Span::secs(5);
/// Nodes with waiting tasks that one broker names to another at once.
pub const GIVERS_MAX: usize = 32;
/// Jobs that are looked at to say how many tasks could go elsewhere.
pub const MOVABLE_JOBS: usize = 64;
/// A broker listens to others not more often than this.
pub const PAIR_GAP: Span = Span::ms(250);
/// It is told again to people after this that the same two zones are paired.
pub const PAIR_SAID_AGAIN: Span = Span::secs(600);
/// Nodes of other zones with which a node shares work at the same time.
pub const FAR_PEERS_MAX: usize = 8;
/// One of them that says nothing for so long is forgotten …
pub const FAR_SILENT: Span = Span::secs(4);
/// … and so is one with which no work was shared for so long.
pub const FAR_LINGERS: Span = Span::secs(30);
/// A node that has only neighbours of other zones for so long belongs to one of these.
pub const AREA_PATIENCE: Span = Span::secs(10);

/// Bytes of one frame on a link.
pub const LINK_FRAME_BYTES_MAX: usize = 512 * 1024;
/// Records, or names of records, in one frame.
pub const RECORDS_PER_FRAME: usize = 96;
/// Statements in one frame; a longer list travels in several, in its order.
pub const STATEMENTS_PER_FRAME: usize = 1024;
/// The greatest sequence of a record: far beyond what a life can use, and far from where counting would overflow.
pub const RECORD_SEQUENCE_MAX: u64 = 1 << 62;
/// Records of one node that are taken at once …
pub const RECORD_BURST: u32 = 40;
/// … and then one in each of these.
pub const RECORD_EVERY: Span = Span::ms(500);
/// What a node sends itself at once: fewer, since on their way they may come together.
pub const RECORD_OWN_BURST: u32 = 30;
/// Digests of one neighbour that are answered at once, and then one in each [`RECORD_EVERY`].
pub const DIGEST_BURST: u32 = 128;
/// Lists of statements of one neighbour that are judged at once, and then one in each [`RECORD_EVERY`]: more than whole rolls need.
pub const STATEMENTS_BURST: u32 = 64;
/// How often a node sends its own records anew.
pub const RECORD_REFRESH: Span = Span::secs(600);
/// An adjacency that was not sent anew for so long is forgotten.
pub const RECORD_AGE_MOST: Span = Span::secs(2_100);
/// New links are told together with those of the next moments; lost ones never wait.
pub const ADJACENCY_GAIN_GAP: Span = Span::ms(150);
/// The same in a grid of so many nodes, and so much more as there are more of them: each record goes over every link …
pub const ADJACENCY_GAP_NODES: u64 = 16;
/// … up to this.
pub const ADJACENCY_GAP_MOST: Span = Span::secs(1);
/// A round-trip time that changed is told not more often than this.
pub const RTT_TELL_GAP: Span = Span::secs(10);
/// Between two computations of all ways, for each so many members …
pub const DRAW_GAP: Span = Span::ms(1);
/// … of the grid.
pub const DRAW_GAP_NODES: u64 = 8;
/// How often a node compares what it knows with one of its neighbours.
pub const DIGEST_EVERY: Span = Span::secs(30);

/// Between heartbeats of a node that holds work, or on a link that carries packets.
pub const BEAT_BUSY: Span = Span::ms(150);
/// The same of a node that would hardly be missed.
pub const BEAT_IDLE: Span = Span::ms(1_000);
/// The same on a battery.
pub const BEAT_BATTERY: Span = Span::ms(5_000);
/// A neighbour is suspect after three of its own intervals of silence, and not before this.
pub const BEAT_SUSPECT_LEAST: Span = Span::ms(600);
/// A link is down after four of them, and not before this.
pub const BEAT_DOWN_LEAST: Span = Span::ms(800);
/// The same where heartbeats got lost or came late not long ago.
pub const BEAT_DOWN_ROUGH: Span = Span::ms(1_300);
/// For how long a link counts as rough after a heartbeat was lost or late.
pub const ROUGH_LASTS: Span = Span::secs(300);
/// A longer interval is promised in so many heartbeats before it is kept: each of them may get lost.
pub const BEATS_ANNOUNCED: u8 = 4;
/// Who asks whether this node lives is answered at once, but not more often than this.
pub const BEAT_ANSWER_GAP: Span = Span::ms(50);
/// A node that wakes so much later than it wanted to was itself not listening.
pub const BEAT_LATE: Span = Span::ms(100);
/// After packets a link is watched closely for this long.
pub const TRAFFIC_LASTS: Span = Span::secs(3);
/// A place where one death would cut the grid is mended after this, by the first …
pub const CUT_PATIENCE: Span = Span::secs(3);
/// … so many who could, and by twice as many after each further time.
pub const CUT_MENDERS: usize = 1;
/// Between the news that a link is not to be used and its end.
pub const LINK_RETIRES: Span = Span::secs(3);
/// Addresses that come one after the other are looked at together.
pub const ADDRESSES_GATHER: Span = Span::ms(50);
/// How often a node thinks about which links it wants.
pub const LINK_TEND: Span = Span::ms(1_000);
/// A link that neither end wants is closed after this.
pub const LINK_SURPLUS: Span = Span::secs(60);
/// A new connection must introduce itself within this.
pub const GREETING_PATIENCE: Span = Span::secs(5);
/// How long the older of two machines with one key has time to show that it lives, to a neighbour …
pub const DUPLICATE_WAIT: Span = Span::ms(1_200);
/// … and to a node that knows it through others only.
pub const DUPLICATE_WAIT_FAR: Span = Span::secs(6);
/// The same while nothing is heard of it: then its neighbours have dropped it, were it dead.
pub const DUPLICATE_WAIT_MOST: Span = Span::secs(25);
/// How long a newcomer whose key lives elsewhere has to show that it lives, too.
pub const DUPLICATE_ANSWER: Span = Span::secs(1);
/// How long it is told that a key is claimed twice.
pub const DISPUTE_TOLD: Span = Span::secs(60);
/// A member that was not reached is dialled again after this, then after twice as long …
pub const DIAL_AGAIN_FIRST: Span = Span::ms(250);
/// … up to this, so that a cable that is back is found soon; and after so many failures on to …
pub const DIAL_AGAIN_SOON: Span = Span::secs(2);
/// … the number of failures after which nobody expects it back soon …
pub const DIAL_FAILURES_SOON: u32 = 24;
/// … this.
pub const DIAL_AGAIN_MOST: Span = Span::secs(60);
/// New dials in each [`LINK_TEND`] to members that are not up, by a node that has its links.
pub const DIALS_LOST: usize = 2;
/// Dials at the same time.
pub const DIALS_MAX: usize = 16;
/// Connections of one peer that have not introduced themselves.
pub const GREETINGS_PER_PEER: usize = 2;
/// How often an idle node tells the others how it is.
pub const VITALS_IDLE_INTERVAL: Span = Span::secs(5);
/// Vitals older than this do not make others old.
pub const VITALS_BELIEVED: Span = Span::secs(15);
/// Vitals of others wait for company this long before they are passed on.
pub const VITALS_BATCH_WAIT: Span = Span::ms(100);

/// Members of one grid: statements about them that a node keeps.
pub const MEMBERS_MAX: usize = 16_384;
/// Admin keys that are good at the same time.
pub const ADMINS_MAX: usize = 64;
/// Statements that make admins, those that count no more included: rotations and removals leave some behind.
pub const ADMIN_LINKS_MAX: usize = 512;
/// Revocations of one grid; none is ever forgotten.
pub const REVOCATIONS_MAX: usize = 4_096;
/// Links between the root and an admin.
pub const ADMIN_DEPTH_MAX: u8 = 8;
/// Bytes of one statement.
pub const STATEMENT_BYTES_MAX: usize = 256;
/// Statements in one list: all that a roll can hold.
pub const STATEMENT_LIST_MAX: usize = MEMBERS_MAX + ADMIN_LINKS_MAX + REVOCATIONS_MAX;
/// Bytes of one list of statements.
pub const STATEMENT_LIST_BYTES_MAX: usize = STATEMENT_LIST_MAX * STATEMENT_BYTES_MAX;
/// Bytes of a node's name.
pub const NAME_BYTES_MAX: usize = 63;
/// Invitations of one admin that are neither used nor expired.
pub const INVITATIONS_OPEN_MAX: usize = 64;
/// Invitations that an admin remembers, to tell a used or expired ticket from an unknown one.
pub const INVITATIONS_KEPT_MAX: usize = 256;
/// Addresses in a ticket, and of one member in the roll's file.
pub const ADDRESSES_MAX: usize = 8;
/// Characters of a ticket's text.
pub const TICKET_CHARS_MAX: usize = 1024;
/// How far the issuer's clock may have gone back since it made an invitation.
pub const INVITATION_SLACK: Span = Span::secs(300);

/// Bytes of one request to the control API: the rows of a batch travel in it.
pub const DOOR_BODY_BYTES_MAX: usize = 256 << 20;
/// Connections to the control API at once; more wait in the kernel's queue.
pub const DOOR_CONNECTIONS_MAX: usize = 256;
/// Bytes of the head of one request to the control API.
pub const DOOR_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Headers of one request to the control API.
pub const DOOR_HEADERS_MAX: usize = 32;
/// After this much silence before a request the control API closes the connection.
pub const DOOR_IDLE: Span = Span::secs(60);
/// Chunks of an answer that wait for a slow reader; the producer waits with them.
pub const DOOR_CHUNKS_MAX: usize = 4;
/// Bytes after which a chunk of results is sent on.
pub const DOOR_CHUNK_BYTES: usize = 256 * 1024;
/// Bytes of a task's standard output or error that a line of results carries where the asker names no limit.
pub const DOOR_INLINE_BYTES: u64 = 1 << 20;
/// The most that an asker may name: what is longer is read through the output route.
pub const DOOR_INLINE_BYTES_MAX: u64 = 16 << 20;
/// Bytes of one line of results, as JSON: both outputs at their greatest, each byte written as `\u0000`, and the rest.
pub const DOOR_LINE_BYTES_MAX: usize = 12 * DOOR_INLINE_BYTES_MAX as usize + 4096;
/// Finished private runs that stay below `runs/`; the oldest go first.
pub const RUNS_FINISHED_KEPT_MAX: usize = 32;
/// Private runs whose process was killed that stay below `runs/`; the oldest go first.
pub const RUNS_KILLED_KEPT_MAX: usize = 64;

/// Bytes of a node's facts as they travel.
pub const FACTS_BYTES_MAX: usize = 512;
/// Bytes of a name among a node's facts: an architecture, a vendor, a capability, a version.
pub const FACT_NAME_BYTES_MAX: usize = 16;
/// Bytes of a description among a node's facts: the model of a processor, the release of a kernel.
pub const FACT_TEXT_BYTES_MAX: usize = 48;
/// Graphics processors of one node.
pub const GPUS_MAX: usize = 8;
/// Capabilities of one node.
pub const CAPABILITIES_MAX: usize = 16;
/// Cores of one node: no slot without one, so no more than slots.
pub const CORES_MAX: u16 = SLOTS_MAX as u16;
/// MiB of memory of one node: 16 TiB, as much as its vitals can tell.
pub const MEMORY_MIB_MAX: u32 = (1 << 24) - 1;
/// The fastest core that is believed: twenty times the reference.
pub const SPEED_MAX: u16 = 20_000;
