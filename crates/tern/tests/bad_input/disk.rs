//! A full disk: new work is refused, accepted work is kept, and it goes on when there is room.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};

use super::grid::Tern;
use super::{said, skip};

const FULL: [&str; 2] = ["is full", "ake room"];

/// Gives the state folder a disk of its own of 24 MiB, which only this thread and its children see.
fn on_small_disk(name: &'static str, act: impl FnOnce(&Tern) + Send + 'static) {
    let tried = std::thread::spawn(move || {
        let tern = Tern::new();
        // What is started below inherits the view of the thread that starts it.
        let own = unshare(CloneFlags::CLONE_NEWNS).is_ok()
            && mount(&["--make-rprivate", "/"])
            && mount(&["-t", "tmpfs", "-o", "size=24m,mode=700", "none", tern.path().to_str().unwrap()]);
        if own {
            act(&tern);
        }
        own
    });
    if !tried.join().unwrap() {
        skip(name, "a small file system cannot be mounted here");
    }
}

fn mount(words: &[&str]) -> bool {
    let mut command = Command::new("mount");
    command.args(words).stdin(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Takes all room there is.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("filler");
    let mut file = File::create(&path).unwrap();
    for size in [1 << 16, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    path
}

#[test]
fn on_a_full_disk_new_work_is_refused_and_what_was_accepted_is_done_when_there_is_room() {
    on_small_disk("on_a_full_disk_new_work_is_refused_and_what_was_accepted_is_done_when_there_is_room", |tern| {
        let rows = tern.file("rows", &"a line of some length\n".repeat(1000));
        let pid = tern.up();
        let held = tern.submit(&["--hold", "--array", "1-20", "--", "echo"]);
        let filler = fill(tern.path());
        for words in [
            &["submit", "--", "true"][..],
            &["submit", "--each-line", &rows, "--", "echo"],
            &["run", "--", "true"],
            &["map", "true", ":::", "a"],
        ] {
            said(&tern.run(words), 75, &FULL);
        }
        let view = tern.json(&["jobs", "--json"]);
        assert_eq!((view.as_array().unwrap().len(), &view[0]["state"]), (1, &"held".into()), "{view}");
        fs::remove_file(filler).unwrap();
        tern.good(&["release", &held]);
        tern.good(&["wait", &held]);
        assert_eq!(tern.good(&["logs", &held]).lines().count(), 20);
        tern.good(&["run", "--", "true"]);
        assert_eq!(tern.json(&["status", "--json"])["agent_pid"], pid, "the agent lived through it");
        tern.good(&["down"]);
    });
}

#[test]
fn tasks_that_fill_the_disk_run_again_when_there_is_room_and_none_is_lost() {
    on_small_disk("tasks_that_fill_the_disk_run_again_when_there_is_room_and_none_is_lost", |tern| {
        let filler = fill(tern.path());
        // What the agent needs for itself; ten tasks of a MiB have no place beside it.
        File::options().write(true).open(&filler).unwrap().set_len(16 << 20).unwrap();
        tern.up();
        let job = tern.submit(&["--array", "1-10", "--shell", "--", "test {} && head -c 1000000 /dev/zero"]);
        tern.until(|| tern.json(&["status", "--json"])["disk_full"] == true);
        said(&tern.run(&["submit", "--", "true"]), 75, &FULL);
        fs::remove_file(filler).unwrap();
        let out = tern.run(&["wait", &job]);
        let tasks = tern.json(&["job", &job, "--json"])["tasks"].clone();
        assert_eq!((out.code, &tasks["done"]), (0, &10.into()), "{out:?} {tasks}");
        assert_eq!(tern.good(&["logs", &job]).len(), 10_000_000);
        tern.good(&["down"]);
    });
}

/// What they write is lost without a word, and they say that all went well.
#[test]
fn tasks_whose_output_found_no_room_run_again_though_they_did_not_notice() {
    on_small_disk("tasks_whose_output_found_no_room_run_again_though_they_did_not_notice", |tern| {
        let go = tern.path().with_file_name("go");
        let writes = format!("until [ -e {} ]; do sleep 0.05; done; head -c 20000 /dev/zero; exit 0", go.display());
        tern.up();
        let job = tern.submit(&["--array", "1-2", "--shell", "--", &format!("test {{}}; {writes}")]);
        tern.until(|| tern.json(&["job", &job, "--json"])["tasks"]["running"] == 2);
        let filler = fill(tern.path());
        fs::write(&go, "").unwrap();
        tern.until(|| tern.json(&["status", "--json"])["disk_full"] == true);
        fs::remove_file(filler).unwrap();
        assert_eq!(tern.run(&["wait", &job]).code, 0);
        assert_eq!(tern.good(&["logs", &job]).len(), 40_000);
        tern.good(&["down"]);
    });
}

#[test]
fn a_full_disk_at_the_start_is_named_and_a_new_folder_is_made_when_there_is_room() {
    on_small_disk("a_full_disk_at_the_start_is_named_and_a_new_folder_is_made_when_there_is_room", |tern| {
        let filler = fill(tern.path());
        for words in
            [&["up", "--detach"][..], &["submit", "--", "true"], &["run", "--", "true"], &["map", "true", ":::", "a"]]
        {
            said(&tern.run(words), 75, &FULL);
        }
        assert!(!tern.path().join("journal.redb").exists());
        fs::remove_file(filler).unwrap();
        let job = tern.submit(&["--", "echo", "now"]);
        tern.good(&["wait", &job]);
        assert_eq!(tern.good(&["logs", &job]), "now\n");
    });
}
