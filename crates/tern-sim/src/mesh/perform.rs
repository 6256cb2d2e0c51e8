//! What the adapter does with effects: it dials, sends, closes, and believes what it is told.

use std::net::SocketAddr;
use std::sync::Arc;

use tern_core::machine::mesh::{CloseReason, LinkId, MeshEffect, MeshEvent};
use tern_core::words::NodeId;

use super::computer::State;
use super::network::Link;
use super::queue::What;
use super::world::{Alarm, MS, World};

/// A dial that nobody answers is given up after this.
const DIAL_PATIENCE: u64 = 2_000 * MS;
/// The connection's own time-out.
pub const IDLE: u64 = 15_000 * MS;

impl World {
    pub(super) fn perform(&mut self, node: usize, effect: MeshEffect) {
        let now = self.now;
        match effect {
            MeshEffect::Dial { peer, addresses } => self.dial(node, peer, &addresses),
            MeshEffect::Close { link, why } => self.close(node, link, why),
            MeshEffect::Frame { link, bytes } => {
                let count = &mut self.nodes[node].count;
                (count.frames, count.frame_bytes) = (count.frames + 1, count.frame_bytes + bytes.len() as u64);
                match bytes.get(2) {
                    Some(3) => count.digest_bytes += bytes.len() as u64,
                    Some(4) => count.record_bytes += bytes.len() as u64,
                    _ => {}
                }
                self.send_frame(link, bytes);
            }
            MeshEffect::Datagram { link, bytes } => {
                let count = &mut self.nodes[node].count;
                (count.datagrams, count.datagram_bytes) =
                    (count.datagrams + 1, count.datagram_bytes + bytes.len() as u64);
                count.vitals_bytes += if bytes.first() == Some(&2) { bytes.len() as u64 } else { 0 };
                self.send_datagram(link, &bytes);
            }
            MeshEffect::Routes(routes) => {
                self.nodes[node].routes = routes.into_iter().map(|route| (route.to, route.link)).collect();
            }
            MeshEffect::Areas(areas) => self.nodes[node].areas = areas,
            MeshEffect::FarRoutes(routes) => self.nodes[node].far = routes,
            MeshEffect::Admitted(keys) => self.nodes[node].admitted = self.all_share(keys.into_iter().collect()),
            MeshEffect::MainAddresses { .. } | MeshEffect::Heard { .. } => {}
            MeshEffect::Up(key) => {
                let life = self.number(&key).map_or(0, |number| self.nodes[number].life);
                self.nodes[node].up.insert(key, life);
                self.tell_of(node, "up", &key);
            }
            MeshEffect::Down(key) => self.down(node, key),
            MeshEffect::Save => {
                let computer = &mut self.nodes[node];
                if let Some(mesh) = &computer.mesh {
                    computer.roll = if *mesh.roll() == self.founded {
                        self.founding.clone()
                    } else {
                        Arc::new(mesh.roll().statements())
                    };
                    computer.addresses = mesh.known_addresses().collect();
                }
            }
            MeshEffect::Note(note) => {
                self.tell(node, &note);
                self.nodes[node].notes.push(note);
            }
            MeshEffect::WakeAt(boot) => {
                let at = boot.saturating_sub(self.nodes[node].booted);
                if at <= now {
                    self.broken.push(format!("{node} wants to wake {} µs ago", (now - at) / 1_000));
                }
                self.nodes[node].wake_at = at;
                self.plan_alarm(node);
            }
        }
    }

    fn tell_of(&mut self, node: usize, what: &str, key: &NodeId) {
        if self.story.is_told() {
            let about = self.number(key).map_or_else(|| "?".to_owned(), |number| (number + 1).to_string());
            self.tell(node, &format!("{what} {about}"));
        }
    }

    fn down(&mut self, node: usize, key: NodeId) {
        self.tell_of(node, "down", &key);
        let since = self.nodes[node].up.remove(&key);
        self.nodes[node].count.downs += 1;
        let Some(about) = self.number(&key) else { return };
        if since.is_none() {
            self.broken.push(format!("{node} tells {about} as down that was not up"));
        }
        let lives = self.nodes[about].is_alive() && !self.removed.contains(&about);
        let lived = lives && since == Some(self.nodes[about].life);
        self.alarms.push(Alarm { at: self.now, by: node, about, lived });
    }

    fn dial(&mut self, from: usize, peer: NodeId, addresses: &[SocketAddr]) {
        self.tell_of(from, "dials", &peer);
        self.nodes[from].count.dials += 1;
        let life = self.nodes[from].life;
        let there = |number: &usize| {
            let other = &self.nodes[*number];
            let at = other.here.link_addresses.iter().any(|address| addresses.contains(address));
            at && *number != from
                && other.key == peer
                && self.net.reach[from][*number]
                && !self.net.is_cut(from, *number)
        };
        let to = self.number(&peer).filter(there).or_else(|| (0..self.nodes.len()).find(there));
        let answers = to.filter(|to| matches!(self.nodes[*to].state, State::Runs | State::Stalled(_)));
        let at = match (answers, to) {
            (Some(to), _) => {
                let late = if let State::Stalled(until) = self.nodes[to].state { until - self.now } else { 0 };
                self.now + 3 * self.net.delay() + late
            }
            // The machine is there and the process is not: it says so.
            (None, Some(to)) if self.nodes[to].state == State::Off => self.now + 2 * self.net.delay(),
            _ => self.now + DIAL_PATIENCE,
        };
        self.queue.plan(at, What::Dialled { from, life, peer, to: answers });
    }

    pub(super) fn dialled(&mut self, from: usize, life: u32, peer: NodeId, to: Option<usize>) {
        if self.nodes[from].life != life || self.nodes[from].mesh.is_none() {
            return;
        }
        let good = to.filter(|to| {
            let other = &self.nodes[*to];
            let alive = other.is_alive() || other.puppet;
            let lets_in = other.puppet || other.admitted.contains(&self.nodes[from].key);
            // A dial in the middle of which the machine fell asleep is over when it wakes, and it hears of that then.
            let awake = self.nodes[from].state != State::Suspended;
            awake && alive && lets_in && self.nodes[from].admitted.contains(&peer) && !self.net.is_cut(from, *to)
        });
        match good {
            Some(to) => {
                self.connect(from, to);
            }
            None => self.give(from, MeshEvent::DialFailed { peer }),
        }
    }

    /// A connection stands; both ends hear of it.
    pub fn connect(&mut self, from: usize, to: usize) -> u64 {
        let index = self.net.links.len() as u64;
        let ends = [from, to];
        let lives = ends.map(|end| self.nodes[end].life);
        let (last, held) = ([self.now; 2], [Vec::new(), Vec::new()]);
        self.net.links.push(Link { ends, lives, open: [true; 2], last, held, broken: None });
        // The far end first: what the near one says at once must not come before the news of the link itself.
        for (end, node) in ends.into_iter().enumerate().rev() {
            let number = 2 * index + end as u64;
            self.nodes[node].links.insert(number);
            let peer = self.nodes[ends[1 - end]].key;
            let event = MeshEvent::LinkUp { peer, link: LinkId(number), outgoing: end == 0 };
            if end == 0 {
                self.give(node, event);
            } else {
                let at = self.now + self.net.delay();
                self.net.links[index as usize].last[end] = at;
                let event = Box::new(event);
                self.queue.plan(at, What::Give { node, life: lives[end], over: Some(number), event });
            }
        }
        index
    }

    pub(super) fn close(&mut self, node: usize, link: LinkId, why: CloseReason) {
        let (index, end) = Self::link_of(link);
        if !self.net.links[index].open[end] {
            return;
        }
        if self.story.is_told() {
            let other = self.net.links[index].ends[1 - end] + 1;
            self.tell(node, &format!("closes its link {index} to {other}: {why:?}"));
        }
        self.net.links[index].open[end] = false;
        self.end_link(link.0, self.now + MS / 10, None);
        if self.net.links[index].broken.is_none() {
            let at = self.now + self.net.delay();
            self.net.links[index].open[1 - end] = false;
            self.end_link(link.0 ^ 1, at, Some(why));
        }
    }

    /// One end will hear that its link is gone.
    pub(super) fn end_link(&mut self, number: u64, at: u64, why: Option<CloseReason>) {
        let (index, end) = Self::link_of(LinkId(number));
        let (node, life) = (self.net.links[index].ends[end], self.net.links[index].lives[end]);
        if let Some(why) = why {
            let event = Box::new(MeshEvent::Refused { link: LinkId(number), why });
            self.queue.plan(at, What::Give { node, life, over: Some(number), event });
        }
        let event = Box::new(MeshEvent::LinkClosed { link: LinkId(number) });
        self.queue.plan(at, What::Give { node, life, over: Some(number), event });
    }

    /// Sends bytes from the end `link` to the other.
    pub fn send_frame(&mut self, link: LinkId, bytes: Vec<u8>) {
        let (index, end) = Self::link_of(link);
        let far = 1 - end;
        if !self.net.links[index].open[end] {
            return;
        }
        if self.net.links[index].broken.is_some() {
            return self.net.links[index].held[far].push(bytes);
        }
        let at = self.net.frame_arrives(index, far, self.now);
        let (node, life) = (self.net.links[index].ends[far], self.net.links[index].lives[far]);
        let event = Box::new(MeshEvent::Frame { link: LinkId(link.0 ^ 1), bytes });
        self.queue.plan(at, What::Give { node, life, over: Some(link.0 ^ 1), event });
    }

    pub fn send_datagram(&mut self, link: LinkId, bytes: &[u8]) {
        let (index, end) = Self::link_of(link);
        let one = &self.net.links[index];
        if !one.open[end] || one.broken.is_some() || self.net.loses() {
            return;
        }
        let one = &self.net.links[index];
        let (node, life) = (one.ends[1 - end], one.lives[1 - end]);
        let copies = 1 + usize::from(self.net.repeats());
        for _ in 0..copies {
            let at = self.now + self.net.delay();
            let event = Box::new(MeshEvent::Datagram { link: LinkId(link.0 ^ 1), bytes: bytes.to_vec() });
            self.queue.plan(at, What::Give { node, life, over: Some(link.0 ^ 1), event });
        }
    }
}
