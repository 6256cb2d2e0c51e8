//! The grid's files: founded, left, replaced and killed in between; real keys sign what the roll holds.
//!
//! What is damaged or open to others is refused with its name and what to do, and left as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use iroh::SecretKey;
use tern_core::trust::{Invitation, Name, Roll, admit, make_admin, recover, rotate};
use tern_core::words::NodeId;

use crate::home::Home;
use crate::store::grid::{GridStore, public, read_recovery, sign, verify, with_signer};
use crate::store::{Grid, StoreError, key};

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn home() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path().join("state"));
    (folder, home)
}

fn founded() -> (tempfile::TempDir, Home, GridStore, Grid) {
    let (folder, home) = home();
    let (store, grid) = GridStore::found(&home, &name("desk")).expect("founded");
    (folder, home, store, grid)
}

fn reopened(home: &Home) -> Grid {
    GridStore::open(home).expect("opened").expect("a grid").1
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("changed");
}

/// The grid with one more member, one invitation and some addresses.
fn grown(store: &GridStore, mut grid: Grid) -> Grid {
    let admin = store.admin_key(&grid.roll).expect("read").expect("an admin");
    let node = public(&SecretKey::generate());
    let list = with_signer(&admin, |by| admit(&grid.roll, by, node, &name("desk")).expect("admitted"));
    grid.roll.apply(&list, verify).expect("taken");
    let ticket = public(&SecretKey::generate());
    assert!(grid.invitations.add(Invitation { ticket, made_ms: 1, expires_ms: 2, admin: true, used_by: Some(node) }));
    grid.addresses.insert(node, vec!["10.0.0.7:4433".parse().expect("an address"); 8]);
    grid
}

#[test]
fn a_founded_grid_is_found_again_with_everything_that_was_saved() {
    let (_folder, home, store, grid) = founded();
    let node = key::node_id(&home).expect("read");
    assert_eq!(grid.roll.members()[&node].shown, name("desk"));
    for path in [home.roll(), home.admin_key(), home.recovery()] {
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o7777, 0o600, "{}", path.display());
    }
    assert_eq!(reopened(&home), grid);
    let grid = grown(&store, grid);
    store.save(&grid).expect("saved");
    assert_eq!(reopened(&home), grid);
    let again = GridStore::found(&home, &name("desk")).expect_err("refused");
    assert!(matches!(again, StoreError::InGrid { .. }), "{again}");
    assert_eq!(reopened(&home), grid);
}

#[test]
fn a_node_without_a_grid_has_none_and_no_folder_is_made() {
    let (_folder, home) = home();
    assert!(GridStore::open(&home).expect("opened").is_none());
    assert!(!home.grid().exists());
}

#[test]
fn what_a_death_left_half_written_is_ignored_and_removed() {
    let (_folder, home, store, grid) = founded();
    for half in ["roll.new", "admin.key.new", "recovery.new", "admin.key.next.new"] {
        fs::write(home.grid().join(half), b"half").expect("written");
    }
    assert_eq!(reopened(&home), grid);
    assert_eq!(fs::read_dir(home.grid()).expect("a folder").count(), 3);
    // One that could not be swept is in nobody's way either.
    fs::write(home.grid().join("roll.new"), b"half").expect("written");
    let grid = grown(&store, grid);
    store.save(&grid).expect("saved");
    assert_eq!(reopened(&home), grid);
    // A founder that died before the roll had its name belongs to no grid, and founds another; no key is lost.
    fs::remove_file(home.roll()).expect("removed");
    assert!(GridStore::open(&home).expect("opened").is_none());
    let (_, second) = GridStore::found(&home, &name("desk")).expect("founded");
    assert_ne!(second.roll.grid(), grid.roll.grid());
    let aside = home.grid().join(format!("recovery-{}", grid.roll.grid()));
    let root = read_recovery(fs::File::open(aside).expect("set aside")).expect("read");
    assert_eq!(public(&root), grid.roll.grid().0);
}

#[test]
fn a_save_that_fails_leaves_what_was_there() {
    let (_folder, home, store, grid) = founded();
    // A folder in the way of the new file: whatever the rights, it cannot be written.
    fs::create_dir(home.grid().join("roll.new")).expect("made");
    let error = store.save(&grown(&store, grid.clone())).expect_err("refused");
    assert!(error.to_string().contains("roll"), "{error}");
    fs::remove_dir(home.grid().join("roll.new")).expect("removed");
    assert_eq!(reopened(&home), grid);
}

#[test]
fn a_damaged_roll_is_refused_at_any_flipped_bit_and_any_length_and_left_alone() {
    let (_folder, home, store, grid) = founded();
    store.save(&grown(&store, grid)).expect("saved");
    let good = fs::read(home.roll()).expect("read");
    let refused = |bytes: &[u8], what: &str| {
        fs::write(home.roll(), bytes).expect("written");
        let error = GridStore::open(&home).expect_err(what);
        assert!(error.to_string().contains("roll"), "{error}");
        assert!(matches!(error.kind(), "damaged" | "newer_format"), "{error}");
        assert_eq!(fs::read(home.roll()).expect("read"), bytes, "{what}: it was changed");
    };
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        refused(&bytes, &format!("byte {at}"));
        refused(&good[..at], &format!("cut at {at}"));
    }
    assert!(matches!(GridStore::found(&home, &name("desk")), Err(StoreError::InGrid { .. })));
}

#[test]
fn files_that_others_may_read_or_change_are_refused_with_what_to_do() {
    let (_folder, home, ..) = founded();
    for (path, mode) in [(home.admin_key(), 0o640), (home.recovery(), 0o604), (home.roll(), 0o620)] {
        chmod(&path, mode);
        let error = GridStore::open(&home).expect_err("refused");
        let told = error.to_string();
        assert!(told.contains(&path.display().to_string()) && told.contains("chmod 600"), "{told}");
        chmod(&path, 0o600);
    }
    fs::write(home.admin_key(), [1; 31]).expect("written");
    let error = GridStore::open(&home).expect_err("refused");
    assert!(matches!(error, StoreError::GridDamaged { .. }), "{error}");
    fs::write(home.admin_key(), [1; 32]).expect("written");
    let (store, grid) = GridStore::open(&home).expect("opened").expect("a grid");
    assert_eq!(store.admin_key(&grid.roll).expect("read").map(|_| ()), None, "a key that the roll does not know");
}

#[test]
fn a_key_is_rotated_without_an_instant_in_which_a_death_loses_both() {
    let (_folder, home, store, mut grid) = founded();
    let (old, new) = (store.admin_key(&grid.roll).expect("read").expect("an admin"), SecretKey::generate());
    let held = |grid: &Grid| public(&store.admin_key(&grid.roll).expect("read").expect("an admin"));
    store.stage_admin_key(&new).expect("staged");
    assert_eq!(held(&reopened(&home)), public(&old));
    let list = with_signer(&old, |old| with_signer(&new, |new| rotate(&grid.roll, old, new).expect("rotated")));
    grid.roll.apply(&list, verify).expect("taken");
    store.save(&grid).expect("saved");
    assert_eq!(held(&reopened(&home)), public(&new));
    assert!(!home.next_admin_key().exists());
    assert_eq!(held(&reopened(&home)), public(&new));
}

#[test]
fn the_recovery_key_that_was_moved_away_makes_an_admin_of_another_machine() {
    let (_folder, home, store, grid) = founded();
    let mut roll = grown(&store, grid).roll;
    let text = fs::read(home.recovery()).expect("read");
    fs::remove_file(home.recovery()).expect("moved away");
    assert!(GridStore::open(&home).expect("opened").is_some());
    let root = read_recovery(&text[..]).expect("read");
    let lost = key::node_id(&home).expect("read");
    let other = *roll.members().keys().find(|node| **node != lost).expect("another");
    let admin = SecretKey::generate();
    let list = with_signer(&root, |root| {
        with_signer(&admin, |admin| recover(&roll, root, admin, other, &[lost]).expect("recovered"))
    });
    let changes = roll.apply(&list, verify).expect("taken");
    assert_eq!((changes.gone, roll.is_member(other), roll.is_admin(public(&admin))), (vec![lost], true, true));
}

#[test]
fn a_recovery_key_is_read_with_its_words_around_it_and_refused_when_mistyped() {
    let (_folder, home, _, grid) = founded();
    let text = fs::read_to_string(home.recovery()).expect("read");
    assert!(text.starts_with("# Recovery key") && text.contains("move it off this machine"), "{text}");
    assert_eq!(public(&read_recovery(text.as_bytes()).expect("read")), grid.roll.grid().0);
    let line = text.lines().last().expect("a line");
    assert_eq!(public(&read_recovery(line.as_bytes()).expect("read")), grid.roll.grid().0);
    for end in 0..line.len() {
        assert!(read_recovery(&line.as_bytes()[..end]).is_err(), "cut at {end}");
    }
    for at in 0..line.len() {
        let mut bytes = line.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        assert!(read_recovery(&bytes[..]).is_err(), "changed at {at}");
    }
    assert!(read_recovery(&*vec![b'#'; 100_000]).is_err());
    assert!(read_recovery(&[0xff; 10][..]).is_err());
}

#[test]
fn a_node_that_leaves_has_no_grid_and_may_enter_another() {
    let (_folder, home, _, grid) = founded();
    GridStore::forget(&home).expect("left");
    GridStore::forget(&home).expect("nothing to forget");
    assert!(GridStore::open(&home).expect("opened").is_none());
    assert!(!home.admin_key().exists() && !home.recovery().exists());
    assert_eq!(fs::read_dir(home.grid()).expect("a folder").count(), 1, "the recovery key, under another name");
    let (_other, _, _, theirs) = founded();
    let store = GridStore::enter(&home, &theirs).expect("entered");
    assert_eq!(reopened(&home), theirs);
    assert_eq!(store.admin_key(&theirs.roll).expect("read").map(|_| ()), None);
    assert!(matches!(GridStore::enter(&home, &grid), Err(StoreError::InGrid { .. })));
}

#[test]
fn real_signatures_are_checked_and_a_key_that_is_no_point_signs_nothing() {
    let (secret, other) = (SecretKey::generate(), SecretKey::generate());
    let signature = sign(&secret, b"text");
    assert!(verify(&public(&secret), b"text", &signature));
    assert!(!verify(&public(&secret), b"text.", &signature));
    assert!(!verify(&public(&other), b"text", &signature));
    assert!(!verify(&NodeId([0xff; 32]), b"text", &signature));
    // The neutral point, for which weak checks accept anything.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert!(!verify(&NodeId(neutral), b"text", &tern_core::trust::Signature([0; 64])));
    let roll = Roll::new(tern_core::trust::GridId(public(&other)));
    let made = with_signer(&secret, |by| make_admin(&roll, by, public(&other), public(&other)));
    assert!(made.is_err());
}
