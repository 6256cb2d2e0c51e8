//! The first moments of a connection: who it is, whether it may be here, and whether it is the only one.
//!
//! A key that lives twice (a copied state folder) must not be believed twice. What the grid already knows stays; the newcomer
//! waits while the older one is asked to show that it lives, and is refused if it does. After a crash the older one is silent,
//! and the newcomer, which is the same node started again, takes its place.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::link::Link;
use crate::machine::mesh::effect::{CloseReason, LinkId, MeshEffect};
use crate::machine::mesh::node::Mesh;
use crate::machine::mesh::topology::Known;
use crate::machine::plant::Plant;
use crate::promise::Refusal;
use crate::wire::mesh::{LinkFrame, decode_frame, encode_frame};
use crate::words::NodeId;
use crate::words::limits::{
    DIAL_AGAIN_SOON, DIGEST_BURST, DISPUTE_TOLD, DUPLICATE_ANSWER, DUPLICATE_WAIT, DUPLICATE_WAIT_FAR,
    DUPLICATE_WAIT_MOST, GREETING_PATIENCE, GREETINGS_PER_PEER, LINKS_MAX,
};

/// A connection that does not count yet.
#[derive(Debug)]
pub(in crate::machine::mesh) struct Greeting {
    pub peer: NodeId,
    pub outgoing: bool,
    /// When it began.
    since: u64,
    /// None until it has said so.
    pub incarnation: Option<u64>,
    /// When its fate is decided, at the latest.
    pub judged_at: Option<u64>,
    /// Since when its key is contested.
    contested: Option<u64>,
    /// It was asked to say who it is once more, until then, …
    asked_until: Option<u64>,
    /// … and did: it lives now.
    answered: bool,
    /// It was told once more who this node is.
    repeated: bool,
    /// This end has said that it listens.
    welcome: bool,
    /// The other end listens, its roll has this digest, and it belongs to this zone.
    listens: Option<(u64, Option<String>)>,
    /// One of both ends has lost the link that there was, and dialled because of it.
    instead: bool,
}

impl Mesh {
    /// Whether a connection to this member has just begun. One that drags on may be dead, where one end has moved in the middle
    /// of it: another is dialled beside it.
    pub(in crate::machine::mesh) fn greets(&self, peer: &NodeId) -> bool {
        let lately = |greeting: &Greeting| greeting.since + DIAL_AGAIN_SOON > self.now.boot;
        self.greetings.values().any(|greeting| greeting.peer == *peer && lately(greeting))
    }

    pub(in crate::machine::mesh) fn link_up(
        &mut self,
        peer: NodeId,
        link: LinkId,
        outgoing: bool,
        out: &mut Vec<MeshEffect>,
    ) {
        let Some(known) = self.know(&peer) else {
            self.refuse(Refusal::NotAMember);
            return out.push(MeshEffect::Close { link, why: CloseReason::NotAMember });
        };
        known.dialling &= !outgoing;
        if self.leaving {
            return out.push(MeshEffect::Close { link, why: CloseReason::Surplus });
        }
        self.drop_stale_greeting(&peer, out);
        let of_peer = self.greetings.values().filter(|greeting| greeting.peer == peer).count();
        let full = |mesh: &Self| mesh.links.len() + mesh.greetings.len() >= LINKS_MAX;
        if of_peer >= GREETINGS_PER_PEER || full(self) && !self.make_room(out) {
            out.push(MeshEffect::Close { link, why: CloseReason::Full });
            if outgoing {
                self.dial_failed(peer);
            }
            return;
        }
        let since = self.now.boot;
        let judged_at = Some(since + GREETING_PATIENCE);
        let (incarnation, contested, listens) = (None, None, None);
        let instead = self.links.get(&peer).is_some_and(|older| !older.carries());
        let (asked_until, answered, repeated, welcome) = (None, false, false, false);
        let greeting = Greeting {
            peer,
            outgoing,
            since,
            incarnation,
            judged_at,
            contested,
            asked_until,
            answered,
            repeated,
            welcome,
            listens,
            instead,
        };
        self.greetings.insert(link, greeting);
        self.say_hello(link, instead, out);
    }

    /// Where a member has as many half-open connections as it may, one that drags on makes place: after a crash and a move they may all
    /// be dead.
    fn drop_stale_greeting(&mut self, peer: &NodeId, out: &mut Vec<MeshEffect>) {
        let of_peer = || self.greetings.iter().filter(|(_, greeting)| greeting.peer == *peer);
        let stale = of_peer().filter(|(_, greeting)| greeting.since + DIAL_AGAIN_SOON <= self.now.boot);
        let oldest = stale.min_by_key(|(link, greeting)| (greeting.since, **link)).map(|(link, _)| *link);
        if let Some(link) = oldest.filter(|_| of_peer().count() >= GREETINGS_PER_PEER) {
            self.close(link, CloseReason::Replaced, out);
        }
    }

    fn say_hello(&self, link: LinkId, instead: bool, out: &mut Vec<MeshEffect>) {
        let hello = LinkFrame::Hello { incarnation: self.incarnation, instead };
        out.push(MeshEffect::Frame { link, bytes: encode_frame(&hello) });
    }

    /// A second hello asks for one, and is the answer where this end has asked.
    fn hello_again(&mut self, link: LinkId, out: &mut Vec<MeshEffect>) {
        let Some(greeting) = self.greetings.get_mut(&link) else { return };
        greeting.answered |= greeting.asked_until.is_some();
        if !core::mem::replace(&mut greeting.repeated, true) {
            let instead = greeting.instead;
            self.say_hello(link, instead, out);
        }
    }

    /// A frame of any link. Nonsense closes the link, and changes nothing else.
    pub(in crate::machine::mesh) fn frame(&mut self, link: LinkId, bytes: &[u8], out: &mut Vec<MeshEffect>) {
        let frame = match decode_frame(bytes) {
            Ok(frame) => frame,
            Err(error) => {
                self.refuse(Refusal::Malformed);
                let version = matches!(error, crate::wire::WireError::Version { .. });
                let why = if version { CloseReason::Version } else { CloseReason::Malformed };
                return self.close(link, why, out);
            }
        };
        match frame {
            LinkFrame::Hello { incarnation, instead } => return self.hello(link, incarnation, instead, out),
            LinkFrame::Listening { roll, area } => return self.listening(link, roll, area, out),
            _ => {}
        }
        // Before its introduction nobody is listened to.
        let Some(peer) = self.peer_of(link) else { return };
        match frame {
            LinkFrame::Hello { .. } | LinkFrame::Listening { .. } => {}
            LinkFrame::Statements(statements) => self.heard_statements(statements, peer, out),
            LinkFrame::Digest { from, to, stamps } => self.answer_digest(peer, from..=to, &stamps, out),
            LinkFrame::Records(records) => {
                // Whoever passes a record on has checked it: a forgery is the neighbour's own.
                if !records.into_iter().all(|record| self.record(record, peer)) {
                    self.close(link, CloseReason::Malformed, out);
                }
            }
        }
    }

    fn hello(&mut self, link: LinkId, incarnation: u64, instead: bool, out: &mut Vec<MeshEffect>) {
        let now = self.now.boot;
        let Some(greeting) = self.greetings.get_mut(&link).filter(|greeting| greeting.incarnation.is_none()) else {
            return self.hello_again(link, out);
        };
        greeting.incarnation = Some(incarnation);
        greeting.instead |= instead;
        let peer = greeting.peer;
        let believes = self.planted(Plant::MeshCopyBelieved);
        let linked = self.links.get_mut(&peer).filter(|known| known.counts() && known.incarnation != incarnation);
        let elsewhere = self.nodes.get(&peer).filter(|known| known.up && known.incarnation() != Some(incarnation));
        let wait = match (linked, elsewhere) {
            (Some(rival), _) if !believes => {
                // It is asked until then whether it lives.
                rival.ask(now, now + DUPLICATE_WAIT);
                DUPLICATE_WAIT
            }
            _ if believes => return self.welcome(link, out),
            (None, Some(known)) if known.incarnation().is_some() => DUPLICATE_WAIT_FAR,
            _ => return self.welcome(link, out),
        };
        if let Some(greeting) = self.greetings.get_mut(&link) {
            greeting.contested = Some(now);
            greeting.judged_at = Some(now + wait);
        }
    }

    /// This end takes what it is sent from now on. The connection counts when the other end says the same.
    fn welcome(&mut self, link: LinkId, out: &mut Vec<MeshEffect>) {
        let Some(greeting) = self.greetings.get_mut(&link) else { return };
        (greeting.welcome, greeting.contested) = (true, None);
        greeting.judged_at = Some(self.now.boot + DUPLICATE_WAIT_FAR + GREETING_PATIENCE);
        out.push(MeshEffect::Frame { link, bytes: self.listening_frame() });
        self.begin(link, out);
    }

    /// Connections that do not count yet, and whose other end was told that this one listens.
    pub(in crate::machine::mesh) fn welcomed(&self) -> Vec<LinkId> {
        self.greetings.iter().filter(|(_, greeting)| greeting.welcome).map(|(link, _)| *link).collect()
    }

    /// The other end takes what it is sent; said again now and then, it compares rolls.
    fn listening(&mut self, link: LinkId, roll: u64, area: Option<String>, out: &mut Vec<MeshEffect>) {
        if let Some(greeting) = self.greetings.get_mut(&link) {
            greeting.listens = Some((roll, area));
            self.begin(link, out);
        } else if let Some(peer) = self.peer_of(link) {
            let now = self.now.boot;
            let often = |link: &mut Link| !link.digests.take(now, DIGEST_BURST);
            if self.links.get_mut(&peer).is_none_or(often) {
                return self.refuse(Refusal::TooOften);
            }
            if self.differs(roll) {
                self.send_roll(link, out);
            }
            self.neighbour_belongs(peer, area, out);
        }
    }

    fn differs(&self, roll: u64) -> bool {
        roll != self.roll_digest && !self.planted(Plant::MeshRollsUnlike)
    }

    /// Where both ends listen the connection counts from now on, and both tell what they know: what was said before it
    /// counted did not go this way. Of two to one peer the one that the smaller key dialled stays.
    fn begin(&mut self, link: LinkId, out: &mut Vec<MeshEffect>) {
        let Some(Greeting {
            peer,
            outgoing,
            incarnation: Some(incarnation),
            welcome: true,
            listens: Some((roll, area)),
            instead,
            ..
        }) = self.greetings.get(&link)
        else {
            return;
        };
        let (peer, outgoing, incarnation, roll, instead) = (*peer, *outgoing, *incarnation, *roll, *instead);
        let area = area.clone();
        self.greetings.remove(&link);
        if let Some(older) = self.links.get(&peer) {
            let by_smaller = |outgoing: bool| outgoing == (self.me < peer);
            // One that the other end does not hear is closed there now: that end dials because of it.
            let twin = older.incarnation == incarnation && older.counts() && older.peer_hears && !instead;
            if twin && by_smaller(older.outgoing) && !by_smaller(outgoing) {
                return out.push(MeshEffect::Close { link, why: CloseReason::Replaced });
            }
            out.push(MeshEffect::Close { link: older.id, why: CloseReason::Replaced });
        }
        if let Some(known) = self.nodes.get_mut(&peer) {
            (known.failures, known.dial_at) = (0, self.now.boot);
        }
        let mut begun = Link::new(link, outgoing, incarnation, self.now.boot);
        begun.area = area;
        self.links.insert(peer, begun);
        self.topology.republish = true;
        if self.differs(roll) {
            self.send_roll(link, out);
        }
        self.send_digest(link, out);
        self.gained();
    }

    /// Decides what has waited long enough.
    pub(in crate::machine::mesh) fn judge_greetings(&mut self, out: &mut Vec<MeshEffect>) {
        let now = self.now.boot;
        let open: Vec<LinkId> = self.greetings.keys().copied().collect();
        for link in open {
            let Some(greeting) = self.greetings.get(&link) else { continue };
            let peer = greeting.peer;
            let Some(since) = greeting.contested else {
                if greeting.judged_at.is_some_and(|at| at <= now) {
                    self.close(link, CloseReason::Malformed, out);
                }
                continue;
            };
            let same = |incarnation: Option<u64>| incarnation == greeting.incarnation;
            let rival = self.links.get(&peer).filter(|known| !same(Some(known.incarnation)) && known.counts());
            let known = self.nodes.get(&peer);
            // The rival's record may say meanwhile that both are one: the node has started anew.
            let yields = known.is_none_or(|known| !known.up || same(known.incarnation()));
            let longest = since + DUPLICATE_WAIT_MOST;
            let spoke = known.is_some_and(|known| known.spoke_since(since));
            let patience = since + if rival.is_some() { DUPLICATE_WAIT } else { DUPLICATE_WAIT_FAR };
            let (lives, judged) = match rival {
                Some(rival) => (rival.answered(), rival.answered() || patience <= now),
                // Only its neighbours know whether it lives. What it says itself meanwhile shows it; without that they get the time
                // in which they would have dropped it.
                None => (!yields, yields || patience <= now && spoke || longest <= now),
            };
            let (asked_until, answered, instead) = (greeting.asked_until, greeting.answered, greeting.instead);
            if judged && lives && asked_until.is_none() {
                // Both live, or this one has died since it said who it is: a late connection of an earlier life accuses nobody.
                let until = now + DUPLICATE_ANSWER;
                if let Some(greeting) = self.greetings.get_mut(&link) {
                    (greeting.asked_until, greeting.judged_at) = (Some(until), Some(until));
                }
                self.say_hello(link, instead, out);
            } else if judged && lives && !answered {
                if asked_until.is_some_and(|until| until <= now) {
                    self.close(link, CloseReason::Replaced, out);
                }
            } else if judged && lives {
                self.dispute(peer, out);
                self.close(link, CloseReason::Duplicate, out);
            } else if judged {
                self.welcome(link, out);
            } else if let Some(greeting) = self.greetings.get_mut(&link) {
                greeting.judged_at = Some(if patience <= now { longest } else { patience });
            }
        }
    }

    /// Two machines live under one key: told to everybody for a while, and so to the older one.
    pub(in crate::machine::mesh) fn dispute(&mut self, peer: NodeId, out: &mut Vec<MeshEffect>) {
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

    pub(in crate::machine::mesh) fn close(&mut self, link: LinkId, why: CloseReason, out: &mut Vec<MeshEffect>) {
        out.push(MeshEffect::Close { link, why });
        self.link_closed(link);
    }

    /// The other end has said why it closes.
    pub(in crate::machine::mesh) fn refused_by_peer(&mut self, link: LinkId, why: CloseReason) {
        let greeting = self.greetings.get(&link).map(|greeting| greeting.peer);
        if let (CloseReason::Duplicate, Some(peer)) = (why, greeting.or_else(|| self.peer_of(link))) {
            self.topology.own_key_disputed = Some(peer);
        }
    }

    pub(in crate::machine::mesh) fn link_closed(&mut self, link: LinkId) {
        if let Some(greeting) = self.greetings.remove(&link) {
            // One that was hung up on tries again like one that was not reached.
            if greeting.outgoing {
                self.dial_failed(greeting.peer);
            }
            return;
        }
        let Some(peer) = self.peer_of(link) else { return };
        let Some(closed) = self.links.remove(&peer) else { return };
        self.topology.republish = true;
        if let Some(known) = self.nodes.get_mut(&peer) {
            known.dial_at = self.now.boot;
        }
        let told = |known: &Known| known.adjacency.as_ref().is_some_and(|held| held.value.names(&self.me));
        let told = !self.is_within(&closed) || self.nodes.get(&peer).is_some_and(told);
        if !closed.counts() || !told {
            // The other end has said before that it is not to be used: nobody waits for this.
            self.gained();
        } else {
            self.lost();
        }
    }
}
