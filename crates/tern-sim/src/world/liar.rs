//! A computer that was admitted and lies: it forges whatever the wire can carry.
//!
//! It knows more than an attacker could (the true ids of grants that are open), which only makes the lies better.

use tern_core::observe::{Fit, NodeTrit};
use tern_core::promise::ledger::Triad;
use tern_core::promise::{Exit, Outcome, Output};
use tern_core::wire::{Made, Message};
use tern_core::words::{Attempt, Epoch, GrantId, JobId, TaskSet, Unfit};

use super::perform::over_the_wire;
use super::{Parcel, What, World};
use crate::client::plain_job;

const MS: u64 = 1_000_000;

impl World {
    pub(super) fn lie(&mut self, node: usize) {
        if self.calm_since.is_some() {
            return;
        }
        let next = self.now + self.dice.lie.u64(5..200) * MS;
        self.queue.plan(next, What::Lie(node));
        let to = self.dice.lie.usize(..usize::from(self.plan.honest));
        let message = self.forged(node, to);
        self.stats.lies += 1;
        // What no decoder takes is no message.
        if let Ok(message) = over_the_wire(&message) {
            self.send(node, to, message);
        }
    }

    fn forged(&mut self, node: usize, to: usize) -> Message {
        let heard = self.dice.lie.usize(..self.network.heard.len().max(1));
        let heard = self.network.heard.get(heard).cloned();
        let (grant, attempt, from_whom) = self.stolen(to);
        let asked = self.nodes[to].clock.boot(self.now).saturating_sub(self.dice.lie.u64(..2_000) * MS);
        let dice = &mut self.dice.lie;
        let tasks: TaskSet =
            if dice.bool() { [attempt.task].into_iter().collect() } else { TaskSet::first(dice.u32(..40)) };
        let lied = |exit| lied_end(attempt, exit);
        match dice.u8(..16) {
            0 => Message::Vitals {
                trit: [NodeTrit::Idle, NodeTrit::Balanced, NodeTrit::Overloaded][dice.usize(..3)],
                queued: dice.u32(..),
                running: dice.u32(..),
                slots: dice.u32(..),
                load_milli: dice.u32(..),
            },
            1 => Message::Ask { tasks: dice.u32(..), asked: if dice.bool() { u64::MAX } else { asked } },
            2 => Message::Nothing { asked },
            3 => Message::Renew { grants: vec![grant; dice.usize(1..4)], asked: u64::MAX },
            4 => Message::Renewed { grants: vec![grant], lost: Vec::new(), asked: u64::MAX },
            5 => Message::Renewed { grants: Vec::new(), lost: vec![grant], asked },
            6 => Message::Results {
                grant,
                outcomes: vec![lied(Exit::Code(0))],
                output: vec![Default::default(); 2],
                made: vec![Made::default(); 3],
            },
            7 => Message::Results {
                grant,
                outcomes: vec![lied(Exit::Code(1))],
                output: vec![Default::default()],
                made: Vec::new(),
            },
            8 => Message::Received { grant, tasks },
            9 => {
                if dice.bool() {
                    Message::Return { grant, tasks, why: dice.bool().then_some(Unfit::Inputs) }
                } else {
                    Message::Revoke { grant }
                }
            }
            11 => self.forged_postings(node, to, grant),
            13 => {
                let givers =
                    (0..dice.usize(..40)).map(|_| (self.nodes[dice.usize(..self.nodes.len())].id, dice.u32(..)));
                Message::Pair { givers: givers.collect() }
            }
            14 if dice.bool() => Message::Meet { with: self.nodes[dice.usize(..self.nodes.len())].id },
            // It claims to have nothing, as with its neighbours: what is accepted for its sake would wait for ever.
            14 => Message::Greet { fit: Fit::default(), answers: dice.bool() },
            12 => Message::Settled { txs: vec![grant; dice.usize(..4)] },
            10 => self.forged_loan(node, to, grant, asked, tasks, from_whom),
            _ => self.twisted(heard, to).unwrap_or(Message::Revoke { grant }),
        }
    }

    /// A grant and an attempt as they really are, or nearly.
    fn stolen(&mut self, to: usize) -> (GrantId, Attempt, usize) {
        let dice = &mut self.dice.lie;
        let owned: Vec<_> =
            self.ledger.grants.iter().filter(|(_, grant)| grant.owner == to || dice.u32(..3) == 0).collect();
        let Some((grant, known)) = owned.get(dice.usize(..owned.len().max(1))) else {
            let incarnation = self.ledger.incarnations.keys().next().copied().unwrap_or(7);
            let job = self.ledger.jobs.keys().next().copied().unwrap_or(JobId(9));
            let epoch = Epoch { counter: 0, keeper: job.owner_tag(), incarnation };
            let attempt = Attempt { job, task: dice.u32(..20), round: 0, epoch, n: dice.u32(..9) };
            return (GrantId { incarnation, n: dice.u32(..9) }, attempt, to);
        };
        let task = known.tasks.0.iter().nth(dice.usize(..8)).unwrap_or_else(|| dice.u32(..));
        let epoch = Epoch { counter: 0, keeper: known.job.owner_tag(), incarnation: grant.incarnation };
        let mut attempt = Attempt { job: known.job, task, round: known.round, epoch, n: known.n };
        match dice.u8(..8) {
            0 => attempt.n = attempt.n.wrapping_add(1),
            1 => attempt.round = attempt.round.wrapping_add(1),
            2 => attempt.epoch.incarnation ^= 1,
            3 => attempt.task = u32::MAX,
            _ => {}
        }
        (**grant, attempt, known.owner)
    }

    /// A loan of a job that is not the liar's, or of tasks that no job has.
    fn forged_loan(
        &mut self,
        node: usize,
        to: usize,
        grant: GrantId,
        asked: u64,
        tasks: TaskSet,
        owner: usize,
    ) -> Message {
        let dice = &mut self.dice.lie;
        let tag = match dice.u8(..4) {
            0 => self.nodes[to].id.tag(),
            1 => self.nodes[owner].id.tag(),
            _ => self.nodes[node].id.tag(),
        };
        let mut spec = plain_job(999, dice.u32(..60), 20);
        if dice.u32(..4) == 0 {
            spec.tasks = u32::MAX;
        }
        let incarnation = if dice.bool() { grant.incarnation } else { dice.u64(..) };
        let n = dice.u32(..4);
        let argv = if dice.bool() { tasks.len() } else { dice.u32(..4) };
        Message::Lend {
            grant: GrantId { incarnation, n },
            job: JobId::new(tag, dice.u32(..4)),
            round: dice.u16(..2),
            epoch: Epoch { counter: 0, keeper: tag, incarnation },
            n,
            spec: Box::new(spec),
            argv: (0..argv).map(|_| vec!["lie".into()]).collect(),
            tasks,
            // A question that was really asked, if one was heard.
            asked: self.asked_by(to).unwrap_or(asked),
            travel: None,
            broker: self.nodes[if self.dice.lie.bool() { node } else { owner }].id,
            whole: self.dice.lie.u32(..4),
        }
    }

    /// Halves of a transfer that others made, or of none.
    fn forged_postings(&mut self, node: usize, to: usize, grant: GrantId) -> Message {
        let nodes: Vec<_> = self.nodes.iter().map(|node| node.id).collect();
        let dice = &mut self.dice.lie;
        let mut any = |mine: usize| nodes[if dice.bool() { mine } else { dice.usize(..nodes.len()) }];
        let (sender, receiver) = (any(node), any(node));
        let triad = Triad::new(grant, [sender, nodes[to], receiver], dice.u32(1..5));
        let aborts = triad.filter(|_| dice.bool()).into_iter().collect();
        Message::Post { postings: triad.into_iter().flat_map(Triad::halves).collect(), aborts }
    }

    fn asked_by(&self, to: usize) -> Option<u64> {
        self.network.heard.iter().rev().filter(|parcel| parcel.from == to).find_map(|parcel| match parcel.message {
            Message::Ask { asked, .. } => Some(asked),
            _ => None,
        })
    }

    /// Something that was really said, to somebody else, or answered with a lie.
    fn twisted(&mut self, heard: Option<Parcel>, to: usize) -> Option<Message> {
        let heard = heard?;
        match heard.message {
            Message::Lend { grant, tasks, job, epoch, n, round, .. } if heard.from == to => {
                let exit = if self.dice.lie.bool() { Exit::Code(0) } else { Exit::Code(3) };
                let ends = |task| lied_end(Attempt { job, task, round, epoch, n }, exit);
                let outcomes: Vec<_> = tasks.0.iter().map(ends).collect();
                let output = outcomes.iter().map(|_| Default::default()).collect();
                Some(Message::Results { grant, outcomes, output, made: Vec::new() })
            }
            other => Some(other),
        }
    }
}

fn lied_end(attempt: Attempt, exit: Exit) -> Outcome {
    Outcome {
        attempt,
        exit,
        started_ms: u64::MAX,
        ran_ns: u64::MAX,
        cpu_us: u64::MAX,
        rss_kib: u32::MAX,
        ran_on: 0xdead_beef,
        stdout: Output { file: u32::MAX, offset: u64::MAX, len: u64::MAX },
        stderr: Output::default(),
    }
}
