//! Does what the mesh decided: dials, sends, closes, lets in, tells the node's loop.

use tern_core::machine::mesh::{CloseReason, LinkId, MeshEffect, MeshEvent};
use tern_core::machine::{Heard, Told};
use tern_core::observe::Vitals;
use tern_core::wire::Message;
use tern_core::words::NodeId;
use tokio::time::Instant;

use super::{Actor, GONE_LOOK, SAVE_AFTER, Said};
use crate::node::input::Peer;
use crate::overlay::carry::links;

impl Actor {
    pub(super) fn perform(&mut self, effect: MeshEffect) {
        match effect {
            MeshEffect::Dial { peer, addresses } => {
                tokio::spawn(links::dial(peer, addresses, self.links.clone()));
            }
            MeshEffect::Close { link, why } => self.close(link, why),
            MeshEffect::Frame { link, bytes } => self.frame(link, bytes),
            MeshEffect::Datagram { link, bytes } => {
                if let Some(end) = self.links.fabric.link(link) {
                    // Lost where the connection has just ended, which is told on its own.
                    let _lost = end.connection.send_datagram(bytes.into());
                }
            }
            MeshEffect::FarRoutes(routes) => {
                self.links.fabric.route_far(&routes);
                self.peers.nudge();
            }
            MeshEffect::Routes(routes) => {
                self.links.fabric.route(&routes);
                self.peers.nudge();
            }
            MeshEffect::Admitted(keys) => self.admitted(&keys),
            MeshEffect::MainAddresses { node, addresses } => self.directory.set(&node, addresses),
            MeshEffect::Up(node) => self.is_up(node),
            MeshEffect::Down(node) => self.is_down(node),
            MeshEffect::Heard { node, vitals } => {
                let message = heard(&vitals);
                // Said again in a second: it does not wait for a loop that is behind.
                let _lost = self.to_loop.try_send(Peer::Heard { from: node, message });
                self.tell_fit(node);
            }
            MeshEffect::Areas(areas) => {
                // Said again in some seconds.
                let _lost = self.to_loop.try_send(Peer::Areas(areas));
            }
            MeshEffect::Save => self.save_at = Some(self.save_at.unwrap_or_else(|| Instant::now() + SAVE_AFTER)),
            MeshEffect::Note(note) => self.note(note),
            MeshEffect::WakeAt(at) => self.wake_at = at,
        }
    }

    fn is_up(&mut self, node: NodeId) {
        self.sent_away.remove(&node);
        self.gone.remove(&node);
        self.exiled_by = self.exiled_by.filter(|by| *by != node);
        self.peers.end_stale(&node);
        let news = if self.untold.contains_key(&node) { News::UpAnew } else { News::Up };
        self.untold.insert(node, news);
        self.tell();
    }

    pub(super) fn is_down(&mut self, node: NodeId) {
        self.untold.insert(node, News::Down);
        self.gone.insert(node, (Instant::now() + GONE_LOOK, None));
        self.tell();
    }

    /// Tells the loop who came and went, as far as it takes it. What it does not take waits, one word a member, and the mesh goes on.
    pub(super) fn tell(&mut self) {
        while let Some(next) = self.untold.first_entry() {
            let Ok(place) = self.to_loop.try_reserve() else { return };
            let node = *next.key();
            place.send(match next.get() {
                News::Up => Peer::Up(node),
                News::Down | News::UpAnew => Peer::Down(node),
            });
            let told = next.remove();
            if matches!(told, News::Up) {
                self.fits.remove(&node);
                self.tell_fit(node);
            }
            match told {
                News::UpAnew => drop(self.untold.insert(node, News::Up)),
                News::Up | News::Down => {}
            }
        }
    }

    /// Tells the loop what a member's machine has for tasks, where that is not what it was told last. Said with its vitals, so
    /// that what the loop does not take now comes again.
    fn tell_fit(&mut self, node: NodeId) {
        let Some(fit) = self.mesh.fit(&node).filter(|fit| self.fits.get(&node) != Some(fit)) else { return };
        if self.to_loop.try_send(Peer::Fit { from: node, fit: fit.clone() }).is_ok() {
            self.fits.insert(node, fit);
        }
    }

    /// Nothing passes over it from now on. Only who is sent away has a moment to hear why.
    pub(super) fn close(&mut self, link: LinkId, why: CloseReason) {
        self.frames.remove(&link);
        let Some(end) = self.links.fabric.remove(link) else { return };
        let (code, reason) = links::code(why);
        if why == CloseReason::NotAMember {
            tokio::spawn(async move {
                tokio::time::sleep(links::LAST_WORDS).await;
                end.connection.close(code.into(), reason);
            });
        } else {
            end.connection.close(code.into(), reason);
        }
    }

    /// A neighbour that does not read its frames is as good as gone.
    fn frame(&mut self, link: LinkId, bytes: Vec<u8>) {
        let Some(frames) = self.frames.get(&link) else { return };
        if frames.try_send(bytes).is_err() {
            tracing::debug!(?link, "a link was closed: its frames are not read");
            self.close(link, CloseReason::Full);
        }
    }

    /// Where the configuration says that members are: whoever becomes one later is looked for there, too.
    pub(super) fn tell_configured(&self, members: &[NodeId]) {
        for (peer, addresses) in self.addresses.iter().filter(|(peer, _)| members.contains(peer)) {
            let event = MeshEvent::Addresses { peer: *peer, addresses: addresses.clone() };
            let _full = self.links.to_actor.try_send(Said::Mesh(event));
        }
    }

    fn admitted(&mut self, keys: &[NodeId]) {
        self.tell_configured(keys);
        self.members.replace(keys);
        self.peers.forget_strangers();
    }
}

/// What the loop has not been told of a member yet.
#[derive(Clone, Copy)]
pub enum News {
    Up,
    Down,
    /// It went and came again.
    UpAnew,
}

/// Vitals as the machine that shares work takes them: what its peer told, by the words of its own core.
fn heard(vitals: &Vitals) -> Message {
    let load = Heard {
        trit: vitals.trit,
        queued: u32::from(vitals.queued),
        running: u32::from(vitals.running),
        slots: u32::from(vitals.slots),
        load_milli: vitals.rho_milli.map_or(0, u32::from),
    };
    let flags = vitals.flags;
    Told { load, busy: flags.holds_work, draining: flags.draining, full: flags.disk_full, stays: flags.stays }.message()
}
