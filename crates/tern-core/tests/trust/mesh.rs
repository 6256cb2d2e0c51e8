//! What members say over a link, damaged or made up: read in one form, or refused, and nobody is moved by it.

use crate::mutated::storm;
use crate::people::*;
use tern_core::machine::mesh::{Here, LinkId, Mesh, MeshEffect, MeshEvent, MeshOptions, Signer};
use tern_core::observe::{Facts, NodeTrit, Vitals, ZoneLoad};
use tern_core::trust::Signature;
use tern_core::wire::mesh::beat::{self, Beat, Datagram, encode_beat, encode_vitals};
use tern_core::wire::mesh::record::body;
use tern_core::wire::mesh::{
    Adjacency, Border, Door, Kind, LinkFrame, Load, Neighbour, Profile, Record, Roster, Stamp, decode_frame,
    encode_frame,
};
use tern_core::words::{Now, Span};

const GUEST: u8 = 101;

fn profile() -> Profile {
    let facts = Facts { arch: "x86_64".into(), os: "linux".into(), version: "1".into(), cores: 4, ..Facts::default() };
    Profile { incarnation: 7, zone: "home/attic".into(), facts }
}

fn adjacency() -> Adjacency {
    let at = |text: &str| text.parse().expect("an address");
    Adjacency {
        incarnation: 7,
        link_addresses: vec![at("10.0.0.1:7"), at("[fe80::1]:7")],
        main_addresses: vec![at("10.0.0.1:8")],
        borders: vec![Neighbour { node: key(104), rtt_us: 20_000 }],
        neighbours: vec![Neighbour { node: key(DESK), rtt_us: 300 }, Neighbour { node: key(102), rtt_us: 9 }],
        disputed: vec![key(103)],
        leaving: false,
    }
}

fn roster() -> Roster {
    let addresses = adjacency().link_addresses;
    Roster {
        incarnation: 7,
        zone: "cellar".into(),
        members: Roster::pack([GUEST, 105, 106].map(|number| key(number).mark()).into_iter()),
        borders: vec![Border { to: key(DESK).mark(), cost_us: 2_048 }],
        doors: vec![Door { node: key(GUEST), addresses }],
    }
}

fn load() -> Load {
    Load {
        incarnation: 7,
        zone: "cellar".into(),
        load: ZoneLoad { nodes: 3, load_milli: 900, cores: 12, ..ZoneLoad::default() },
        broker: key(GUEST),
    }
}

fn record(kind: Kind, sequence: u64) -> Record {
    let body = match kind {
        Kind::Profile => body(&profile()),
        Kind::Adjacency => body(&adjacency()),
        Kind::Roster => body(&roster()),
        Kind::Load => body(&load()),
    };
    let stamp = Stamp { origin: key(GUEST), kind, sequence };
    with(GUEST, |guest| Record::sign(&grid(), stamp, body, guest.sign))
}

fn records() -> Vec<Record> {
    [Kind::Profile, Kind::Adjacency, Kind::Roster, Kind::Load].map(|kind| record(kind, 1)).to_vec()
}

fn frames() -> Vec<Vec<u8>> {
    let stamps = records().iter().map(|record| record.stamp).collect();
    let frames = [
        LinkFrame::Hello { incarnation: 7, instead: false },
        LinkFrame::Listening { roll: 3, area: Some("home/attic".into()) },
        LinkFrame::Statements(founded().statements()),
        LinkFrame::Digest { from: key(0), to: key(255), stamps },
        LinkFrame::Records(records()),
    ];
    frames.iter().map(encode_frame).collect()
}

fn datagrams() -> Vec<Vec<u8>> {
    let beat = Beat { sequence: 9, interval_ms: 150, echo: 8, echo_age_us: 70, hears: true, ..Beat::default() };
    let vitals = Vitals { trit: NodeTrit::Idle, slots: 4, ..Vitals::default() };
    vec![encode_beat(&beat), encode_vitals(&[(1, vitals), (u32::MAX, vitals)])]
}

#[test]
fn mutated_link_frames_are_read_in_one_form_or_refused() {
    storm(&frames(), |bytes| {
        let Ok(frame) = decode_frame(bytes) else { return false };
        assert_eq!(decode_frame(&encode_frame(&frame)), Ok(frame));
        true
    });
}

#[test]
fn mutated_bodies_of_records_are_read_in_one_form_or_refused() {
    let bodies = [body(&profile()), body(&adjacency()), body(&roster()), body(&load())];
    storm(&bodies, |bytes| {
        let of = |bytes: &[u8]| Record { body: bytes.to_vec().into(), ..record(Kind::Profile, 1) };
        let (one, other) = (of(bytes).profile(), of(bytes).adjacency());
        let (roster, load) = (of(bytes).roster(), of(bytes).load());
        let taken = one.is_ok() || other.is_ok() || roster.is_ok() || load.is_ok();
        if let Ok(roster) = roster {
            assert_eq!(of(&body(&roster)).roster(), Ok(roster));
        }
        if let Ok(load) = load {
            assert_eq!(of(&body(&load)).load(), Ok(load));
        }
        if let Ok(profile) = one {
            assert_eq!(of(&body(&profile)).profile(), Ok(profile));
        }
        if let Ok(adjacency) = other {
            assert_eq!(of(&body(&adjacency)).adjacency(), Ok(adjacency));
        }
        taken
    });
}

#[test]
fn mutated_datagrams_are_read_in_one_form_or_refused() {
    storm(&datagrams(), |bytes| {
        let Ok(datagram) = beat::decode(bytes) else { return false };
        let again = match &datagram {
            Datagram::Beat(beat) => encode_beat(beat),
            Datagram::Vitals(batch) => encode_vitals(batch),
        };
        assert_eq!(beat::decode(&again), Ok(datagram));
        true
    });
}

/// A node with one link to a member that may say anything.
struct Listener {
    mesh: Mesh,
    link: u64,
    now: Now,
}

impl Listener {
    fn new() -> Self {
        let mut roll = founded();
        take(&mut roll, &[member(GUEST, ADMIN, 1)]);
        let here = Here { zone: "here".into(), ..Here::default() };
        let signer = Signer::new(|_| Signature([1; 64]));
        let mesh = Mesh::new(MeshOptions {
            me: key(DESK),
            incarnation: 3,
            roll,
            verify: VERIFY,
            signer,
            here,
            flat_members: 128,
        });
        let mut listener = Self { mesh, link: 0, now: Now::default() };
        listener.connect();
        listener
    }

    fn connect(&mut self) {
        self.link += 1;
        let link = LinkId(self.link);
        self.give(MeshEvent::LinkUp { peer: key(GUEST), link, outgoing: false });
        self.frame(&encode_frame(&LinkFrame::Hello { incarnation: 7, instead: false }));
        self.frame(&encode_frame(&LinkFrame::Listening { roll: 0, area: None }));
    }

    fn frame(&mut self, bytes: &[u8]) -> bool {
        self.give(MeshEvent::Frame { link: LinkId(self.link), bytes: bytes.to_vec() })
    }

    /// Whether the link stands afterwards.
    fn give(&mut self, event: MeshEvent) -> bool {
        let mut effects = Vec::new();
        self.now.boot += Span::ms(1).0;
        self.mesh.handle(event, self.now, &mut effects);
        let link = LinkId(self.link);
        !effects.iter().any(|effect| matches!(effect, MeshEffect::Close { link: closed, .. } if *closed == link))
    }

    /// Gives what there is to give, and connects again where the link was closed for it.
    fn endure(&mut self, event: MeshEvent) -> bool {
        let stands = self.give(event);
        if !stands {
            self.give(MeshEvent::LinkClosed { link: LinkId(self.link) });
            self.connect();
        }
        stands
    }
}

#[test]
fn mutated_talk_of_a_member_changes_nobody_else_and_nothing_of_who_belongs() {
    let mut listener = Listener::new();
    let (roll, here) = (listener.mesh.roll().digest(), listener.mesh.nodes());
    let frames = frames();
    storm(&[frames, datagrams()].concat(), |bytes| {
        let link = LinkId(listener.link);
        let bytes = bytes.to_vec();
        listener.endure(MeshEvent::Datagram { link, bytes: bytes.clone() });
        let link = LinkId(listener.link);
        listener.endure(MeshEvent::Frame { link, bytes })
    });
    assert_eq!(listener.mesh.roll().digest(), roll);
    let after = listener.mesh.nodes();
    let names = |views: &[tern_core::machine::mesh::NodeView]| -> Vec<_> {
        views.iter().map(|view| (view.node, view.name.clone())).collect()
    };
    assert_eq!(names(&after), names(&here));
    let refused: u64 = listener.mesh.refused().map(|(_, count)| count).sum();
    assert!(refused > 0, "nothing was counted");
}
