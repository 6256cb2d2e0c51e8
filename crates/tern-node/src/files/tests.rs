//! Copies between real overlays on loopback.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tern_core::observe::{NodeTrit, Vitals};
use tern_core::words::NodeId;

use super::*;
use crate::home::Home;
use crate::overlay::{OUTBOUND_MAX, Overlay, OverlayOptions};
use crate::store::key;
use wire::Summary;

const PATIENCE: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;

/// What a node keeps, of which nothing is copied, and its files.
const STATE: &str = "state";
const FILES: &str = "files";

/// A node, and a folder for its files.
struct Node {
    overlay: Overlay,
    id: NodeId,
    folder: TempDir,
    _outbound: mpsc::Sender<(NodeId, Vec<u8>)>,
}

fn folder() -> (TempDir, NodeId) {
    let folder = tempfile::tempdir().expect("a folder");
    for part in [STATE, FILES] {
        std::fs::create_dir(folder.path().join(part)).expect("a folder");
    }
    let id = key::node_id(&Home::new(folder.path().join(STATE))).expect("a key");
    (folder, id)
}

impl Node {
    async fn new(name: &str) -> Self {
        Self::start(folder().0, name, None).await
    }

    async fn start(folder: TempDir, name: &str, only: Option<BTreeSet<NodeId>>) -> Self {
        let home = Home::new(folder.path().join(STATE));
        let id = key::node_id(&home).expect("a key");
        let (to_loop, inputs) = sync_channel(1024);
        std::thread::spawn(move || while inputs.recv().is_ok() {});
        let (outbound, frames) = mpsc::channel(OUTBOUND_MAX);
        let options = OverlayOptions { only, ..OverlayOptions::on_loopback(&home, name).expect("a grid") };
        let overlay = Overlay::start(options, frames, to_loop).await.expect("it listens");
        Self { overlay, id, folder, _outbound: outbound }
    }

    async fn joins(&self, other: &Self) {
        let invited = other.overlay.grid().invite(true, 60_000).await.expect("a ticket");
        self.overlay.grid().join(invited.ticket, None).await.expect("it is let in");
    }

    /// Waits until the other one is so many hops away, and answers.
    async fn until_near(&self, other: &Self, hops: usize) {
        let began = Instant::now();
        while self.overlay.grid().reach(other.id).await.expect("it answers").path.len() != hops
            || self.overlay.grid().ping(&other.id, 1, 16).await.is_err()
        {
            assert!(began.elapsed() < PATIENCE, "{:#?}", self.overlay.grid().view().await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(FILES).join(name)
    }

    /// Runs a copy; what it said meanwhile comes with its end.
    async fn copy(&self, copy: Copy) -> (Result<Summary, Trouble>, Vec<Event>) {
        let (events, mut happened) = mpsc::channel(64);
        let files = Files::new(self.overlay.grid().clone());
        let said = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(event) = happened.recv().await {
                all.push(event);
            }
            all
        });
        let ended = files.copy(copy, &events).await;
        drop(events);
        (ended, said.await.expect("it ends"))
    }

    async fn fetch(&self, from: &Self, source: &Path, target: &Path) -> (Result<Summary, Trouble>, Vec<Event>) {
        let sources = vec![names::bytes(source)];
        let (from, target) = (Some(from.id), names::bytes(target));
        self.copy(Copy { from, sources, target, recursive: true, ..Copy::default() }).await
    }
}

async fn pair() -> (Node, Node) {
    let (a, b) = (Node::new("a").await, Node::new("b").await);
    b.joins(&a).await;
    a.until_near(&b, 1).await;
    b.until_near(&a, 1).await;
    (a, b)
}

fn content(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(step).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_go_both_ways_and_nothing_is_overwritten_unasked() {
    let (a, b) = pair().await;
    let whole = content(3 * MIB + 5, 7);
    let source = a.file("source");
    std::fs::write(&source, &whole).expect("a file");
    std::fs::set_permissions(&source, PermissionsExt::from_mode(0o750)).expect("its mode");

    let target = b.file("fetched");
    let summary = b.fetch(&a, &source, &target).await.0.expect("it comes");
    assert_eq!((summary.files, summary.bytes, summary.hops), (1, whole.len() as u64, 1));
    assert_eq!(std::fs::read(&target).expect("it is there"), whole);
    assert_eq!(std::fs::metadata(&target).expect("it is there").permissions().mode() & 0o700, 0o700);
    let sent = b.file("sent");
    let push =
        Copy { to: Some(b.id), sources: vec![names::bytes(&source)], target: names::bytes(&sent), ..Copy::default() };
    a.copy(push.clone()).await.0.expect("it goes");
    assert_eq!(std::fs::read(&sent).expect("it is there"), whole);

    assert_eq!(a.copy(push.clone()).await.0.expect("it is there").unchanged, 1);
    std::fs::write(&sent, b"mine").expect("a file");
    assert_eq!(a.copy(push.clone()).await.0.expect_err("it is there").kind, Kind::Exists);
    assert_eq!(std::fs::read(&sent).expect("it is there"), b"mine");
    a.copy(Copy { force: true, ..push }).await.0.expect("it was asked for");
    assert_eq!(std::fs::read(&sent).expect("it is there"), whole);

    assert_eq!(b.fetch(&a, &a.file("none"), &b.file("x")).await.0.expect_err("there is none").kind, Kind::NoSuchFile);
    a.overlay.grid().peers().files().set_open(false);
    assert_eq!(b.fetch(&a, &source, &b.file("x")).await.0.expect_err("it is closed").kind, Kind::Refused);
    assert!(!b.file("x").exists() && !b.file(".x.tern-part").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_goes_on_where_its_sender_died_and_begins_anew_if_the_source_changed() {
    let (a, b) = pair().await;
    let whole = content(96 * MIB, 11);
    let (source, target, part) = (a.file("source"), b.file("target"), b.file(".target.tern-part"));
    std::fs::write(&source, &whole).expect("a file");

    let enough = 8 * MIB as u64;
    let reached = tokio::task::spawn_blocking({
        let part = part.clone();
        move || while std::fs::metadata(&part).map_or(0, |meta| meta.len()) < enough {}
    });
    let dies = async {
        reached.await.expect("so much comes");
        let Node { overlay, folder, .. } = a;
        overlay.close().await;
        folder
    };
    let order = Copy {
        from: Some(a.id),
        sources: vec![names::bytes(&source)],
        target: names::bytes(&target),
        ..Copy::default()
    };
    let (folder, (ended, _)) = tokio::join!(dies, b.copy(order.clone()));
    let trouble = ended.expect_err("the sender is gone");
    assert!(matches!(trouble.kind, Kind::Broken | Kind::Unreachable), "{trouble:?}");
    assert!(!target.exists() && part.exists());

    let a = Node::start(folder, "a", None).await;
    b.until_near(&a, 1).await;
    let summary = b.copy(order.clone()).await.0.expect("it goes on");
    assert!(summary.resumed_bytes >= enough, "{summary:?}");
    assert_eq!(std::fs::read(&target).expect("it is there"), whole);

    std::fs::rename(&target, &part).expect("it is whole");
    let other = content(2 * MIB, 13);
    std::fs::write(&source, &other).expect("a file");
    let (ended, said) = b.copy(order).await;
    assert_eq!(ended.expect("it comes").resumed_bytes, 0);
    assert!(said.iter().any(|event| matches!(event, Event::Note { text } if text.contains("anew"))), "{said:?}");
    assert_eq!(std::fs::read(&target).expect("it is there"), other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_comes_without_what_would_lead_out_of_it() {
    let (a, b) = pair().await;
    let tree = a.file("tree");
    std::fs::create_dir_all(tree.join("deep/er")).expect("folders");
    std::fs::write(tree.join("deep/er/file"), b"x").expect("a file");
    std::fs::write(tree.join("empty"), b"").expect("a file");
    std::fs::write(tree.join(names::path(b"not \xff utf-8")), b"y").expect("a file");
    symlink("er/file", tree.join("deep/inside")).expect("a link");
    symlink("../../key", tree.join("deep/outside")).expect("a link");
    symlink("/etc/passwd", tree.join("absolute")).expect("a link");
    nix::unistd::mkfifo(&tree.join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");

    let summary = b.fetch(&a, &tree, &b.file("copy")).await.0.expect("it comes");
    assert_eq!((summary.files, summary.refused.len()), (3, 3), "{summary:?}");
    let copy = b.file("copy");
    assert_eq!(std::fs::read(copy.join("deep/inside")).expect("the link leads there"), b"x");
    assert_eq!(std::fs::read(copy.join(names::path(b"not \xff utf-8"))).expect("it is there"), b"y");
    for name in ["deep/outside", "absolute", "pipe"] {
        assert!(copy.join(name).symlink_metadata().is_err(), "{name}");
    }
    // Into a folder that is there it goes under its own name, and through no link.
    std::fs::create_dir_all(b.file("into/tree")).expect("a folder");
    symlink(b.folder.path(), b.file("into/tree/deep")).expect("a link");
    let trouble = b.fetch(&a, &tree, &b.file("into")).await.0.expect_err("a link is in the way");
    assert!(matches!(trouble.kind, Kind::Refused | Kind::Exists), "{trouble:?}");
    assert!(!b.file("er").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_left_beside_a_target_stays_and_what_a_copy_left_is_not_copied() {
    let (a, b) = pair().await;
    let (source, tree, whole) = (a.file("source"), a.file("tree"), content(MIB + 1, 19));
    std::fs::write(&source, &whole).expect("a file");
    std::fs::create_dir(&tree).expect("a folder");
    std::fs::write(tree.join("file"), b"x").expect("a file");

    // As a browser calls what it downloads.
    std::fs::write(b.file("x.part"), b"theirs").expect("a file");
    b.fetch(&a, &source, &b.file("x")).await.0.expect("it comes");
    assert_eq!(std::fs::read(b.file("x")).expect("it is there"), whole);
    assert_eq!(std::fs::read(b.file("x.part")).expect("it stays"), b"theirs");
    std::fs::create_dir(b.file("tree.part")).expect("a folder");
    std::fs::write(b.file("tree.part/theirs"), b"theirs").expect("a file");
    b.fetch(&a, &tree, &b.file("tree")).await.0.expect("it comes");
    assert!(b.file("tree/file").exists() && !b.file("tree/theirs").exists() && b.file("tree.part/theirs").exists());

    let long = b.file(&"n".repeat(255));
    b.fetch(&a, &source, &long).await.0.expect("the longest name there is");
    assert_eq!(std::fs::read(&long).expect("it is there"), whole);

    std::fs::write(tree.join(".file.tern-part"), b"half").expect("a file");
    let summary = b.fetch(&a, &tree, &b.file("again")).await.0.expect("it comes");
    assert_eq!((summary.files, summary.refused.len()), (1, 1), "{summary:?}");
    let names =
        std::fs::read_dir(b.file("again")).expect("it is there").map(|entry| entry.expect("a name").file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["file"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_file_is_read_no_further_when_nobody_waits_for_its_outline() {
    let (a, b) = pair().await;
    let source = a.file("huge");
    let huge = std::fs::File::create(&source).expect("a file");
    huge.set_len(outline::FILE_BYTES_MAX).expect("nothing, but much of it");
    let path = names::bytes(&source);
    let wanted = wire::Wanted { id: outline::ContentId([0; 32]), path: path.clone(), way: Vec::new(), first: 0 };
    for ask in [Ask::Outline { path, bare: false }, Ask::Content(wanted)] {
        let served = || a.overlay.grid().peers().files().places.available_permits() < SERVED_MAX;
        let asked = b.overlay.grid().peers().call(&a.id, &crate::overlay::calls::Call::Files(ask)).await;
        let streams = asked.expect("it listens");
        let began = Instant::now();
        while !served() {
            assert!(began.elapsed() < PATIENCE);
            tokio::task::yield_now().await;
        }
        drop(streams);
        while served() {
            assert!(began.elapsed() < PATIENCE, "it is still being read");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    // Were a thread still at it, the runtime would not end.
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_comes_over_a_hop_and_a_hop_that_lies_is_found_out() {
    let [(in_a, id_a), (in_b, id_b), (in_c, id_c)] = [folder(), folder(), folder()];
    let a = Node::start(in_a, "a", Some([id_b].into())).await;
    let b = Node::start(in_b, "b", Some([id_a, id_c].into())).await;
    let c = Node::start(in_c, "c", Some([id_b].into())).await;
    b.joins(&a).await;
    a.until_near(&b, 1).await;
    c.joins(&b).await;
    c.until_near(&a, 2).await;
    let whole = content(5 * MIB + 1, 17);
    let source = a.file("source");
    std::fs::write(&source, &whole).expect("a file");

    let (ended, said) = c.fetch(&a, &source, &c.file("one")).await;
    assert_eq!(ended.expect("it comes").hops, 2, "{said:?}");
    assert_eq!(std::fs::read(c.file("one")).expect("it is there"), whole);

    b.overlay.grid().peers().files().lies.store(true, Relaxed);
    let (ended, said) = c.fetch(&a, &source, &c.file("two")).await;
    assert_eq!(ended.expect("it comes from end to end").hops, 1);
    let told = said.iter().any(|event| matches!(event, Event::Note { text } if text.contains(&b.id.to_string())));
    assert!(told, "{said:?}");
    assert_eq!(std::fs::read(c.file("two")).expect("it is there"), whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_file_is_for_the_least_loaded_idle_node_that_takes_any() {
    let (a, b) = pair().await;
    let c = Node::new("c").await;
    c.joins(&a).await;
    a.until_near(&c, 1).await;
    let none = Files::new(a.overlay.grid().clone()).share(vec![b"/none".to_vec()], false, &mpsc::channel(8).0).await;
    assert_eq!(none.expect_err("nobody has said that it is idle").kind, Kind::NoIdlePeers);
    let say = |node: &Node, rho_milli: u16, draining: bool| {
        let mut vitals = Vitals {
            rho_milli: Some(rho_milli),
            trit: NodeTrit::literal(f64::from(rho_milli) / 1000.0),
            ..Vitals::default()
        };
        vitals.flags.draining = draining;
        node.overlay.to_mesh().vitals(vitals, false);
    };
    for (of_b, of_c, drains, expected) in
        [(100, 250, false, Some(&b)), (100, 50, false, Some(&c)), (100, 50, true, Some(&b)), (900, 50, true, None)]
    {
        say(&b, of_b, false);
        say(&c, of_c, drains);
        let began = Instant::now();
        loop {
            let view = a.overlay.grid().view().await.expect("it answers");
            let chosen = choose(&view).map(|(node, _)| node);
            if chosen == expected.map(|node| node.id) {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "{chosen:?} {view:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
