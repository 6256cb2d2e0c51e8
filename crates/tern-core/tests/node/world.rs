//! A disk, a warden and a network around machines, moved by hand: every test decides what happens next.

use std::collections::{BTreeMap, VecDeque};
use tern_core::machine::{Answer, Command, Deny, Dispatch, Effect, Event, Machine};
use tern_core::promise::{Exit, Outcome, Output, Record, State};
use tern_core::wire::Message;
use tern_core::words::spec::Halt;
use tern_core::words::template::Template;
use tern_core::words::{Attempt, Bytes, Inputs, JobId, JobSpec, NodeId, Now};

pub fn spec(tasks: u32) -> JobSpec {
    JobSpec {
        name: String::from("count"),
        command: Template::parse(&[Bytes::from("true")], None, false).expect("a word"),
        inputs: Inputs::None,
        tasks,
        parallel: 0,
        tries: 1,
        timeout_ms: None,
        halt: Halt::default(),
        held: false,
        local_only: false,
        rlimits: Vec::new(),
        env: Vec::new(),
        ..JobSpec::default()
    }
}

pub fn ended(attempt: Attempt, exit: Exit) -> Outcome {
    let none = Output::default();
    let (started_ms, ran_ns) = (1_000, 50_000_000);
    Outcome { attempt, exit, started_ms, ran_ns, cpu_us: 1, rss_kib: 1, ran_on: 1, stdout: none, stderr: none }
}

pub fn attempts(dispatch: &Dispatch) -> Vec<Attempt> {
    let &Dispatch { job, round, epoch, n, .. } = dispatch;
    dispatch.tasks.0.iter().map(|task| Attempt { job, task, round, epoch, n }).collect()
}

pub struct Node {
    pub id: NodeId,
    pub machine: Machine,
    /// Durable records, in order.
    pub journal: Vec<Record>,
    pub unsynced: VecDeque<(u64, Vec<Record>)>,
    /// What the warden holds.
    pub hand: VecDeque<Attempt>,
    /// The last report.
    pub reported: Vec<Outcome>,
    /// What the warden is ending: reported as cancelled by `reap`.
    pub ending: Vec<Attempt>,
    pub replies: BTreeMap<u64, Result<Answer, Deny>>,
    pub outbox: VecDeque<(NodeId, Message)>,
    pub log: Vec<Effect>,
    pub wake: Option<u64>,
    pub starts: u64,
}

pub struct World {
    pub now: Now,
    pub nodes: Vec<Node>,
    pub exit: Box<dyn FnMut(&Attempt) -> Exit>,
    /// How many milliseconds a task runs.
    pub lasts: Box<dyn Fn(&Attempt) -> u64>,
    /// Done to each machine when it is made.
    pub prepare: Box<dyn Fn(&mut Machine)>,
    /// Whether the laws are checked at each event.
    pub checked: bool,
    tickets: u64,
}

impl World {
    pub fn one(slots: u32) -> Self {
        Self::of(&[slots])
    }
    pub fn of(slots: &[u32]) -> Self {
        Self::prepared(slots, Box::new(|_| {}))
    }
    pub fn prepared(slots: &[u32], prepare: Box<dyn Fn(&mut Machine)>) -> Self {
        let now = Now { boot: 1_000_000_000, mono: 1_000_000_000, wall_ms: 1_000 };
        let mut world = Self {
            now,
            nodes: Vec::new(),
            exit: Box::new(|_| Exit::Code(0)),
            lasts: Box::new(|_| 50),
            prepare,
            checked: true,
            tickets: 0,
        };
        for (index, slots) in slots.iter().enumerate() {
            let id = NodeId([index as u8 + 1; 32]);
            world.nodes.push(Node {
                id,
                machine: Machine::new(State::new(id)),
                journal: Vec::new(),
                unsynced: VecDeque::new(),
                hand: VecDeque::new(),
                reported: Vec::new(),
                ending: Vec::new(),
                replies: BTreeMap::new(),
                outbox: VecDeque::new(),
                log: Vec::new(),
                wake: None,
                starts: 0,
            });
            world.start(index, *slots);
        }
        world
    }

    pub fn start(&mut self, node: usize, slots: u32) {
        (self.prepare)(&mut self.nodes[node].machine);
        self.nodes[node].starts += 1;
        let incarnation = 1_000 * (node as u64 + 1) + self.nodes[node].starts;
        self.event(node, Event::Start { incarnation, slots });
        self.warden_up(node);
        self.sync(node);
    }

    pub fn warden_up(&mut self, node: usize) {
        let it = &self.nodes[node];
        let running = it.hand.iter().chain(&it.ending).copied().collect();
        self.event(node, Event::WardenUp { running, queued: Vec::new() });
    }

    /// kill -9 of the agent: what was not synced is gone, the warden lives on.
    pub fn crash(&mut self, node: usize, slots: u32) {
        self.recover(node);
        self.start(node, slots);
    }

    /// The next agent as it comes from its journal, before it has started.
    pub fn recover(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        it.unsynced.clear();
        it.outbox.clear();
        let mut state = State::new(it.id);
        for record in &it.journal {
            state.apply(record);
        }
        it.machine = Machine::new(state);
    }

    pub fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    pub fn event(&mut self, node: usize, event: Event) {
        let mut effects = Vec::new();
        let now = self.now;
        let it = &mut self.nodes[node];
        it.wake = None;
        it.machine.handle(event, now, &mut effects);
        if self.checked {
            it.machine.sanity_check().expect("sound");
        }
        for effect in effects {
            it.log.push(effect.clone());
            match effect {
                Effect::Persist { sequence, records } => it.unsynced.push_back((sequence, records)),
                Effect::Reply { ticket, outcome } => {
                    assert!(it.replies.insert(ticket, outcome).is_none(), "ticket {ticket} was answered twice");
                }
                Effect::Dispatch(dispatch) => it.hand.extend(attempts(&dispatch)),
                Effect::Send { to, message } => it.outbox.push_back((to, message)),
                Effect::Tell(told) => {
                    let peers: Vec<NodeId> = it.machine.peers().map(|(peer, _)| peer).collect();
                    it.outbox.extend(peers.into_iter().map(|to| (to, told.message())));
                }
                Effect::WakeAt(at) => it.wake = Some(at),
                Effect::Revoke { .. } => {}
                Effect::End { job, tasks } => {
                    let ends = |attempt: &Attempt| attempt.job == job && tasks.contains(attempt.task);
                    it.ending.extend(it.hand.iter().filter(|attempt| ends(attempt)).copied());
                    it.hand.retain(|attempt| !ends(attempt));
                }
                Effect::Log(_)
                | Effect::Hold { .. }
                | Effect::Free { .. }
                | Effect::Stage { .. }
                | Effect::Counted { .. }
                | Effect::Changed { .. }
                | Effect::Kept { .. }
                | Effect::Discard { .. } => {}
            }
        }
    }

    pub fn command(&mut self, node: usize, command: Command) -> u64 {
        self.tickets += 1;
        let ticket = self.tickets;
        self.event(node, Event::Command { ticket, command });
        ticket
    }

    pub fn reply(&self, node: usize, ticket: u64) -> Option<Result<Answer, Deny>> {
        self.nodes[node].replies.get(&ticket).cloned()
    }

    pub fn submit(&mut self, node: usize, spec: JobSpec) -> JobId {
        let ticket = self.command(node, Command::Submit(Box::new(spec)));
        self.sync(node);
        match self.reply(node, ticket) {
            Some(Ok(Answer::Accepted(job))) => job,
            other => panic!("not accepted: {other:?}"),
        }
    }

    /// A command that is synced and answered.
    pub fn ask(&mut self, node: usize, command: Command) -> Result<Answer, Deny> {
        let ticket = self.command(node, command);
        self.sync(node);
        self.reply(node, ticket).expect("answered")
    }

    /// Everything staged becomes durable.
    pub fn sync(&mut self, node: usize) {
        while let Some((sequence, records)) = self.nodes[node].unsynced.pop_front() {
            self.nodes[node].journal.extend(records);
            self.event(node, Event::Persisted(sequence));
        }
    }

    /// The first `count` tasks in the warden's hands end.
    pub fn finish(&mut self, node: usize, count: usize) {
        let count = count.min(self.nodes[node].hand.len());
        let ended_now: Vec<Attempt> = self.nodes[node].hand.drain(..count).collect();
        let mut end = |attempt: &Attempt| {
            let ran_ns = (self.lasts)(attempt) * 1_000_000;
            Outcome { ran_ns, ..ended(*attempt, (self.exit)(attempt)) }
        };
        let outcomes: Vec<Outcome> = ended_now.iter().map(&mut end).collect();
        if !outcomes.is_empty() {
            // The segment is a journal too.
            let own = self.nodes[node].id.tag();
            let mine = outcomes.iter().filter(|outcome| outcome.attempt.epoch.keeper == own).copied().collect();
            self.nodes[node].journal.push(Record::Outcomes { via: None, outcomes: mine });
            self.nodes[node].reported.clone_from(&outcomes);
            self.event(node, Event::Finished(outcomes));
        }
        self.sync(node);
    }

    /// Runs the node alone until nothing is in its hands.
    pub fn run(&mut self, node: usize) {
        while !self.nodes[node].hand.is_empty() {
            self.finish(node, 3);
        }
    }

    pub fn after_ms(&mut self, ms: u64) {
        self.now.boot += ms * 1_000_000;
        self.now.mono += ms * 1_000_000;
        self.now.wall_ms += ms;
    }

    /// What was ended is reported.
    pub fn reap(&mut self, node: usize) {
        let ending = std::mem::take(&mut self.nodes[node].ending);
        if !ending.is_empty() {
            let outcomes = ending.iter().map(|attempt| ended(*attempt, Exit::Cancelled)).collect();
            self.event(node, Event::Finished(outcomes));
        }
        self.sync(node);
    }

    pub fn connect(&mut self, one: usize, other: usize) {
        let (a, b) = (self.nodes[one].id, self.nodes[other].id);
        self.event(one, Event::PeerUp(b));
        self.event(other, Event::PeerUp(a));
    }

    /// The adapter's part: argument vectors of a grant.
    pub fn fill(message: Message) -> Message {
        match message {
            Message::Lend { grant, job, round, epoch, n, spec, tasks, asked, travel, broker, whole, .. } => {
                let argv = (0..tasks.len()).map(|_| vec![Bytes::from("true")]).collect();
                Message::Lend { grant, job, round, epoch, n, spec, tasks, argv, asked, travel, broker, whole }
            }
            other => other,
        }
    }

    /// Delivers the oldest message that `node` sent. Returns whether there was one.
    pub fn deliver(&mut self, node: usize) -> bool {
        let Some((to, message)) = self.nodes[node].outbox.pop_front() else { return false };
        let from = self.nodes[node].id;
        if let Some(to) = self.nodes.iter().position(|other| other.id == to) {
            let frame = tern_core::wire::encode(&Self::fill(message));
            let message = tern_core::wire::decode(&frame).expect("own frames are read");
            self.event(to, Event::Message { from, message });
        }
        true
    }

    /// Delivers and syncs until nobody has anything to say.
    pub fn calm(&mut self) {
        loop {
            let mut moved = false;
            for node in 0..self.nodes.len() {
                self.sync(node);
                moved |= self.deliver(node);
            }
            if !moved && self.nodes.iter().all(|node| node.unsynced.is_empty()) {
                return;
            }
        }
    }

    pub fn lose_messages(&mut self) {
        for node in &mut self.nodes {
            node.outbox.clear();
        }
    }

    pub fn tick(&mut self, ms: u64) {
        self.after_ms(ms);
        for node in 0..self.nodes.len() {
            self.event(node, Event::Tick);
            self.sync(node);
        }
    }

    /// Outcomes told to watchers of the node.
    pub fn counted(&self, node: usize) -> Vec<Outcome> {
        let told = self.nodes[node].log.iter().filter_map(|effect| match effect {
            Effect::Counted { outcomes, .. } => Some(outcomes.clone()),
            _ => None,
        });
        told.flatten().collect()
    }
}
