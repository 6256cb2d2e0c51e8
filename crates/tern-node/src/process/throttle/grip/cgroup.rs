//! Control groups: a quota or a weight for one process and those that it starts from now on.
//!
//! Nothing is assumed of where they are: the mounts come from `/proc/self/mountinfo`, the process's group from
//! `/proc/PID/cgroup`. A group `tern-throttle-PID` of our own is made below the process's present one (first version,
//! so that limits above it stay in force) or, where the second version forbids that, beside it; a process that is alone
//! in its group is limited right there. Whatever was found is put back.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use nix::unistd::{AccessFlags, access};

/// What our groups are called; the number of the process follows.
const PREFIX: &str = "tern-throttle-";
/// Sweeps over a group that is being emptied: a process may start others meanwhile.
const SWEEPS_MAX: u32 = 16;
/// A group that was emptied stays busy until the kernel has let go of the last exits.
const REMOVALS_MAX: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);
/// The kernel's usual period and ours, microseconds.
const PERIOD_US: u32 = 100_000;

/// Which of the two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    One,
    Two,
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Quota,
    Weight,
}

/// Where the limit will be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a new group, to which the process is moved from another.
    Group { group: PathBuf, from: PathBuf },
    /// In this file of the process's own group, which says this now.
    Here { file: PathBuf, before: String },
}

/// The group of a process in the hierarchy that distributes CPU time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub version: Version,
    mount: PathBuf,
    /// Its folder.
    pub group: PathBuf,
}

impl Membership {
    /// Looks a process up. None: no hierarchy of groups is mounted that could hold it.
    pub fn of(pid: i32) -> io::Result<Option<Self>> {
        let mounts = fs::read("/proc/self/mountinfo")?;
        let groups = fs::read(format!("/proc/{pid}/cgroup"))?;
        Ok(find(&String::from_utf8_lossy(&mounts), &String::from_utf8_lossy(&groups)))
    }

    /// The group of ours that holds the process already, if one does.
    pub fn held_by(&self) -> Option<&Path> {
        let ours = self.group.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
        ours.then_some(&self.group)
    }

    /// Whether a group decides the process's CPU time already, so that its session's weight does not count.
    pub fn decides(&self) -> bool {
        match self.version {
            Version::One => self.group != self.mount,
            Version::Two => {
                let below = self.group.ancestors().take_while(|group| *group != self.mount);
                below.into_iter().any(|group| group.join("cpu.weight").exists())
            }
        }
    }

    /// Where a limit could be set, or why nowhere. Only looks.
    pub fn place(&self, pid: i32, limit: Limit) -> Result<Place, String> {
        match self.version {
            Version::One => beside(&self.group, &self.group, pid),
            Version::Two => self.place_two(pid, limit),
        }
    }

    fn place_two(&self, pid: i32, limit: Limit) -> Result<Place, String> {
        let file = self.group.join(limit.file(Version::Two));
        let alone =
            fs::read_to_string(self.group.join("cgroup.procs")).is_ok_and(|pids| pids.trim() == pid.to_string());
        if alone && self.group != self.mount && access(&file, AccessFlags::W_OK).is_ok() {
            let before = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            return Ok(Place::Here { file, before: before.trim().to_owned() });
        }
        // A group with processes of its own cannot hand CPU time down, except the uppermost: the nearest one above that does.
        let mut above = self.group.ancestors().take_while(|group| group.starts_with(&self.mount));
        let found = above.find(|group| {
            let handed = fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
            handed.split_ascii_whitespace().any(|name| name == "cpu")
        });
        let parent = found.ok_or("no control group around it hands out CPU time")?;
        beside(parent, &self.group, pid)
    }
}

/// A new group below `parent`, if one may be made there.
fn beside(parent: &Path, from: &Path, pid: i32) -> Result<Place, String> {
    for needed in [parent, &from.join("cgroup.procs")] {
        access(needed, AccessFlags::W_OK).map_err(|error| format!("{}: {}", needed.display(), error.desc()))?;
    }
    Ok(Place::Group { group: parent.join(format!("{PREFIX}{pid}")), from: from.into() })
}

impl Limit {
    const fn file(self, version: Version) -> &'static str {
        match (self, version) {
            (Self::Quota, Version::One) => "cpu.cfs_quota_us",
            (Self::Weight, Version::One) => "cpu.shares",
            (Self::Quota, Version::Two) => "cpu.max",
            (Self::Weight, Version::Two) => "cpu.weight",
        }
    }

    fn value(self, version: Version, percent: u8) -> String {
        let percent = u32::from(percent.clamp(1, 100));
        match (self, version) {
            (Self::Quota, Version::One) => (PERIOD_US / 100 * percent).to_string(),
            (Self::Quota, Version::Two) => format!("{} {PERIOD_US}", PERIOD_US / 100 * percent),
            // 1024 and 100 are the weights of a group that nobody touched.
            (Self::Weight, Version::One) => (1024 * percent / 100).max(2).to_string(),
            (Self::Weight, Version::Two) => percent.to_string(),
        }
    }
}

/// Sets the limit and, where the place is a group of its own, moves the process with all its threads. May be repeated.
pub fn engage(place: &Place, limit: Limit, percent: u8, pid: i32) -> io::Result<()> {
    match place {
        Place::Here { file, .. } => write(file, &limit.value(Version::Two, percent)),
        Place::Group { group, .. } => {
            fs::create_dir(group)
                .or_else(|error| if error.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
            let version = if group.join("cgroup.controllers").exists() { Version::Two } else { Version::One };
            if limit == Limit::Quota && version == Version::One {
                write(&group.join("cpu.cfs_period_us"), &PERIOD_US.to_string())?;
            }
            write(&group.join(limit.file(version)), &limit.value(version, percent))?;
            write(&group.join("cgroup.procs"), &pid.to_string())
        }
    }
}

/// Puts back what was found. May be repeated; what has gone meanwhile is no error.
pub fn release(place: &Place) -> io::Result<()> {
    match place {
        Place::Here { file, before } => match write(file, before) {
            Err(error) if is_gone(&error) => Ok(()),
            done => done,
        },
        Place::Group { group, from } => {
            empty(group, from)?;
            remove(group)
        }
    }
}

/// Moves everything out: the process, and what it started while it was held.
fn empty(group: &Path, from: &Path) -> io::Result<()> {
    // The former group may have been removed, since it had become empty: then the one above ours.
    let back = if from.is_dir() { from } else { group.parent().unwrap_or(from) };
    for _ in 0..SWEEPS_MAX {
        let pids = match fs::read_to_string(group.join("cgroup.procs")) {
            Ok(pids) => pids,
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        if pids.trim().is_empty() {
            return Ok(());
        }
        for pid in pids.split_ascii_whitespace() {
            match write(&back.join("cgroup.procs"), pid) {
                Err(error) if !is_gone(&error) => return Err(error),
                _ => {}
            }
        }
    }
    Err(io::Error::new(ErrorKind::ResourceBusy, format!("{} fills faster than it can be emptied", group.display())))
}

fn remove(group: &Path) -> io::Result<()> {
    let mut last = Ok(());
    for _ in 0..REMOVALS_MAX {
        last = fs::remove_dir(group);
        match &last {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => std::thread::sleep(PAUSE),
            Err(error) if is_gone(error) => return Ok(()),
            _ => break,
        }
    }
    last
}

/// Whether a place read from a file can only be one of those that this page makes.
pub fn is_ours(place: &Place) -> bool {
    let plain = |path: &Path| path.is_absolute() && path.components().all(|part| part != Component::ParentDir);
    let called = |path: &Path, wanted: &dyn Fn(&str) -> bool| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(wanted)
    };
    match place {
        Place::Group { group, from } => plain(group) && plain(from) && called(group, &|name| name.starts_with(PREFIX)),
        Place::Here { file, .. } => plain(file) && called(file, &|name| matches!(name, "cpu.max" | "cpu.weight")),
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH | libc::ENODEV))
}

/// A group's file takes one write, whole; it is never created or cut.
fn write(path: &Path, value: &str) -> io::Result<()> {
    use std::io::Write as _;
    let named = |error: io::Error| {
        // The number is kept where there is one: callers tell "gone" from "refused" by it.
        if error.raw_os_error().is_some() {
            error
        } else {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        }
    };
    fs::OpenOptions::new().write(true).open(path).map_err(named)?.write_all(value.as_bytes()).map_err(named)
}

/// Joins the two tables: a process's group is a path within a hierarchy, which may be mounted from its middle.
fn find(mounts: &str, groups: &str) -> Option<Membership> {
    let within = |wanted: Option<&str>| {
        groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (names, path) = (parts.next()?, parts.next()?);
            let fits = wanted.map_or(names.is_empty(), |wanted| names.split(',').any(|name| name == wanted));
            fits.then(|| PathBuf::from(path))
        })
    };
    let mounted = |version, path: &Path| {
        mounts.lines().find_map(|line| {
            let (front, back) = line.split_once(" - ")?;
            let mut back = back.split(' ');
            let (kind, options) = (back.next()?, back.nth(1)?);
            let fits = match version {
                Version::One => kind == "cgroup" && options.split(',').any(|option| option == "cpu"),
                Version::Two => kind == "cgroup2",
            };
            let mut front = front.split(' ').skip(3);
            let (root, mount) = (unescaped(front.next()?), unescaped(front.next()?));
            let inside = path.strip_prefix(&root).ok().filter(|_| fits)?;
            let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
            let group = if inside.as_os_str().is_empty() { mount.clone() } else { mount.join(inside) };
            plain.then_some(Membership { version, mount, group })
        })
    };
    // Where the first version distributes CPU time, the second cannot.
    within(Some("cpu"))
        .and_then(|path| mounted(Version::One, &path))
        .or_else(|| within(None).and_then(|path| mounted(Version::Two, &path)))
}

/// The kernel writes blanks and the like in paths as a backslash and three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let octal = match after {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] if *first == b'\\' => {
                Some((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'))
            }
            _ => None,
        };
        bytes.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { &after[3..] } else { after };
    }
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests;
