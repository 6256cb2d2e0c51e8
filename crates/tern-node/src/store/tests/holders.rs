//! Who holds a state folder, and who a node is: the lock that lets one process in, and the key that nobody else may read.
//!
//! A folder in use is refused by the holder's pid; one whose holder was killed is free at once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::home::Home;
use crate::store::lock::holder;
use crate::store::{StoreError, key, lock};

const FOLDER: &str = "TERN_TEST_FOLDER_OF_CHILD";
const CHILD: &str = "store::tests::holders::child_that_holds_the_folder";

#[test]
#[ignore = "the child of another test"]
fn child_that_holds_the_folder() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let _lock = lock(&Home::new(folder)).expect("free");
    println!("held");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("the parent's end");
}

#[test]
fn a_second_holder_is_told_the_pid_and_the_folder_and_a_killed_one_leaves_it_free() {
    use std::io::BufRead;
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path().join("made"));
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", CHILD, "--ignored", "--nocapture"])
        .env(FOLDER, home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawned");
    let said = std::io::BufReader::new(child.stdout.take().expect("its output")).lines();
    assert!(said.map_while(Result::ok).any(|line| line.contains("held")));
    let error = lock(&home).expect_err("it is held");
    assert!(matches!(error, StoreError::InUse { pid: Some(pid), .. } if pid == child.id()), "{error}");
    let told = error.to_string();
    assert!(told.contains(&child.id().to_string()) && told.contains(&home.path().display().to_string()), "{told}");
    assert_eq!(holder(&home), Some(child.id()));
    child.kill().expect("killed");
    child.wait().expect("reaped");
    assert_eq!(holder(&home), None);
    let held = lock(&home).expect("free again");
    assert_eq!(holder(&home), Some(std::process::id()));
    drop(held);
}

#[test]
fn the_key_is_made_once_private_and_stays_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path().join("made"));
    let first = key::node_id(&home).expect("made");
    assert_eq!(key::node_id(&home).expect("read"), first);
    assert_eq!(key::secret(&home).expect("read").public().as_bytes(), &first.0);
    let metadata = fs::metadata(home.key()).expect("a file");
    assert_eq!((metadata.permissions().mode() & 0o7777, metadata.len()), (0o600, 32));
    assert_eq!(fs::read_dir(home.path()).expect("a folder").count(), 1, "nothing is left beside it");
    let other = Home::new(folder.path().join("other"));
    assert_ne!(key::node_id(&other).expect("made"), first);
    assert_ne!(key::random_u64().expect("random"), key::random_u64().expect("random"));
}

#[test]
fn a_key_that_others_may_read_or_of_a_wrong_length_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    key::node_id(&home).expect("made");
    fs::set_permissions(home.key(), fs::Permissions::from_mode(0o640)).expect("changed");
    let error = key::node_id(&home).expect_err("refused");
    assert!(error.to_string().contains("chmod 600") && error.to_string().contains("640"), "{error}");
    fs::set_permissions(home.key(), fs::Permissions::from_mode(0o600)).expect("changed");
    fs::write(home.key(), [1; 31]).expect("written");
    let error = key::node_id(&home).expect_err("refused");
    assert!(matches!(error, StoreError::KeyDamaged { found: 31, .. }), "{error}");
    assert_eq!(fs::read(home.key()).expect("read"), [1; 31], "it was left alone");
}

#[test]
fn makers_at_the_same_time_get_the_same_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::new(folder.path());
    let this = std::thread::scope(|scope| {
        let made: Vec<_> = (0..4).map(|_| scope.spawn(|| key::node_id(&home))).collect();
        made.into_iter().map(|made| made.join().expect("no panic")).collect::<Vec<_>>()
    });
    let known = key::node_id(&home).expect("read");
    assert!(this.into_iter().all(|made| made.expect("made") == known));
}
