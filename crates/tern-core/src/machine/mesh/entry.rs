//! Who is in the grid, as this node has judged it: the roll, and what a change of it does to links and knowledge.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::effect::{CloseReason, LinkId, MeshEffect};
use super::node::Mesh;
use super::topology::Known;
use crate::promise::Refusal;
use crate::trust::{self, Roll, Statement};
use crate::wire::mesh::{LinkFrame, encode_frame};
use crate::words::NodeId;
use crate::words::limits::{STATEMENTS_BURST, STATEMENTS_PER_FRAME};

impl Mesh {
    #[must_use]
    pub fn roll(&self) -> &Roll {
        &self.roll
    }

    /// Statements of a neighbour: no more often than there can be news. Who passes on what nobody signed forges it itself.
    pub(super) fn heard_statements(&mut self, statements: Vec<Statement>, from: NodeId, out: &mut Vec<MeshEffect>) {
        let now = self.now.boot;
        let Some(link) = self.links.get_mut(&from) else { return };
        if !link.statements.take(now, STATEMENTS_BURST) {
            return self.refuse(Refusal::TooOften);
        }
        let link = link.id;
        if self.statements(statements, Some(from), out) {
            self.close(link, CloseReason::Malformed, out);
        }
    }

    /// Judges statements, each by its own, and passes on a list of which anything was new. What is refused is counted: an older
    /// roll than the other end's cannot judge everything, so a refusal is not yet an attack. Returns whether a signature was wrong.
    pub(super) fn statements(
        &mut self,
        statements: Vec<Statement>,
        from: Option<NodeId>,
        out: &mut Vec<MeshEffect>,
    ) -> bool {
        let (changes, refused) = self.roll.merge(&statements, self.verify);
        let mut good = statements;
        for (at, _) in refused.iter().rev() {
            good.remove(*at);
            self.refuse(Refusal::BadStatement);
        }
        let forged = refused.iter().any(|(_, why)| *why == trust::Refusal::BadSignature);
        if changes.fresh == 0 {
            return forged;
        }
        // Before the links of those who are gone are closed: they are told why.
        for part in good.chunks(STATEMENTS_PER_FRAME) {
            let bytes = encode_frame(&LinkFrame::Statements(part.to_vec()));
            for (_, link) in self.links.iter().filter(|(peer, _)| Some(**peer) != from) {
                out.push(MeshEffect::Frame { link: link.id, bytes: bytes.clone() });
            }
        }
        self.follow_roll(out);
        out.push(MeshEffect::Save);
        if from.is_some() && changes.gone.contains(&self.me) {
            let note = "this node was removed from its grid: `tern leave` makes it one of its own again".to_string();
            self.note_once(self.me, note, out);
        }
        forged
    }

    /// Takes in new members, forgets those that are none any more, and publishes who may connect.
    pub(super) fn follow_roll(&mut self, out: &mut Vec<MeshEffect>) {
        let known = self.roll.members();
        let members: Vec<NodeId> = known.keys().copied().collect();
        (self.roll_size, self.roll_digest) = (members.len(), self.roll.digest());
        let renamed = known.into_iter().filter(|(_, member)| member.shown != member.name);
        self.names = renamed.map(|(key, member)| (key, member.shown.to_string())).collect();
        if self.roll_size <= self.areas.above {
            self.know_all();
        }
        self.areas.held.retain(|key, _| members.binary_search(key).is_ok());
        let gone: Vec<NodeId> = self.nodes.keys().filter(|key| members.binary_search(key).is_err()).copied().collect();
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

    /// Notes every member.
    pub(super) fn know_all(&mut self) {
        for key in self.roll.member_keys().filter(|key| *key != self.me) {
            self.nodes.entry(key).or_default();
        }
    }

    /// What is known of a member; None for a key that is none, or this node's own.
    pub(super) fn know(&mut self, node: &NodeId) -> Option<&mut Known> {
        let stranger = !self.nodes.contains_key(node) && (*node == self.me || !self.roll.is_member(*node));
        (!stranger).then(|| self.nodes.entry(*node).or_default())
    }

    /// Sends all statements, in parts, each in an order in which the other end can judge it.
    pub(super) fn send_roll(&self, link: LinkId, out: &mut Vec<MeshEffect>) {
        let all = self.roll.statements();
        for part in all.chunks(STATEMENTS_PER_FRAME) {
            out.push(MeshEffect::Frame { link, bytes: encode_frame(&LinkFrame::Statements(part.to_vec())) });
        }
    }
}
