//! From ranges of tasks to argument vectors: a job's template, its rows, and where its context lies.
//!
//! The core speaks of tasks as numbers. Only here, just before they go to the warden or to a borrower, do they get words;
//! so the core stays small and a job of a million tasks stays one template.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tern_core::promise::State;
use tern_core::words::limits::{ARG_BYTES_MAX, FRAME_BYTES_MAX};
use tern_core::words::{Bytes, GrantId, Inputs, JobId, JobSpec, TaskSet};

use crate::home::Home;
use crate::process::protocol::Order;
use crate::store::context;
use crate::store::rows::Rows;

/// Jobs whose inputs are kept open; others are opened again when needed.
const OPEN_INPUTS_MAX: usize = 16;
/// Bytes of the orders in one frame; the rest of it is for what they have in common.
const GROUP_BYTES_MAX: usize = FRAME_BYTES_MAX - 64 * 1024;

/// Renders tasks and remembers what borrowed tasks came with.
pub struct Orders {
    home: Home,
    open: BTreeMap<JobId, Arc<Rows>>,
    /// What loans came with, until they end.
    borrowed: BTreeMap<GrantId, Loan>,
}

struct Loan {
    /// Vectors of tasks that were not given to the warden yet.
    argv: BTreeMap<u32, Vec<Bytes>>,
    context: PathBuf,
}

impl Orders {
    pub fn new(home: Home) -> Self {
        Self { home, open: BTreeMap::new(), borrowed: BTreeMap::new() }
    }

    /// Vectors for tasks of an own job. A task whose row cannot be read gets a vector that fails and says so: the job goes on.
    pub fn own(&mut self, state: &State, job: JobId, tasks: &TaskSet) -> Vec<Order> {
        let Some(spec) = state.job(job).map(|job| &job.spec) else { return Vec::new() };
        let rows = matches!(spec.inputs, Inputs::Rows).then(|| self.rows(job));
        let mut orders = Vec::with_capacity(tasks.len() as usize);
        for range in tasks.ranges() {
            match &rows {
                Some(Ok(rows)) => match rows.rows(range.clone()) {
                    Ok(read) => {
                        orders
                            .extend(range.zip(read).map(|(task, row)| Order { task, argv: render(spec, task, &row) }));
                    }
                    Err(error) => orders.extend(range.map(|task| unreadable(task, &error.to_string()))),
                },
                Some(Err(error)) => orders.extend(range.map(|task| unreadable(task, error))),
                None => orders.extend(range.map(|task| Order { task, argv: render(spec, task, &number(spec, task)) })),
            }
        }
        orders
    }

    fn rows(&mut self, job: JobId) -> Result<Arc<Rows>, String> {
        if let Some(rows) = self.open.get(&job) {
            return Ok(rows.clone());
        }
        let rows = Arc::new(Rows::open(&self.home.inputs(job)).map_err(|error| error.to_string())?);
        while self.open.len() >= OPEN_INPUTS_MAX {
            self.open.pop_first();
        }
        self.open.insert(job, rows.clone());
        Ok(rows)
    }

    /// Remembers what a grant came with. `argv` has one vector a task in ascending order; a shorter list is the lender's
    /// fault and leaves tasks without a vector, which then fail and say so.
    pub fn borrow(&mut self, grant: GrantId, tasks: &TaskSet, argv: Vec<Vec<Bytes>>, context: PathBuf) {
        let numbers = tasks.ranges().into_iter().flatten();
        self.borrowed.insert(grant, Loan { argv: numbers.zip(argv).collect(), context });
    }

    /// Where the context of a loan lies; None where none is known.
    pub fn context_of(&self, grant: GrantId) -> Option<PathBuf> {
        self.borrowed.get(&grant).map(|loan| loan.context.clone())
    }

    pub fn lent(&mut self, grant: GrantId, tasks: &TaskSet) -> Vec<Order> {
        let mut known = self.borrowed.get_mut(&grant);
        let numbers = tasks.ranges().into_iter().flatten();
        numbers
            .map(|task| match known.as_mut().and_then(|loan| loan.argv.remove(&task)) {
                Some(argv) if !argv.is_empty() => Order { task, argv },
                _ => unreadable(task, "the lender sent no command for it"),
            })
            .collect()
    }

    /// Loans that something is remembered of.
    pub fn loans(&self) -> usize {
        self.borrowed.len()
    }

    /// Forgets what came with loans that have ended.
    pub fn keep_grants(&mut self, mut keep: impl FnMut(GrantId) -> bool) {
        for (_, loan) in self.borrowed.extract_if(.., |grant, _| !keep(*grant)) {
            context::discard_borrowed(&loan.context);
        }
    }

    pub fn forget_job(&mut self, job: JobId) {
        self.open.remove(&job);
    }
}

/// Orders as groups of which each fits into one frame. An order that no frame can hold is longer than any kernel's limit for
/// arguments; it is cut down to one that fails for the same reason.
pub fn in_frames(orders: Vec<Order>) -> Vec<Vec<Order>> {
    let mut groups: Vec<Vec<Order>> = Vec::new();
    let mut room = 0;
    for mut order in orders {
        let mut bytes = order_bytes(&order);
        if bytes > GROUP_BYTES_MAX {
            order.argv.truncate(1);
            order.argv.push(Bytes(vec![b' '; ARG_BYTES_MAX]));
            bytes = order_bytes(&order);
        }
        match groups.last_mut().filter(|_| bytes <= room) {
            Some(group) => group.push(order),
            None => {
                groups.push(vec![order]);
                room = GROUP_BYTES_MAX;
            }
        }
        room -= bytes.min(room);
    }
    groups
}

/// An upper bound of what an order takes in a frame: lengths and numbers are 10 bytes at most.
fn order_bytes(order: &Order) -> usize {
    20 + order.argv.iter().map(|word| word.len() + 10).sum::<usize>()
}

fn number(spec: &JobSpec, task: u32) -> Vec<Bytes> {
    match spec.inputs {
        Inputs::Array { first } => vec![(first + i64::from(task)).to_string().into()],
        Inputs::Rows | Inputs::None => Vec::new(),
    }
}

fn render(spec: &JobSpec, task: u32, row: &[Bytes]) -> Vec<Bytes> {
    spec.command.render(row, task + 1)
}

/// `false` with its reason as arguments: fails with 1, and the reason stands in `ps` and in the logs.
fn unreadable(task: u32, why: &str) -> Order {
    let says = format!("tern: the input of task {} cannot be read: {why}", task + 1);
    Order { task, argv: vec!["false".into(), says.into()] }
}
