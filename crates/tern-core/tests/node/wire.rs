//! What arrives from the network is read, or refused: never a panic, never more memory than the limits say.

use crate::mutated::storm;
use crate::world::{World, ended, spec};
use proptest::prelude::*;
use tern_core::machine::Event;
use tern_core::observe::{Fit, NodeTrit};
use tern_core::promise::Exit;
use tern_core::promise::ledger::Triad;
use tern_core::wire::{Made, MadeFile, Message, Saved, TaskFiles, Travel, WIRE_VERSION, WireError, decode, encode};
use tern_core::words::limits::{FRAME_BYTES_MAX, GRANT_TASKS_MAX};
use tern_core::words::{Attempt, Bytes, Epoch, GrantId, JobId, NodeId, TaskSet, Unfit};

fn messages() -> Vec<Message> {
    let grant = GrantId { incarnation: 7, n: 3 };
    let epoch = Epoch { counter: 0, keeper: 9, incarnation: 7 };
    let job = JobId::new(9, 1);
    let tasks = TaskSet::first(3);
    let attempt = Attempt { job, task: 1, round: 0, epoch, n: 3 };
    vec![
        Message::Vitals { trit: NodeTrit::Idle, queued: 1, running: 2, slots: 4, load_milli: 300 },
        Message::Ask { tasks: 4, asked: 1 << 60 },
        Message::Lend {
            grant,
            job,
            round: 0,
            epoch,
            n: 3,
            spec: Box::new(spec(3)),
            tasks: tasks.clone(),
            argv: vec![vec![Bytes::from("echo"), Bytes::from("a b")]; 3],
            asked: 5,
            travel: Some(Box::new(Travel {
                base: Bytes::from("/home/mia"),
                tasks: vec![
                    TaskFiles {
                        inputs: vec![Bytes::from("a")],
                        outputs: vec![Bytes::from("b")],
                        folders: Vec::new(),
                        saved: Some(Box::new(Saved { folder: "/c".into(), said: ["/c.0".into(), Bytes::default()] })),
                    };
                    3
                ],
            })),
            broker: NodeId([2; 32]),
            whole: 3,
        },
        Message::Nothing { asked: 3 },
        Message::Renew { grants: vec![grant], asked: 3 },
        Message::Renewed { grants: vec![grant], lost: vec![grant], asked: 3 },
        Message::Results {
            grant,
            outcomes: vec![ended(attempt, Exit::Signal(9))],
            output: vec![(Bytes::from("out"), Bytes::from("err"))],
            made: vec![Made { base: Bytes::from("/w"), files: vec![MadeFile::default()], ..Made::default() }],
        },
        Message::Received { grant, tasks: tasks.clone() },
        Message::Return { grant, tasks, why: Some(Unfit::Inputs) },
        Message::Revoke { grant },
        Message::Post {
            postings: Triad::new(grant, [1, 2, 3].map(|id| NodeId([id; 32])), 3)
                .into_iter()
                .flat_map(Triad::halves)
                .collect(),
            aborts: Triad::new(grant, [1, 1, 3].map(|id| NodeId([id; 32])), 1).into_iter().collect(),
        },
        Message::Settled { txs: vec![grant] },
        Message::Pair { givers: vec![(NodeId([7; 32]), 40), (NodeId([8; 32]), 1)] },
        Message::Meet { with: NodeId([7; 32]) },
        Message::Greet {
            fit: Fit { zone: "home/attic".into(), cores: 4, speed: 900, ..Fit::default() },
            answers: true,
        },
    ]
}

#[test]
fn every_message_is_read_as_it_was_written() {
    for message in messages() {
        assert_eq!(decode(&encode(&message)), Ok(message));
    }
}

#[test]
fn another_version_a_rest_and_too_many_bytes_are_told_apart() {
    let mut frame = encode(&messages()[0]);
    frame.push(0);
    assert_eq!(decode(&frame), Err(WireError::Trailing { bytes: 1 }));
    frame[0] = 99;
    assert_eq!(decode(&frame), Err(WireError::Version { theirs: 99 }));
    assert_eq!(decode(&[1]), Err(WireError::Malformed));
    assert_eq!(decode(&vec![0; FRAME_BYTES_MAX + 1]), Err(WireError::TooLarge { bytes: FRAME_BYTES_MAX + 1 }));
}

#[test]
fn a_list_beyond_its_limit_is_refused_though_its_bytes_would_fit() {
    let grant = GrantId { incarnation: 7, n: 3 };
    let argv_or_output = vec![(Bytes::default(), Bytes::default()); GRANT_TASKS_MAX as usize + 1];
    let frame = encode(&Message::Results { grant, outcomes: Vec::new(), output: argv_or_output, made: Vec::new() });
    assert_eq!(decode(&frame), Err(WireError::Malformed));
    // A claim of four thousand million entries with none behind it.
    let mut claim = WIRE_VERSION.to_le_bytes().to_vec();
    claim.extend([4, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(decode(&claim), Err(WireError::Malformed));
}

#[test]
fn mutated_messages_are_read_in_one_form_or_refused() {
    let samples: Vec<Vec<u8>> = messages().iter().map(encode).collect();
    storm(&samples, |bytes| {
        let Ok(message) = decode(bytes) else { return false };
        assert_eq!(decode(&encode(&message)), Ok(message));
        true
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_frames_never_panic_and_what_is_read_harms_nobody(
        which in 0usize..10,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut frame = encode(&messages()[which]);
        for (at, byte) in changes {
            let at = at.index(frame.len());
            if at >= 2 {
                frame[at] = byte;
            }
        }
        if let Some(cut) = cut {
            frame.truncate(cut.index(frame.len()));
        }
        if let Ok(message) = decode(&frame) {
            prop_assert_eq!(decode(&encode(&message)), Ok(message.clone()));
            let mut world = World::one(2);
            world.submit(0, spec(5));
            let before = world.node(0).machine.state().jobs().clone();
            world.event(0, Event::Message { from: NodeId([9; 32]), message });
            world.sync(0);
            prop_assert_eq!(&before, world.node(0).machine.state().jobs());
        }
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut frame = WIRE_VERSION.to_le_bytes().to_vec();
        frame.extend(noise);
        drop(decode(&frame));
    }
}
