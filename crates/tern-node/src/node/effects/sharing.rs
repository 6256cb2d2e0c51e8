//! What comes from nodes that share work: loans, and ends of what was lent, with the files of both.

use tern_core::machine::{Effect, Event, Machine};
use tern_core::observe::Fit;
use tern_core::promise::{Exit, Outcome};
use tern_core::wire::{self, Message, TaskFiles};
use tern_core::words::{Attempt, Bytes, GrantId, JobId, JobSpec, NodeId, TaskSet, Unfit};

use crate::clock;
use crate::node::run::Loop;
use crate::node::wardens::orders::Came;
use crate::process::spawn::search::{self, Found};
use crate::stage::take::Long;
use crate::stage::{Inputs, Return};
use crate::store;

impl Loop {
    /// A frame from an admitted peer. What cannot be read is dropped: nothing of it reaches the machine.
    pub(in crate::node) fn frame(&mut self, from: NodeId, bytes: &[u8], effects: &mut Vec<Effect>) {
        match wire::decode(bytes) {
            Ok(message @ Message::Lend { .. }) => self.offered(from, message, effects),
            Ok(Message::Results { grant, outcomes, output, made }) if !made.is_empty() => {
                self.fetch_first(from, Message::Results { grant, outcomes, output, made }, effects);
            }
            Ok(message) => self.said(from, message, Long::default(), effects),
            Err(error) => tracing::warn!(%from, ?error, "a frame could not be read and was dropped"),
        }
    }

    /// A message that needs no files, or whose files are here.
    pub(in crate::node) fn said(&mut self, from: NodeId, mut message: Message, long: Long, effects: &mut Vec<Effect>) {
        if let Message::Results { grant, outcomes, output, .. } = &mut message {
            if !self.machine.takes_results(clock::now()) {
                long.iter().flatten().for_each(|place| drop(std::fs::remove_file(place)));
                return tracing::debug!("results were dropped for now: the disk is not ready for more");
            }
            let mut output = std::mem::take(output);
            self.missing_checkpoints(outcomes);
            // Of what will not count nothing is kept: neither of a loan that is over, nor of an end that is being written already.
            let counts: Vec<bool> = outcomes.iter().map(|it| self.machine.would_count(from, *grant, it)).collect();
            for (output, _) in output.iter_mut().zip(&counts).filter(|(_, counts)| !**counts) {
                *output = <(Bytes, Bytes)>::default();
            }
            let any = counts.contains(&true);
            let kept = if any { self.journal.keep_outputs(outcomes, &output, &long) } else { Ok(()) };
            // What cannot be removed goes at the next start.
            long.iter().flatten().for_each(|place| drop(std::fs::remove_file(place)));
            if let Err(error) = kept {
                return tracing::warn!(%error, "results were dropped for now: their output could not be written");
            }
        }
        self.handle(Event::Message { from, message }, effects);
    }

    /// A checkpoint that is not here cannot be gone on from: its task goes on from the one before.
    fn missing_checkpoints(&self, outcomes: &mut [Outcome]) {
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.exit.leaves_checkpoint()) {
            let Attempt { job, task, .. } = outcome.attempt;
            if spec(&self.machine, job, |it| it.checkpoint.is_some())
                && !self.home.checkpoint(&outcome.attempt).is_dir()
            {
                tracing::warn!(%job, task = task + 1, "a checkpoint did not come, and its task goes on from the one before");
                outcome.exit = Exit::Void;
            }
        }
    }

    /// Ends of tasks that made files: these come first. Only what an open loan names is fetched.
    fn fetch_first(&mut self, from: NodeId, message: Message, effects: &mut Vec<Effect>) {
        let Message::Results { grant, outcomes, output, made } = message else { return };
        let loan = self.machine.state().lent().get(&grant).filter(|loan| loan.to == from);
        let job = loan.map(|loan| loan.job);
        let ends = outcomes.into_iter().zip(output).zip(made);
        let (mut ends, over): (Vec<_>, Vec<_>) =
            ends.partition(|((end, _), _)| self.machine.would_count(from, grant, end));
        if !over.is_empty() {
            // Not lent, or not any more, or counted already: the machine says so, and the borrower stops saying it.
            let outcomes = over.into_iter().map(|((outcome, _), _)| outcome).collect();
            let message = Message::Results { grant, outcomes, output: Vec::new(), made: Vec::new() };
            self.handle(Event::Message { from, message }, effects);
        }
        let (Some(job), Some(stager)) = (job.filter(|_| !ends.is_empty()), self.stager.clone()) else { return };
        // One end a task, in the order in which their names are found.
        ends.sort_by_key(|((outcome, _), _)| outcome.attempt.task);
        ends.dedup_by_key(|((outcome, _), _)| outcome.attempt.task);
        let tasks: TaskSet = ends.iter().map(|((outcome, _), _)| outcome.attempt.task).collect();
        let orders = self.orders.own(self.machine.state(), job, &tasks);
        let argv: Vec<Vec<Bytes>> = orders.into_iter().map(|order| order.argv).collect();
        let travel = self.orders.travel(self.machine.state(), job, &tasks, &argv);
        let (mut outcomes, mut outputs, mut mades) = (Vec::new(), Vec::new(), Vec::new());
        let stages = spec(&self.machine, job, |it| it.stage.is_some());
        let keeps = spec(&self.machine, job, |it| it.checkpoint.is_some());
        for ((outcome, output), mut made) in ends {
            if !stages {
                made.files.clear();
            }
            if !keeps {
                made.checkpoint.0.clear();
            }
            outcomes.push(outcome);
            outputs.push(output);
            // Of a job whose files do not travel none is taken.
            mades.push(made);
        }
        let declared = travel.map_or_else(|| vec![TaskFiles::default(); outcomes.len()], |travel| travel.tasks);
        let message = Message::Results { grant, outcomes, output: outputs, made: mades };
        stager.take(Return { from, message, base: self.orders.base(job), declared });
    }

    /// A loan on offer: what its tasks need is kept only if the machine takes it.
    fn offered(&mut self, from: NodeId, message: Message, effects: &mut Vec<Effect>) {
        let Message::Lend { grant, job, tasks, argv, spec, asked, travel, .. } = &message else { return };
        let has = |node: &Self| node.machine.borrowed().any(|(held, _)| held == *grant);
        if has(self) {
            // A repetition, or a stranger's: what came with the first stays.
            return self.handle(Event::Message { from, message }, effects);
        }
        if let Some(why) = self.cannot_run(spec, argv) {
            let (grant, tasks, asked) = (*grant, tasks.clone(), *asked);
            return self.handle(Event::Unwanted { from, grant, tasks, asked, why }, effects);
        }
        let context = match store::context::for_borrowed(&self.home, *job, *grant, spec) {
            Ok(context) => context,
            Err(error) => return tracing::warn!(%error, "a loan was dropped: its context could not be written"),
        };
        // Copies: the machine counts them when it judges the loan.
        let travel = travel.as_ref().map(|travel| (**travel).clone());
        let (grant, gpus, job) = (*grant, spec.needs.gpus, *job);
        let (keeps, stages) = (spec.checkpoint.is_some(), spec.stage.is_some());
        let came = Came { from, tasks: tasks.clone(), argv: argv.clone(), travel, gpus, job, keeps, stages };
        self.handle(Event::Message { from, message }, effects);
        if self.machine.borrowed().any(|(held, lender)| held == grant && lender == from) {
            self.orders.borrow(grant, came, context);
        } else {
            store::context::discard_borrowed(&context);
        }
    }

    /// Why this machine cannot run such tasks: a program is not installed, or it takes no files. A program that is named with a
    /// folder comes with the job, or is where it says.
    fn cannot_run(&self, spec: &JobSpec, argv: &[Vec<Bytes>]) -> Option<Unfit> {
        if spec.files_travel() && (self.stager.is_none() || !self.files) {
            return Some(Unfit::NoFiles);
        }
        let path = store::context::path_of(spec);
        let folders = search::folders(path.as_deref(), b"/");
        let mut known: Option<&Bytes> = None;
        for program in argv.iter().filter_map(|words| words.first()).filter(|name| !name.contains(&b'/')) {
            if known != Some(program) && matches!(search::search(program, &folders), Found::Nowhere) {
                return Some(Unfit::Program);
            }
            known = Some(program);
        }
        None
    }

    pub(in crate::node) fn bring(&self, grant: GrantId, tasks: &TaskSet) {
        if let (Some(stager), Some(wish)) = (&self.stager, self.orders.wish(grant, tasks)) {
            stager.bring(wish);
        }
    }

    /// The inputs of a borrowed task are here, or cannot be had.
    pub(in crate::node) fn staged(
        &mut self,
        grant: GrantId,
        task: u32,
        inputs: Result<Inputs, Unfit>,
        effects: &mut Vec<Effect>,
    ) {
        let tasks: TaskSet = [task].into_iter().collect();
        let event = match inputs {
            Ok(inputs) => {
                self.orders.ready(grant, task, inputs);
                Event::Staged { grant, tasks }
            }
            Err(why) => Event::Unstaged { grant, tasks, why },
        };
        self.handle(event, effects);
    }

    pub(in crate::node) fn peer_fit(&mut self, from: NodeId, fit: Fit, effects: &mut Vec<Effect>) {
        self.handle(Event::PeerFit(from, fit), effects);
    }
}

/// What the spec of an own job says.
fn spec(machine: &Machine, job: JobId, says: impl Fn(&JobSpec) -> bool) -> bool {
    machine.state().job(job).is_some_and(|known| says(&known.spec))
}
