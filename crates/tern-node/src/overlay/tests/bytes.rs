//! What arrives as bytes from other nodes, and from strangers on the local network: read in one form, or refused.

use std::path::Path;

use bytes::Bytes as Packet;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tern_core::wire::mesh::beat::PACKET;
use tern_core::words::{Bytes, NodeId};

use crate::files::outline::ContentId;
use crate::files::wire::{Ask, Entry, Event, Form, Kind, Listed, Order, Outlined, Summary, Trouble, Wanted};
use crate::mutated::storm;
use crate::overlay::calls::{Call, decode};
use crate::overlay::carry::fabric::{Fabric, INBOX_MAX, PART, prefix};
use crate::overlay::door::nearby::introduced;

const NODE: NodeId = NodeId([7; 32]);

/// Mutations of these are read as this type in one form, or refused.
fn storm_of<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(samples: &[T]) {
    let write = |value: &T| postcard::to_stdvec(value).expect("it has a form");
    let samples: Vec<Vec<u8>> = samples.iter().map(write).collect();
    storm(&samples, |bytes| {
        let Ok(value) = decode::<T>(bytes) else { return false };
        assert_eq!(decode(&write(&value)), Ok(value));
        true
    });
}

fn path() -> Vec<u8> {
    b"/home/me/a file".to_vec()
}

#[test]
fn mutated_questions_of_members_are_read_in_one_form_or_refused() {
    let order = Order {
        from: NODE,
        sources: vec![path(), path()],
        target: path(),
        recursive: true,
        force: false,
        inbox: false,
    };
    let wanted = Wanted { id: ContentId([3; 32]), path: path(), way: vec![NODE; 3], first: 9 };
    storm_of(&[
        Call::Echo,
        Call::Swallow,
        Call::Connect { port: 443 },
        Call::Files(Ask::List { sources: vec![path()], recursive: true }),
        Call::Files(Ask::Outline { path: path(), bare: false }),
        Call::Files(Ask::Content(wanted)),
        Call::Files(Ask::Take(order)),
        Call::Work(crate::overlay::calls::WorkAsk::Flow),
    ]);
}

#[test]
fn mutated_answers_of_members_are_read_in_one_form_or_refused() {
    let trouble = Trouble::new(Kind::NoSuchFile, "it is not there");
    let entry = |form| Listed::Entry(Entry { name: b"a".to_vec(), mode: 0o644, form });
    storm_of(&[Ok(()), Err("it listens to nobody".to_owned())]);
    storm_of(&[
        Listed::Source { title: path() },
        entry(Form::File { path: path(), size: 1 << 40 }),
        entry(Form::Folder),
        entry(Form::Link { target: path() }),
        Listed::Skipped { name: path(), why: "a socket".into() },
        Listed::End,
        Listed::Failed(trouble.clone()),
    ]);
    storm_of(&[
        Outlined { id: ContentId([3; 32]), size: 5, mode: 0o644, whole: Some(b"bytes".to_vec()) },
        Outlined { id: ContentId([3; 32]), size: u64::MAX, mode: 0, whole: None },
    ]);
    let summary = Summary { files: 3, target: Bytes::from("there"), refused: vec!["a".into()], ..Summary::default() };
    storm_of(&[
        Event::Total { files: 3, bytes: 1 << 30 },
        Event::Progress { bytes: 1 << 20 },
        Event::Chosen { node: "attic".into(), rho_milli: 300, idle: 2 },
        Event::Note { text: "resumed".into() },
        Event::Done(summary),
        Event::Failed(trouble),
    ]);
}

#[test]
fn mutated_packets_are_delivered_whole_or_counted_and_never_a_panic() {
    let (fabric, mut packets) = Fabric::new(&NODE);
    let packet = |kind: u8, rest: &[u8]| [&[kind, 16], &prefix(&NODE)[..], &[9; 8], rest].concat();
    let halves = [packet(PART, &[1, 0, 0, b'a', b'b']), packet(PART, &[1, 0, 1, b'c'])];
    let samples = [vec![packet(PACKET, b"all of it")], halves.to_vec()].concat();
    storm(&samples, |bytes| {
        fabric.receive(&mut [Packet::copy_from_slice(bytes)]);
        let before = packets.len();
        assert!(before <= INBOX_MAX);
        packets.try_recv().is_ok_and(|packet| packet.data.len() <= 2 * bytes.len() + 64)
    });
    assert!(fabric.counts.dropped.load(std::sync::atomic::Ordering::Relaxed) > 0);
}

#[test]
fn mutated_introductions_on_the_local_network_steer_nothing() {
    storm(&[b"attic 0a1b2c3d".to_vec(), b"".to_vec()], |bytes| {
        let (name, grid) = introduced(&String::from_utf8_lossy(bytes));
        assert!(grid.is_none_or(|grid| grid.len() == 8 && grid.is_ascii()));
        let plain = |name: &str| !name.contains(|letter: char| letter.is_control() || letter == '/');
        assert!(
            name.as_ref().is_none_or(|name| plain(&name.to_string()) && Path::new(&name.to_string()).is_relative())
        );
        name.is_some()
    });
}
