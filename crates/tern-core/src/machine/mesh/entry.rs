//! Who is in the grid, as this node has judged it: the roll, and what a change of it does to links and knowledge.

use alloc::vec::Vec;

use super::effect::{CloseReason, LinkId, MeshEffect};
use super::node::Mesh;
use super::topology::Known;
use crate::promise::Refusal;
use crate::trust::{Roll, Statement};
use crate::wire::mesh::{LinkFrame, encode_frame};
use crate::words::NodeId;
use crate::words::limits::STATEMENTS_PER_LIST_MAX;

impl Mesh {
    #[must_use]
    pub fn roll(&self) -> &Roll {
        &self.roll
    }

    /// Judges statements that belong together and passes on those that change something. False: they were refused, and nothing
    /// of them was taken.
    pub(super) fn statements(
        &mut self,
        statements: Vec<Statement>,
        from: Option<NodeId>,
        out: &mut Vec<MeshEffect>,
    ) -> bool {
        let before = self.roll.digest();
        if self.roll.apply(&statements, self.verify).is_err() {
            self.refuse(Refusal::BadStatement);
            // What an old roll cannot judge yet is no attack; only what nobody could ever believe is.
            return true;
        }
        if self.roll.digest() == before {
            return true;
        }
        self.follow_roll(out);
        out.push(MeshEffect::Save);
        let bytes = encode_frame(&LinkFrame::Statements(statements));
        for (_, link) in self.links.iter().filter(|(peer, _)| Some(**peer) != from) {
            out.push(MeshEffect::Frame { link: link.id, bytes: bytes.clone() });
        }
        true
    }

    /// Takes in new members, forgets those that are none any more, and publishes who may connect.
    pub(super) fn follow_roll(&mut self, out: &mut Vec<MeshEffect>) {
        let members: Vec<NodeId> = self.roll.members().map(|member| member.key).collect();
        for key in members.iter().filter(|key| **key != self.me) {
            self.nodes.entry(*key).or_insert_with(Known::default);
        }
        let gone: Vec<NodeId> =
            self.nodes.keys().filter(|key| members.binary_search(key).is_err()).copied().collect();
        for key in gone {
            if self.nodes.remove(&key).is_some_and(|known| known.up) {
                out.push(MeshEffect::Down(key));
            }
            let greeting = self.greetings.iter().filter(|(_, greeting)| greeting.peer == key).map(|(link, _)| *link);
            let links: Vec<LinkId> = self.links.get(&key).map(|link| link.id).into_iter().chain(greeting).collect();
            for link in links {
                self.close(link, CloseReason::NotAMember, out);
            }
        }
        self.topology.changed = true;
        self.next_tend_now();
        out.push(MeshEffect::Admitted(members));
    }

    /// Sends all statements, in parts, each in an order in which the other end can judge it.
    pub(super) fn send_roll(&self, link: LinkId, out: &mut Vec<MeshEffect>) {
        let all: Vec<Statement> = self.roll.statements().cloned().collect();
        for part in all.chunks(STATEMENTS_PER_LIST_MAX) {
            out.push(MeshEffect::Frame { link, bytes: encode_frame(&LinkFrame::Statements(part.to_vec())) });
        }
    }
}
