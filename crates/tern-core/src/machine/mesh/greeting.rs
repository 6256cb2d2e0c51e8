//! The first moments of a connection: who it is, whether it may be here, and whether it is the only one.
//!
//! A key that lives twice (a copied state folder) must not be believed twice. What the grid already knows stays; the newcomer
//! waits while the older one is asked to show that it lives, and is refused if it does. After a crash the older one is silent,
//! and the newcomer, which is the same node started again, takes its place.

use alloc::format;
use alloc::vec::Vec;

use super::effect::{CloseReason, LinkId, MeshEffect};
use super::links::Link;
use super::node::Mesh;
use crate::promise::Refusal;
use crate::wire::mesh::beat::{self, Beat};
use crate::wire::mesh::{LinkFrame, decode_frame, encode_frame};
use crate::words::NodeId;
use crate::words::limits::{DISPUTE_TOLD, DUPLICATE_WAIT, DUPLICATE_WAIT_FAR, GREETING_PATIENCE, LINKS_MAX};

/// A connection that does not count yet.
#[derive(Debug)]
pub(super) struct Greeting {
    pub peer: NodeId,
    pub outgoing: bool,
    /// None until it has said so.
    pub incarnation: Option<u64>,
    /// When its fate is decided, at the latest.
    pub judged_at: Option<u64>,
    /// Since when its key is contested.
    contested: Option<u64>,
}

impl Mesh {
    pub(super) fn link_up(&mut self, peer: NodeId, link: LinkId, outgoing: bool, out: &mut Vec<MeshEffect>) {
        if let Some(known) = self.nodes.get_mut(&peer) {
            known.dialling = false;
        } else {
            self.refuse(Refusal::NotAMember);
            return out.push(MeshEffect::Close { link, why: CloseReason::NotAMember });
        }
        if self.links.len() + self.greetings.len() >= LINKS_MAX {
            return out.push(MeshEffect::Close { link, why: CloseReason::Full });
        }
        let judged_at = Some(self.now.boot + GREETING_PATIENCE);
        self.greetings.insert(link, Greeting { peer, outgoing, incarnation: None, judged_at, contested: None });
        let hello = LinkFrame::Hello { incarnation: self.incarnation, roll: self.roll.digest() };
        out.push(MeshEffect::Frame { link, bytes: encode_frame(&hello) });
    }

    /// A frame of any link. Nonsense closes the link, and changes nothing else.
    pub(super) fn frame(&mut self, link: LinkId, bytes: &[u8], out: &mut Vec<MeshEffect>) {
        let frame = match decode_frame(bytes) {
            Ok(frame) => frame,
            Err(error) => {
                self.refuse(Refusal::Malformed);
                let version = matches!(error, crate::wire::WireError::Version { .. });
                let why = if version { CloseReason::Version } else { CloseReason::Malformed };
                return self.close(link, why, out);
            }
        };
        if let LinkFrame::Hello { incarnation, roll } = frame {
            return self.hello(link, incarnation, roll, out);
        }
        // Before its introduction nobody is listened to.
        let Some(peer) = self.peer_of(link) else { return };
        match frame {
            LinkFrame::Hello { .. } => {}
            LinkFrame::Statements(statements) => self.statements(statements, Some(peer), out),
            LinkFrame::Digest(stamps) => self.answer_digest(link, &stamps, out),
            LinkFrame::Records(records) => {
                for record in records {
                    self.record(record, peer);
                }
            }
        }
    }

    fn hello(&mut self, link: LinkId, incarnation: u64, roll: u64, out: &mut Vec<MeshEffect>) {
        let now = self.now.boot;
        let Some(greeting) = self.greetings.get_mut(&link).filter(|greeting| greeting.incarnation.is_none()) else {
            return;
        };
        greeting.incarnation = Some(incarnation);
        let peer = greeting.peer;
        if roll != self.roll.digest() {
            self.send_roll(link, out);
        }
        let linked = self.links.get(&peer).filter(|known| known.counts() && known.incarnation != incarnation);
        let elsewhere = self.nodes.get(&peer).filter(|known| known.up && known.incarnation() != Some(incarnation));
        let wait = match (linked, elsewhere) {
            (Some(rival), _) => {
                // It is asked at once whether it lives; an echo is an answer.
                let bytes = beat::encode_beat(&Beat { interval_ms: 0, wanted: true, ..Beat::default() });
                out.push(MeshEffect::Datagram { link: rival.id, bytes });
                DUPLICATE_WAIT
            }
            (None, Some(known)) if known.incarnation().is_some() && !self.links.contains_key(&peer) => {
                DUPLICATE_WAIT_FAR
            }
            _ => return self.welcome(link, out),
        };
        if let Some(greeting) = self.greetings.get_mut(&link) {
            greeting.contested = Some(now);
            greeting.judged_at = Some(now + wait);
        }
    }

    /// The connection counts from now on; of two to one peer the one that the smaller key dialled stays.
    fn welcome(&mut self, link: LinkId, out: &mut Vec<MeshEffect>) {
        let Some(Greeting { peer, outgoing, incarnation: Some(incarnation), .. }) = self.greetings.remove(&link) else {
            return;
        };
        if let Some(older) = self.links.get(&peer) {
            let by_smaller = |outgoing: bool| outgoing == (self.me < peer);
            let twin = older.incarnation == incarnation && older.counts();
            if twin && by_smaller(older.outgoing) && !by_smaller(outgoing) {
                return out.push(MeshEffect::Close { link, why: CloseReason::Replaced });
            }
            out.push(MeshEffect::Close { link: older.id, why: CloseReason::Replaced });
        }
        if let Some(known) = self.nodes.get_mut(&peer) {
            (known.failures, known.dial_at) = (0, self.now.boot);
        }
        self.links.insert(peer, Link::new(link, outgoing, incarnation, self.now.boot));
        self.topology.republish = true;
        self.send_digest(link, out);
        self.gained();
    }

    /// Decides what has waited long enough.
    pub(super) fn judge_greetings(&mut self, out: &mut Vec<MeshEffect>) {
        let now = self.now.boot;
        let open: Vec<LinkId> = self.greetings.keys().copied().collect();
        for link in open {
            let Some(greeting) = self.greetings.get(&link) else { continue };
            let (peer, over) = (greeting.peer, greeting.judged_at.is_some_and(|at| at <= now));
            let Some(since) = greeting.contested else {
                if over {
                    self.close(link, CloseReason::Malformed, out);
                }
                continue;
            };
            let same = |incarnation: Option<u64>| incarnation == greeting.incarnation;
            let rival = self.links.get(&peer).filter(|known| !same(Some(known.incarnation)));
            let known = self.nodes.get(&peer);
            // The rival's record may say meanwhile that both are one: the node has started anew.
            let yields = known.is_none_or(|known| !known.up || same(known.incarnation()));
            let lives = match rival {
                Some(rival) => rival.heard_at > since,
                None => !yields,
            };
            if !lives && (over || rival.is_none()) || rival.is_some_and(|rival| !rival.counts()) {
                self.welcome(link, out);
            } else if lives && over {
                self.dispute(peer, out);
                self.close(link, CloseReason::Duplicate, out);
            }
        }
    }

    /// Two machines live under one key: told to everybody for a while, and so to the older one.
    pub(super) fn dispute(&mut self, peer: NodeId, out: &mut Vec<MeshEffect>) {
        self.refuse(Refusal::DuplicateKey);
        self.disputed.insert(peer, self.now.boot + DISPUTE_TOLD);
        self.flood.adjacency_due = Some(self.now.boot);
        let name = self.name_of(&peer);
        self.note_once(
            peer,
            format!("a second machine uses the key of {name} and was refused: a copied state folder?"),
            out,
        );
    }

    pub(super) fn close(&mut self, link: LinkId, why: CloseReason, out: &mut Vec<MeshEffect>) {
        out.push(MeshEffect::Close { link, why });
        self.link_closed(link);
    }

    pub(super) fn link_closed(&mut self, link: LinkId) {
        self.greetings.remove(&link);
        let Some(peer) = self.peer_of(link) else { return };
        let counted = self.links.remove(&peer).is_some_and(|link| link.counts());
        self.topology.republish = true;
        if let Some(known) = self.nodes.get_mut(&peer) {
            known.dial_at = self.now.boot;
        }
        if counted {
            self.lost();
        }
    }
}
