//! What stands under the hub's lock: orders that wait, rows that are held, ends on their way to the disk.

use std::collections::VecDeque;
use std::sync::Arc;

use nix::sys::eventfd::EventFd;
use tern_core::words::{Attempt, Bytes};

use super::{Assigned, Ended, Head, Mail, mono};
use crate::process::inflight::{ROWS_MAX, Table};
use crate::process::protocol::{Grant, Order};
use crate::process::warden::control::outbox::Outbox;

pub(super) struct Batch {
    pub head: Arc<Head>,
    pub orders: VecDeque<Order>,
}

pub(super) struct Desk {
    pub wake: Arc<EventFd>,
    /// Has a free slot and found no order.
    pub idle: bool,
    pub share: u32,
    /// Slots that a task is in; more than the share after tasks were adopted.
    pub busy: u32,
    pub mail: Vec<Mail>,
}

#[derive(Default)]
pub(super) struct State {
    pub queue: VecDeque<Batch>,
    pub queued: usize,
    pub queued_bytes: usize,
    /// By row: attempts taken whose ends are not durable.
    pub held: Vec<Option<Attempt>>,
    pub free_rows: Vec<u16>,
    /// Ends whose checkpoints are not durable yet; one is being saved.
    pub unsaved: VecDeque<Ended>,
    pub saving: bool,
    pub pending: Vec<Ended>,
    pub pending_since: u64,
    pub committing: bool,
    pub desks: Vec<Desk>,
    pub slots: u32,
    pub client: Option<Outbox>,
    pub closing: bool,
    pub given_up: bool,
    pub stopped: bool,
}

pub(super) fn order_bytes(order: &Order) -> usize {
    order.argv.iter().map(|word| word.len() + size_of::<Bytes>()).sum()
}

impl Batch {
    pub fn attempt(&self, task: u32) -> Attempt {
        let Grant { job, round, epoch, n, .. } = self.head.grant;
        Attempt { job, task, round, epoch, n }
    }
}

impl State {
    pub fn urgent(&self) -> bool {
        self.queued == 0 || self.closing || self.desks.iter().any(|desk| desk.idle)
    }

    pub fn take_row(&mut self, table: &Table) -> Option<usize> {
        if let Some(row) = self.free_rows.pop() {
            return Some(row.into());
        }
        if self.held.len() == ROWS_MAX {
            return None;
        }
        self.held.push(None);
        table.set_rows_used(self.held.len());
        Some(self.held.len() - 1)
    }

    pub fn take_order(&mut self, table: &Table) -> Option<Assigned> {
        if self.queued == 0 {
            return None;
        }
        let row = self.take_row(table)?;
        let batch = self.queue.front_mut()?;
        let order = batch.orders.pop_front()?;
        let (head, attempt) = (Arc::clone(&batch.head), batch.attempt(order.task));
        if batch.orders.is_empty() {
            self.queue.pop_front();
        }
        self.queued -= 1;
        self.queued_bytes -= order_bytes(&order);
        self.held[row] = Some(attempt);
        Some(Assigned { row, attempt, head, argv: order.argv, own: order.own })
    }

    /// Workers share the slots out among them, but what was adopted all went to the first.
    pub fn has_free_slot(&self) -> bool {
        self.desks.iter().map(|desk| desk.busy).sum::<u32>() < self.slots
    }

    /// An end that names a checkpoint waits until that is durable; nobody else waits for it.
    pub fn take_end(&mut self, ended: Ended) {
        if ended.outcome.exit.leaves_checkpoint() {
            self.unsaved.push_back(ended);
        } else {
            self.push_ended(ended);
        }
    }

    pub fn push_ended(&mut self, ended: Ended) {
        if self.pending.is_empty() {
            self.pending_since = mono();
        }
        self.pending.push(ended);
    }

    pub fn wake_desks(&mut self, count: usize) {
        for desk in self.desks.iter_mut().filter(|desk| desk.idle).take(count) {
            desk.idle = false;
            // Fails only when the counter is full: then it is readable anyway.
            let _ = desk.wake.write(1);
        }
    }

    pub fn held(&self) -> impl Iterator<Item = Attempt> + '_ {
        self.held.iter().flatten().copied()
    }
}
