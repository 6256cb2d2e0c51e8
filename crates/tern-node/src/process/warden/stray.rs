//! Processes found by the attempt that their environment names, where nobody holds on to them any more.
//!
//! Looking through `/proc` costs a few microseconds a process, and is done only after a warden died.

use std::fs;

use nix::unistd::{Pid, getpgid};
use tern_core::words::Attempt;

use crate::process::pidfd::Pidfd;
use crate::process::spawn::launch::attempt_text;

/// Rounds of ending what is found: a process may have forked between being seen and being ended.
const ROUNDS_MAX: usize = 100;
const KILL_PATIENCE_MS: u16 = 10_000;

/// A process of an attempt.
pub struct Found {
    pub pid: i32,
    group: i32,
}

impl Found {
    /// It is what the warden spawned, not something that the task started.
    pub const fn leads_group(&self) -> bool {
        self.pid == self.group
    }
}

fn wanted(attempt: &Attempt) -> Vec<u8> {
    format!("TERN_ATTEMPT={}", attempt_text(attempt)).into_bytes()
}

/// Whether the environment of `pid` names this attempt.
pub fn runs(pid: i32, attempt: &Attempt) -> bool {
    let wanted = wanted(attempt);
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|env| env.split(|byte| *byte == 0).any(|word| word == wanted))
}

/// All processes of these attempts, each with the index of its attempt.
pub fn find(attempts: &[Attempt]) -> Vec<(usize, Found)> {
    if attempts.is_empty() {
        return Vec::new();
    }
    let wanted: Vec<Vec<u8>> = attempts.iter().map(wanted).collect();
    let own = std::process::id() as i32;
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != own)
        .filter_map(|pid| {
            // Unreadable: another user's, or gone.
            let env = fs::read(format!("/proc/{pid}/environ")).ok()?;
            let word = env.split(|byte| *byte == 0).find(|word| word.starts_with(b"TERN_ATTEMPT="))?;
            let which = wanted.iter().position(|wanted| wanted == word)?;
            let group = getpgid(Some(Pid::from_raw(pid))).ok()?.as_raw();
            Some((which, Found { pid, group }))
        })
        .collect()
}

/// Kills all processes of these attempts, and returns when there are none.
pub fn end_all(attempts: &[Attempt]) {
    for _ in 0..ROUNDS_MAX {
        let found = find(attempts);
        if found.is_empty() {
            return;
        }
        for (which, Found { pid, .. }) in found {
            let Ok(pidfd) = Pidfd::open(pid) else { continue };
            if runs(pid, &attempts[which]) && pidfd.signal(libc::SIGKILL).is_ok() {
                let _ = pidfd.wait(KILL_PATIENCE_MS);
            }
        }
    }
    eprintln!("tern warden: what a lost task started keeps starting processes; they are left alone");
}
