//! What goes wrong: crashes, restarts, stalls, suspends, cut cables, moves, departures.

use tern_core::machine::mesh::{CloseReason, LinkId, MeshEvent};

use super::computer::{State, address};
use super::perform::IDLE;
use super::queue::What;
use super::world::World;

impl World {
    /// Power fails, or the process is killed: nobody is told.
    pub fn crash(&mut self, node: usize) {
        let computer = &mut self.nodes[node];
        if computer.mesh.take().is_none() {
            return;
        }
        computer.state = State::Off;
        computer.links.clear();
        (computer.routes, computer.up) = Default::default();
        self.tell(node, "crashes");
        for index in 0..self.net.links.len() {
            let link = &mut self.net.links[index];
            if let Some(end) = link.ends.iter().position(|end| *end == node)
                && link.open[end]
            {
                link.open[end] = false;
                self.break_link(index);
            }
        }
    }

    /// Nothing passes from now on; the connection notices late.
    fn break_link(&mut self, index: usize) {
        let link = &mut self.net.links[index];
        if link.broken.is_none() && link.open.contains(&true) {
            link.broken = Some(self.now);
            self.queue.plan(self.now + IDLE, What::IdleOut { link: index, since: self.now });
        }
    }

    pub(super) fn idle_out(&mut self, index: usize, since: u64) {
        if self.net.links[index].broken != Some(since) {
            return;
        }
        for end in 0..2 {
            if std::mem::take(&mut self.net.links[index].open[end]) {
                self.end_link(2 * index as u64 + end as u64, self.now, None);
            }
        }
    }

    pub fn cut(&mut self, a: usize, b: usize) {
        if self.net.cuts.insert((a.min(b), a.max(b))) {
            self.tell(a, &format!("is cut off from {}", b + 1));
            for index in self.net.between(a, b) {
                self.break_link(index);
            }
        }
    }

    pub fn heal(&mut self, a: usize, b: usize) {
        if self.net.cuts.remove(&(a.min(b), a.max(b))) {
            self.tell(a, &format!("is not cut off from {} any more", b + 1));
            for index in self.net.between(a, b) {
                self.mend_link(index);
            }
        }
    }

    /// What waited is sent, unless an end is gone.
    fn mend_link(&mut self, index: usize) {
        let [a, b] = self.net.links[index].ends;
        let cut = self.net.is_cut(a, b);
        let awake = [a, b].iter().all(|end| self.nodes[*end].state != State::Suspended);
        let link = &mut self.net.links[index];
        if link.open != [true; 2] || !awake || cut || link.broken.take().is_none() {
            return;
        }
        for end in 0..2 {
            for bytes in std::mem::take(&mut self.net.links[index].held[end]) {
                self.send_frame(LinkId(2 * index as u64 + (1 - end) as u64), bytes);
            }
        }
    }

    /// The process stands still, and everything that happens to it comes at once afterwards.
    pub fn stall(&mut self, node: usize, ms: u64) {
        let computer = &mut self.nodes[node];
        if computer.state == State::Runs && computer.mesh.is_some() {
            let until = self.now + ms * super::world::MS;
            computer.state = State::Stalled(until);
            self.queue.plan(until, What::StallEnds { node, life: computer.life });
            self.tell(node, &format!("stalls for {ms} ms"));
        }
    }

    pub(super) fn stall_ends(&mut self, node: usize, life: u32) {
        if self.nodes[node].life == life && matches!(self.nodes[node].state, State::Stalled(_)) {
            self.wake_up(node);
        }
    }

    /// The machine sleeps: its boot time goes on, nothing else does.
    pub fn suspend(&mut self, node: usize) {
        let computer = &mut self.nodes[node];
        if computer.state == State::Runs && computer.mesh.is_some() {
            computer.state = State::Suspended;
            self.tell(node, "is suspended");
            for index in 0..self.net.links.len() {
                if self.net.links[index].ends.contains(&node) {
                    self.break_link(index);
                }
            }
        }
    }

    pub fn resume(&mut self, node: usize) {
        if self.nodes[node].state == State::Suspended {
            self.tell(node, "resumes");
            self.wake_up(node);
            for index in 0..self.net.links.len() {
                if self.net.links[index].ends.contains(&node) {
                    self.mend_link(index);
                }
            }
        }
    }

    /// What waited is handled now, the alarm first or last as chance will have it.
    fn wake_up(&mut self, node: usize) {
        let computer = &mut self.nodes[node];
        computer.state = State::Runs;
        let mut waited = std::mem::take(&mut computer.inbox);
        if self.dice.bool() {
            waited.sort_by_key(|event| !matches!(event, MeshEvent::Tick));
        } else {
            waited.sort_by_key(|event| matches!(event, MeshEvent::Tick));
        }
        for event in waited {
            self.give(node, event);
        }
        self.give(node, MeshEvent::Tick);
    }

    /// Another address; connections either follow or die.
    pub fn moves(&mut self, node: usize, follow: bool) {
        let computer = &mut self.nodes[node];
        let port = computer.here.link_addresses.first().map_or(7000, |address| address.port());
        let address = address(node, port - 7000 + 1);
        (computer.here.link_addresses, computer.here.main_addresses) = (vec![address], vec![address]);
        let here = Box::new(computer.here.clone());
        self.tell(node, if follow { "moves, and its links follow" } else { "moves, and loses its links" });
        if !follow {
            for index in 0..self.net.links.len() {
                if self.net.links[index].ends.contains(&node) {
                    self.break_link(index);
                }
            }
        }
        self.give(node, MeshEvent::Here(here));
    }

    /// A puppet ends one of its links.
    pub fn hang_up(&mut self, end: u64) {
        let (index, end) = Self::link_of(LinkId(end));
        self.nodes[self.net.links[index].ends[end]].links.remove(&(2 * index as u64 + end as u64));
        self.close(self.net.links[index].ends[end], LinkId(2 * index as u64 + end as u64), CloseReason::Version);
    }

    /// Says good-bye and stops a little later.
    pub fn leaves(&mut self, node: usize) {
        self.tell(node, "leaves");
        self.give(node, MeshEvent::Leave);
    }

    /// A copy of a computer's folder on another machine, which is off. It has the network of the first.
    pub fn copy(&mut self, node: usize) -> usize {
        let number = self.nodes.len();
        let mut copy = super::Computer::new(self.nodes[node].key, number, &mut self.dice);
        copy.roll.clone_from(&self.nodes[node].roll);
        copy.addresses.clone_from(&self.nodes[node].addresses);
        self.nodes.push(copy);
        for row in &mut self.net.reach {
            row.push(true);
        }
        self.net.reach.push(vec![true; number + 1]);
        number
    }
}
