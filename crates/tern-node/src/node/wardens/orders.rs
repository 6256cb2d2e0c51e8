//! From ranges of tasks to argument vectors: a job's template, its rows, and where its context lies.
//!
//! The core speaks of tasks as numbers. Only here, just before they go to the warden or to a borrower, do they get words;
//! so the core stays small and a job of a million tasks stays one template.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tern_core::promise::{Job, Outcome, Output, State};
use tern_core::wire::{Saved, TaskFiles, Travel};
use tern_core::words::limits::{ARG_BYTES_MAX, FRAME_BYTES_MAX};
use tern_core::words::{Attempt, Bytes, GrantId, Inputs as Rowed, JobId, JobSpec, NodeId, TaskSet};

use super::devices::Devices;
use crate::files::names;
use crate::home::Home;
use crate::process::checkpoint;
use crate::process::protocol::{Keep, Order, Own, Said};
use crate::stage::leave::{Along, Leaving};
use crate::stage::{self, Inputs, Wish};
use crate::store::context;
use crate::store::results::copy_output;
use crate::store::rows::Rows;

/// Jobs whose inputs are kept open; others are opened again when needed.
const OPEN_INPUTS_MAX: usize = 16;
/// Bytes of the orders in one frame; the rest of it is for what they have in common.
const GROUP_BYTES_MAX: usize = FRAME_BYTES_MAX - 64 * 1024;

/// What came with a loan.
pub struct Came {
    pub from: NodeId,
    pub tasks: TaskSet,
    /// One vector a task in ascending order.
    pub argv: Vec<Vec<Bytes>>,
    pub travel: Option<Travel>,
    pub gpus: u8,
    pub job: JobId,
    /// Its tasks leave checkpoints.
    pub keeps: bool,
    /// Files go along, and its tasks run in folders of their own.
    pub stages: bool,
}

/// Renders tasks and remembers what borrowed tasks came with.
pub struct Orders {
    home: Home,
    open: BTreeMap<JobId, Arc<Rows>>,
    /// Which graphics processors are whose.
    pub devices: Devices,
    /// What loans came with, until they end.
    borrowed: BTreeMap<GrantId, Loan>,
}

struct Loan {
    from: NodeId,
    job: JobId,
    keeps: bool,
    stages: bool,
    /// Graphics processors of one task.
    gpus: u8,
    /// The folder of its work folders, made when it is needed.
    folder: PathBuf,
    travel: Option<Travelling>,
    /// Vectors of its tasks: a warden may die before it has begun one, and the next is given it again.
    argv: BTreeMap<u32, Vec<Bytes>>,
    context: PathBuf,
    /// What goes with the ends of its tasks, from when it was looked for first.
    along: BTreeMap<u32, Along>,
}

/// The files of a loan's tasks.
struct Travelling {
    base: PathBuf,
    files: BTreeMap<u32, TaskFiles>,
    /// Work folders that are ready, as they were then.
    ready: BTreeMap<u32, Inputs>,
}

impl Orders {
    pub fn new(home: Home) -> Self {
        Self { home, open: BTreeMap::new(), borrowed: BTreeMap::new(), devices: Devices::default() }
    }

    /// Vectors for tasks of an own job. A task whose row cannot be read gets a vector that fails and says so: the job goes on.
    pub fn own(&mut self, state: &State, job: JobId, tasks: &TaskSet) -> Vec<Order> {
        let Some(spec) = state.job(job).map(|job| &job.spec) else { return Vec::new() };
        let rows = matches!(spec.inputs, Rowed::Rows).then(|| self.rows(job));
        let mut orders = Vec::with_capacity(tasks.len() as usize);
        for range in tasks.ranges() {
            match &rows {
                Some(Ok(rows)) => match rows.rows(range.clone()) {
                    Ok(read) => {
                        orders.extend(range.zip(read).map(|(task, row)| Order {
                            task,
                            argv: render(spec, task, &row),
                            own: None,
                        }));
                    }
                    Err(error) => orders.extend(range.map(|task| unreadable(task, &error.to_string()))),
                },
                Some(Err(error)) => orders.extend(range.map(|task| unreadable(task, error))),
                None => orders.extend(range.map(|task| Order {
                    task,
                    argv: render(spec, task, &number(spec, task)),
                    own: None,
                })),
            }
        }
        orders
    }

    /// Gives own tasks that want graphics processors some of their own.
    pub fn equip(&mut self, orders: &mut [Order], gpus: u8, attempt: impl Fn(u32) -> Attempt) {
        if gpus > 0 {
            for order in orders {
                order.own = own(None, self.devices.take(attempt(order.task), gpus), None);
            }
        }
    }

    /// Gives own tasks that leave checkpoints a place for them, and what they go on from. What else lies there goes.
    pub fn keep(&self, orders: &mut [Order], job: &Job, attempt: impl Fn(u32) -> Attempt) {
        for order in orders {
            let attempt = attempt(order.task);
            let kept =
                job.kept.get(&order.task).map(|kept| (Attempt { epoch: kept.epoch, n: kept.n, ..attempt }, kept));
            let needed: Vec<Attempt> = kept.iter().map(|(last, _)| *last).chain([attempt]).collect();
            checkpoint::discard(checkpoint::others(&self.home, &needed));
            let mut keep = Keep { folder: stage_bytes(&self.home.checkpoint(&attempt)), ..Keep::default() };
            if let Some((last, kept)) = kept {
                keep.from = stage_bytes(&self.home.checkpoint(&last));
                let said = |range: Output, path: PathBuf| {
                    (range.len > 0).then(|| Said { file: stage_bytes(&path), offset: range.offset, len: range.len })
                };
                let (out, err) = (self.home.stdout(kept.stdout.file), self.home.stderr(kept.stderr.file));
                keep.said = [said(kept.stdout, out), said(kept.stderr, err)];
            }
            order.own.get_or_insert_default().keep = Some(Box::new(keep));
        }
    }

    /// The checkpoint that goes along with a lent task. What it had written becomes files of its own, which can be fetched.
    fn saved(&self, job: &Job, (id, task): (JobId, u32)) -> Option<Box<Saved>> {
        let kept = job.kept.get(&task)?;
        let last = Attempt { job: id, task, round: 0, epoch: kept.epoch, n: kept.n };
        let folder = self.home.checkpoint(&last);
        let mut saved = Saved { folder: stage_bytes(&folder), ..Saved::default() };
        for (which, range) in [kept.stdout, kept.stderr].into_iter().enumerate().filter(|(_, range)| range.len > 0) {
            let place = folder.with_extension(which.to_string());
            if place.metadata().is_ok_and(|meta| meta.len() == range.len) {
            } else if let Err(error) = copy_output(&self.home, range, which == 1, &place, || true) {
                // It is named, and not there: the borrower gives the task back.
                tracing::warn!(%error, "what a task wrote before its checkpoint could not be put aside for another node");
            }
            saved.said[which] = stage_bytes(&place);
        }
        Some(Box::new(saved))
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

    /// The files that travel with tasks of an own job, one entry a task; none where the job has none.
    pub fn travel(&mut self, state: &State, job: JobId, tasks: &TaskSet, argv: &[Vec<Bytes>]) -> Option<Travel> {
        let known = state.job(job).filter(|known| known.spec.files_travel())?;
        let spec = &known.spec;
        let base = self.base(job);
        let rows = matches!(spec.inputs, Rowed::Rows).then(|| self.rows(job));
        let numbers = tasks.ranges().into_iter().flatten();
        let files = numbers.zip(argv).map(|(task, argv)| {
            let row = match &rows {
                Some(Ok(rows)) => rows.rows(task..=task).ok().and_then(|mut rows| rows.pop()).unwrap_or_default(),
                _ => number(spec, task),
            };
            let named = spec.stage.as_ref().map(|stage| stage::names::of_task(stage, &base, &row, task + 1, argv));
            TaskFiles { saved: self.saved(known, (job, task)), ..named.unwrap_or_default() }
        });
        Some(Travel { tasks: files.collect(), base: stage_bytes(&base) })
    }

    /// The folder in which an own job was submitted.
    pub fn base(&self, job: JobId) -> PathBuf {
        let context = context::read(&self.home.context(job));
        // A context that cannot be read fails the job's own tasks, too, and says so there.
        context.map_or_else(|_| PathBuf::from("/nonexistent"), |context| names::path(&context.cwd))
    }

    /// What is to be fetched for these borrowed tasks.
    pub fn wish(&self, grant: GrantId, tasks: &TaskSet) -> Option<Wish> {
        let loan = self.borrowed.get(&grant)?;
        let travel = loan.travel.as_ref()?;
        let inputs = |task: u32| Some((task, travel.files.get(&task)?.clone()));
        let tasks = tasks.0.iter().filter_map(inputs).collect();
        Some(Wish { grant, from: loan.from, base: travel.base.clone(), folder: loan.folder.clone(), tasks })
    }

    /// The inputs of a borrowed task are in its work folder.
    pub fn ready(&mut self, grant: GrantId, task: u32, inputs: Inputs) {
        if let Some(travel) = self.borrowed.get_mut(&grant).and_then(|loan| loan.travel.as_mut()) {
            travel.ready.insert(task, inputs);
        }
    }

    /// What goes with the end of a borrowed task beside its outcome. None: nobody has looked for it yet.
    pub fn along(&self, grant: GrantId, task: u32) -> Option<&Along> {
        self.borrowed.get(&grant)?.along.get(&task)
    }

    /// What is to be looked for and put aside before this end is told; nothing, where all of it fits into the message. `long`: which
    /// of output and error output do not.
    pub fn leaving(&mut self, to: NodeId, grant: GrantId, outcome: &Outcome, long: [bool; 2]) -> Option<Leaving> {
        let loan = self.borrowed.get_mut(&grant)?;
        let task = outcome.attempt.task;
        let checkpointed = loan.keeps && outcome.exit.leaves_checkpoint();
        let made = loan.travel.as_mut().filter(|_| loan.stages && !checkpointed).and_then(|travel| {
            let outputs = travel.files.get(&task).map(|files| files.outputs.clone()).unwrap_or_default();
            Some((travel.ready.remove(&task)?, outputs))
        });
        if made.is_none() && long == [false; 2] && !checkpointed {
            return None;
        }
        let left = checkpointed.then(|| stage_bytes(&self.home.checkpoint(&outcome.attempt)));
        let checkpoint = left.unwrap_or_default();
        loan.along.insert(task, Along::Coming);
        Some(Leaving { to, grant, outcome: *outcome, made, folder: loan.folder.clone(), long, checkpoint })
    }

    /// It was looked for. False: the loan is over.
    pub fn left(&mut self, grant: GrantId, task: u32, along: Along) -> bool {
        let Some(loan) = self.borrowed.get_mut(&grant) else { return false };
        loan.along.insert(task, along);
        true
    }

    /// Remembers what a grant came with. `argv` has one vector a task in ascending order; a shorter list is the lender's
    /// fault and leaves tasks without a vector, which then fail and say so.
    pub fn borrow(&mut self, grant: GrantId, came: Came, context: PathBuf) {
        let Came { from, tasks, argv, travel, gpus, job, keeps, stages } = came;
        let numbers = || tasks.ranges().into_iter().flatten();
        let folder = self.home.work().join(format!("{:016x}-{}", grant.incarnation, grant.n));
        let travel = travel.map(|travel| Travelling {
            base: names::path(&travel.base),
            files: numbers().zip(travel.tasks).collect(),
            ready: BTreeMap::new(),
        });
        let (argv, along) = (numbers().zip(argv).collect(), BTreeMap::new());
        self.borrowed.insert(grant, Loan { from, job, keeps, stages, gpus, folder, travel, argv, context, along });
    }

    /// Where the context of a loan lies; None where none is known.
    pub fn context_of(&self, grant: GrantId) -> Option<PathBuf> {
        self.borrowed.get(&grant).map(|loan| loan.context.clone())
    }

    pub fn lent(&mut self, grant: GrantId, tasks: &TaskSet, attempt: impl Fn(u32) -> Attempt) -> Vec<Order> {
        let (known, devices, home) = (self.borrowed.get(&grant), &mut self.devices, &self.home);
        let numbers = tasks.ranges().into_iter().flatten();
        numbers
            .map(|task| match known.and_then(|loan| loan.argv.get(&task)).cloned() {
                Some(argv) if !argv.is_empty() => {
                    let loan = known;
                    let stages = loan.filter(|loan| loan.stages && loan.travel.is_some());
                    let folder = stages.map(|loan| stage_bytes(&loan.folder.join(task.to_string())));
                    let env = devices.take(attempt(task), loan.map_or(0, |loan| loan.gpus));
                    let keeps = loan.filter(|loan| loan.keeps);
                    let keep = keeps.map(|loan| loan.keep(task, &home.checkpoint(&attempt(task))));
                    Order { task, argv, own: own(folder, env, keep) }
                }
                _ => unreadable(task, "the lender sent no command for it"),
            })
            .collect()
    }

    /// Loans that something is remembered of.
    pub fn loans(&self) -> usize {
        self.borrowed.len()
    }

    /// Forgets what came with loans that have ended. Returns their folders of work folders.
    pub fn keep_grants(&mut self, mut keep: impl FnMut(GrantId) -> bool) -> Vec<PathBuf> {
        let ended: Vec<(GrantId, Loan)> = self.borrowed.extract_if(.., |grant, _| !keep(*grant)).collect();
        for (_, loan) in &ended {
            context::discard_borrowed(&loan.context);
            // Another loan of the same job may have checkpoints here, too.
            if loan.keeps && self.borrowed.values().all(|other| other.job != loan.job) {
                checkpoint::put_away(&self.home, &self.home.checkpoints().join(loan.job.to_string()));
            }
        }
        ended.into_iter().map(|(_, loan)| loan.folder).collect()
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
        Rowed::Array { first } => vec![(first + i64::from(task)).to_string().into()],
        Rowed::Rows | Rowed::None => Vec::new(),
    }
}

fn render(spec: &JobSpec, task: u32, row: &[Bytes]) -> Vec<Bytes> {
    spec.command.render(row, task + 1)
}

/// `false` with its reason as arguments: fails with 1, and the reason stands in `ps` and in the logs.
fn unreadable(task: u32, why: &str) -> Order {
    let says = format!("tern: the input of task {} cannot be read: {why}", task + 1);
    Order { task, argv: vec!["false".into(), says.into()], own: None }
}

/// What a task has for itself, if anything.
fn own(folder: Option<Bytes>, env: Vec<(Bytes, Bytes)>, keep: Option<Keep>) -> Option<Box<Own>> {
    let keep = keep.map(Box::new);
    let any = folder.is_some() || !env.is_empty() || keep.is_some();
    any.then(|| Box::new(Own { folder: folder.unwrap_or_default(), env, keep }))
}

impl Loan {
    /// Where a borrowed task leaves its checkpoint, and what came with it.
    fn keep(&self, task: u32, folder: &Path) -> Keep {
        let mut keep = Keep { folder: stage_bytes(folder), ..Keep::default() };
        let files = self.travel.as_ref().and_then(|travel| travel.files.get(&task));
        let Some(saved) = files.and_then(|files| files.saved.as_ref()) else { return keep };
        keep.from = stage_bytes(&stage::saved_folder(&self.folder, task));
        for which in 0..2 {
            let place = stage::saved_output(&self.folder, task, which);
            // An empty output was not sent.
            let len = place.metadata().map_or(0, |meta| meta.len());
            let said = !saved.said[which].is_empty() && len > 0;
            keep.said[which] = said.then(|| Said { file: stage_bytes(&place), offset: 0, len });
        }
        keep
    }
}

fn stage_bytes(path: &Path) -> Bytes {
    names::bytes(path).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tern_core::words::Epoch;

    #[test]
    fn a_borrowed_task_has_its_command_also_for_the_next_warden() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut orders = Orders::new(Home::new(folder.path()));
        let (grant, tasks) = (GrantId { incarnation: 1, n: 1 }, TaskSet::first(2));
        let argv: Vec<Vec<Bytes>> = vec![vec!["echo".into(), "0".into()], vec!["echo".into(), "1".into()]];
        let (from, job) = (NodeId([1; 32]), JobId::new(1, 1));
        let of = (tasks.clone(), argv.clone());
        let came = Came { from, tasks: of.0, argv: of.1, travel: None, gpus: 0, job, keeps: false, stages: false };
        orders.borrow(grant, came, folder.path().join("context"));
        let epoch = Epoch { counter: 0, keeper: 1, incarnation: 1 };
        let attempt = |task| Attempt { job: JobId::new(1, 1), task, round: 0, epoch, n: 1 };
        for warden in 0..2 {
            let given: Vec<Vec<Bytes>> = orders.lent(grant, &tasks, attempt).into_iter().map(|it| it.argv).collect();
            assert_eq!(given, argv, "warden {warden}");
        }
        orders.keep_grants(|_| false);
        let unknown = orders.lent(grant, &tasks, attempt);
        assert!(unknown.iter().all(|order| order.argv[0].to_string() == "false"));
    }
}
