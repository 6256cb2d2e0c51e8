//! `tern doctor`: what Tern needs of this machine, whether it is there, and what to do where it is not.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;
use nix::sys::utsname::uname;
use serde::Serialize;
use tern_node::config::{self, Flags};
use tern_node::control::{Door, DoorError, Entry};
use tern_node::home::Home;
use tern_node::process::pidfd;

use crate::cli::failure::UNAVAILABLE;
use crate::cli::{Context, Outcome};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Check {
    /// `check` to those who read JSON.
    #[serde(rename = "check")]
    name: &'static str,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    what_to_do: &'static str,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), what_to_do: "" }
    }
    fn warn(name: &'static str, found: impl Into<String>, what_to_do: &'static str) -> Self {
        Self { name, verdict: Verdict::Warn, found: found.into(), what_to_do }
    }
    fn fail(name: &'static str, found: impl Into<String>, what_to_do: &'static str) -> Self {
        Self { name, verdict: Verdict::Fail, found: found.into(), what_to_do }
    }
}

pub async fn doctor(context: &Context) -> Outcome {
    let home = &context.home;
    let mut checks = vec![
        Check::ok("version", format!("tern {} on {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH)),
        processes(),
        kernel(),
        pressure(),
        cgroups(Path::new("/sys/fs/cgroup")),
        clock(),
        descriptors(),
        folder(home),
        room(home),
        settings(home),
    ];
    checks.push(agent(home).await);
    let failed = checks.iter().any(|check| check.verdict == Verdict::Fail);
    if context.printer.json {
        context.printer.value(&checks)?;
    } else {
        let mut out = context.printer.out();
        for check in &checks {
            let (word, colour) = match check.verdict {
                Verdict::Ok => ("ok  ", "32"),
                Verdict::Warn => ("warn", "33"),
                Verdict::Fail => ("FAIL", "31"),
            };
            writeln!(out, "{} {:<12} {}", context.printer.painted(word, colour), check.name, check.found)?;
            if !check.what_to_do.is_empty() {
                writeln!(out, "     {:<12} → {}", "", check.what_to_do)?;
            }
        }
        out.flush()?;
    }
    Ok(if failed { ExitCode::from(UNAVAILABLE) } else { ExitCode::SUCCESS })
}

/// A warden is started from this program's own file, which the kernel names there, and finds its tasks again by what stands there.
fn processes() -> Check {
    if Path::new("/proc/self/exe").exists() {
        return Check::ok("processes", "/proc is mounted");
    }
    Check::fail("processes", "/proc is not mounted", "No task can be started: `mount -t proc proc /proc`.")
}

/// pidfds came with 5.3; whether they tell the exit status of a process that is not ours is tried out.
fn kernel() -> Check {
    const NAME: &str = "kernel";
    let release = uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
    if version(&release).is_some_and(|version| version < (5, 3)) {
        let found = format!("{release}: no pidfd");
        return Check::fail(NAME, found, "Tasks cannot be held safely: use Linux 5.3 or later.");
    }
    if pidfd::kernel_tells_status() {
        return Check::ok(NAME, format!("{release}: pidfd with exit status"));
    }
    Check::warn(
        NAME,
        format!("{release}: pidfd without exit status of foreign processes"),
        "If the warden is killed, what it ran is ended and run again; Linux 6.15 and later adopt it.",
    )
}

/// Major and minor number of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn pressure() -> Check {
    if Path::new("/proc/pressure/cpu").exists() {
        return Check::ok("pressure", "/proc/pressure is there");
    }
    Check::warn("pressure", "no /proc/pressure", "Load is judged by the load average alone; boot with psi=1 to add it.")
}

fn cgroups(root: &Path) -> Check {
    const NAME: &str = "cgroups";
    let controllers = std::fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
    if controllers.split_whitespace().any(|name| name == "cpu") {
        return Check::ok(NAME, format!("version 2 with {}", controllers.trim()));
    }
    if root.join("cpu").is_dir() || root.join("cpu,cpuacct").is_dir() {
        return Check::ok(NAME, "version 1 with cpu");
    }
    Check::warn(NAME, "no cpu controller", "`tern throttle` falls back to stopping and continuing the process.")
}

fn clock() -> Check {
    /// 2025-01-01; a clock before that was never set.
    const SANE_MS: u64 = 1_735_689_600_000;
    let now = tern_node::clock::now();
    if now.wall_ms < SANE_MS {
        return Check::warn("clock", "the date is before 2025", "Times shown will be wrong; set the clock (NTP).");
    }
    let asleep = now.boot.saturating_sub(now.mono) / 1_000_000_000;
    Check::ok("clock", format!("boot time counts sleep ({asleep} s so far)"))
}

fn descriptors() -> Check {
    const NAME: &str = "ulimits";
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, _)) if soft < 1_024 => {
            Check::warn(NAME, format!("{soft} open files"), "Many slots need more: raise it with `ulimit -n 4096`.")
        }
        Ok((soft, hard)) => Check::ok(NAME, format!("{soft} open files, {hard} at most")),
        Err(error) => Check::warn(NAME, error.to_string(), "The limit on open files could not be read."),
    }
}

fn folder(home: &Home) -> Check {
    const NAME: &str = "folder";
    let path = home.path().display();
    let meta = match std::fs::metadata(home.path()) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Check::ok(NAME, format!("{path}: not there yet; the first command makes it"));
        }
        Err(error) => {
            return Check::fail(NAME, format!("{path}: {error}"), "Name a folder that you may use with --home.");
        }
    };
    if meta.uid() != nix::unistd::geteuid().as_raw() {
        let found = format!("{path} belongs to user {}", meta.uid());
        return Check::fail(NAME, found, "Name a folder of your own with --home.");
    }
    if meta.mode() & 0o077 != 0 {
        let found = format!("{path} has mode {:o}", meta.mode() & 0o777);
        return Check::warn(NAME, found, "Others may look into it: chmod 700.");
    }
    Check::ok(NAME, format!("{path}, yours alone"))
}

/// Room where the folder is, or where it would be.
fn room(home: &Home) -> Check {
    const NAME: &str = "disk";
    let there = home.path().ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let stat = match statvfs(there) {
        Ok(stat) => stat,
        Err(error) => {
            return Check::fail(NAME, format!("{}: {error}", there.display()), "Name another folder with --home.");
        }
    };
    let free_mib = stat.blocks_available() * stat.fragment_size() / (1 << 20);
    let found = format!("{free_mib} MiB free, {} files more", stat.files_available());
    if free_mib < 64 {
        return Check::fail(NAME, found, "New work is refused until there is room.");
    }
    if free_mib < 1_024 {
        return Check::warn(NAME, found, "Results and outputs are kept here: make room, or `tern forget` jobs.");
    }
    Check::ok(NAME, found)
}

fn settings(home: &Home) -> Check {
    match config::load(home, &Flags::default()) {
        Ok(_) => Check::ok("settings", "good"),
        Err(error) => {
            Check::fail("settings", error.to_string(), "Correct the file; `tern config check` reads it again.")
        }
    }
}

async fn agent(home: &Home) -> Check {
    const NAME: &str = "agent";
    let answer = match Door::open(home, Entry::Agent, None).await {
        Ok(door) => door.status().await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(status) if status.version != env!("CARGO_PKG_VERSION") => Check::warn(
            NAME,
            format!("{} runs version {}", status.agent_pid, status.version),
            "Start it again to use this version: `tern down --keep-tasks`, then `tern up --detach`.",
        ),
        Ok(status) => Check::ok(NAME, format!("{} answers", status.agent_pid)),
        Err(DoorError::Unreachable { kind: "no_agent", .. }) => {
            Check::ok(NAME, "none runs; commands use a node of their own (`tern up --detach` starts one)")
        }
        Err(error) => Check::fail(NAME, error.to_string(), "Nothing can be asked of it; the message says why."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_releases_are_read_as_distributions_write_them() {
        assert_eq!(version("6.18.44-fc-v595"), Some((6, 18)));
        assert_eq!(version("5.15.0-91-generic"), Some((5, 15)));
        assert_eq!(version("6.1"), Some((6, 1)));
        assert_eq!(version("plan9"), None);
    }

    #[test]
    fn a_machine_without_cgroups_is_told_what_throttling_falls_back_to() {
        let folder = tempfile::tempdir().unwrap();
        let check = cgroups(folder.path());
        assert_eq!(check.verdict, Verdict::Warn);
        assert!(!check.what_to_do.is_empty());
        std::fs::write(folder.path().join("cgroup.controllers"), "cpuset cpu io\n").unwrap();
        assert_eq!(cgroups(folder.path()).verdict, Verdict::Ok);
    }
}
