//! What nobody reports to the mesh and this machine sees: packets that pass, paths that open, addresses that are gone, machines nearby.

use tern_core::machine::mesh::MeshEvent;
use tern_core::words::NodeId;
use tokio::time::Instant;

use super::{Actor, GONE_LOOK, SENT_AWAY_LONG, SENT_AWAY_OFTEN};
use crate::overlay::carry::ground;
use crate::overlay::door::nearby::Nearby;

impl Actor {
    pub(super) fn nearby(&mut self, nearby: Nearby) {
        if self.mesh.roll().is_member(nearby.node) {
            let (peer, addresses) = (nearby.node, nearby.addresses);
            self.handle(MeshEvent::Addresses { peer, addresses });
        } else {
            self.neighbourhood.heard(nearby);
        }
    }

    /// What stands on an address that is gone is made anew at once, from one that is there.
    pub(super) fn moved(&mut self) {
        for end in self.links.fabric.links() {
            if ground::is_lost(&end.connection) {
                self.handle(MeshEvent::Stranded { link: end.id });
            }
        }
        self.peers.mend();
    }

    /// The other machine knows more than this one: this node was removed while it was away. One that has only not heard yet of
    /// this node says so as well, for a moment.
    pub(super) fn sent_away(&mut self, by: NodeId) {
        let (first, times) = self.sent_away.entry(by).or_insert_with(|| (Instant::now(), 0));
        *times += 1;
        if *times < SENT_AWAY_OFTEN || first.elapsed() < SENT_AWAY_LONG {
            return;
        }
        self.sent_away.remove(&by);
        self.exiled_by = Some(by);
        let note = format!(
            "{} says that this node is not in its grid: was it removed while it was away? `tern leave` and a new ticket \
             bring it back",
            self.mesh.name_of(&by)
        );
        self.note(note);
    }

    /// Packets pass where there were none.
    pub(super) fn stirred(&mut self) {
        for end in self.links.fabric.links().into_iter().filter(|end| end.is_busy()) {
            self.handle(MeshEvent::Traffic { link: end.id });
        }
    }

    /// Whoever waits for an answer of a member that is gone is not kept waiting.
    fn end_silent(&mut self) {
        let now = Instant::now();
        self.gone.retain(|node, (at, heard)| {
            if *at > now {
                return true;
            }
            let again = heard.is_none();
            self.peers.end_silent(node, heard);
            *at = now + GONE_LOOK;
            again
        });
    }

    /// What nobody reports: which links carry packets, and which connections found a direct path.
    pub(super) fn look(&mut self) {
        let after = std::mem::replace(&mut self.looked, Instant::now()).elapsed();
        for end in self.links.fabric.links() {
            let busy = end.is_busy();
            end.look(after);
            if busy {
                self.handle(MeshEvent::Traffic { link: end.id });
            }
        }
        for (peer, direct) in self.peers.paths() {
            self.handle(MeshEvent::Direct { peer, direct });
        }
        self.end_silent();
        self.save_in_time();
        self.tell();
    }
}
