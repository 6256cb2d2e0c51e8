//! How much of the machine a process takes for itself, as one number between 0 and 1, and whom one never touches.
//!
//! Six tenths of the score is CPU, three tenths memory, one tenth age; each part is capped, so that neither eight busy
//! threads nor a month of uptime can go beyond its share. Above 0.35 a process is a hog, above 0.15 it is worth
//! watching, else it is quiet. CPU counts per core: 100 % is one core kept busy, as `top` shows it, so that a runaway
//! on one of sixteen cores is seen. Some processes are never acted upon, whatever their score: see [`protection`].

pub mod control;
pub mod matrix;

use core::fmt;

use serde::{Deserialize, Serialize};

/// What a process used over an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU time over elapsed time, per cent of one core; 800 for eight busy threads.
    pub cpu_percent: f64,
    /// Resident memory, per cent of the machine's.
    pub memory_percent: f64,
    /// Hours since it started.
    pub age_hours: f64,
}

/// Weights and bounds of the score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScumSettings {
    pub cpu_weight: f64,
    pub memory_weight: f64,
    pub age_weight: f64,
    /// Cores that count as full use: 1 = per core; the machine's count = share of the whole machine.
    pub cores: f64,
    /// Age that counts in full.
    pub age_hours: f64,
    /// A hog scores more than this.
    pub hog_above: f64,
    /// Worth watching above this.
    pub watch_above: f64,
}

impl Default for ScumSettings {
    fn default() -> Self {
        Self {
            cpu_weight: 0.6,
            memory_weight: 0.3,
            age_weight: 0.1,
            cores: 1.0,
            age_hours: 24.0,
            hog_above: 0.35,
            watch_above: 0.15,
        }
    }
}

/// A process's trit. A type of its own: that of a node answers another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcTrit {
    /// −1
    Quiet,
    /// 0
    Watch,
    /// +1
    Hog,
}

impl fmt::Display for ProcTrit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Quiet => "-1 quiet",
            Self::Watch => "0 watch",
            Self::Hog => "+1 hog",
        })
    }
}

/// The score, between 0 and the sum of the weights; rounded to a millionth, so that a sum that should meet a bound
/// exactly does. What is not a number counts as nothing.
#[must_use]
pub fn score(usage: &Usage, settings: &ScumSettings) -> f64 {
    let sum = settings.cpu_weight * share(usage.cpu_percent, 100.0 * settings.cores)
        + settings.memory_weight * share(usage.memory_percent, 100.0)
        + settings.age_weight * share(usage.age_hours, settings.age_hours);
    if sum.is_finite() { libm::round(sum * 1e6) / 1e6 } else { 0.0 }
}

/// The band of a score; both bounds belong to the lower band.
#[must_use]
pub fn band(score: f64, settings: &ScumSettings) -> ProcTrit {
    if score > settings.hog_above {
        ProcTrit::Hog
    } else if score > settings.watch_above {
        ProcTrit::Watch
    } else {
        ProcTrit::Quiet
    }
}

/// `part / whole` within 0 and 1; a whole of zero or less makes any part full.
fn share(part: f64, whole: f64) -> f64 {
    if part.is_nan() || part <= 0.0 {
        0.0
    } else if part >= whole {
        1.0
    } else {
        part / whole
    }
}

/// What must be known of a process before anyone acts upon it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessFacts<'a> {
    pub pid: i32,
    /// Its user, by number.
    pub uid: u32,
    pub kernel_thread: bool,
    /// Runs the same program file as this one: an agent, a warden, another `tern`.
    pub same_program: bool,
    /// This process, one of its ancestors, or one that it was told is its own.
    pub own: bool,
    /// The kernel's name for it; cut to 15 bytes.
    pub name: &'a str,
}

/// Why a process is never acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protected {
    /// Process 1, or no process at all.
    Init,
    KernelThread,
    /// Part of Tern, or what Tern was started by.
    Own,
    /// Of another user. Also for root: whoever acts on a person's process should be that person.
    OtherUser,
    /// Its name is on the list of what a session or machine cannot do without.
    Listed,
    /// Its name is on the list that the settings add.
    Settings,
}

impl fmt::Display for Protected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Init => "process 1",
            Self::KernelThread => "kernel thread",
            Self::Own => "tern, or what started it",
            Self::OtherUser => "another user's",
            Self::Listed => "needed by the system",
            Self::Settings => "the settings name it",
        })
    }
}

/// Whether and why a process is off limits to `user`. The first reason in the order of [`Protected`] is given.
/// `listed` names, by the settings, further programs beside [`PROTECTED_NAMES`].
#[must_use]
pub fn protection(facts: &ProcessFacts<'_>, user: u32, listed: &[&str]) -> Option<Protected> {
    if facts.pid <= 1 {
        Some(Protected::Init)
    } else if facts.kernel_thread {
        Some(Protected::KernelThread)
    } else if facts.own || facts.same_program {
        Some(Protected::Own)
    } else if facts.uid != user {
        Some(Protected::OtherUser)
    } else if any_names(&PROTECTED_NAMES, facts.name) {
        Some(Protected::Listed)
    } else if any_names(listed, facts.name) {
        Some(Protected::Settings)
    } else {
        None
    }
}

/// Programs that a machine or a session cannot do without. A trailing `*` stands for any ending.
pub const PROTECTED_NAMES: [&str; 46] = [
    // What starts and watches everything else.
    "init",
    "systemd*",
    "(sd-pam)",
    "launchd",
    "runit*",
    "s6-*",
    "openrc*",
    "dumb-init",
    "tini",
    // The ways in.
    "sshd*",
    "login",
    "agetty",
    "getty",
    "mosh-server",
    "tailscaled",
    "wpa_supplicant",
    "NetworkManager",
    "dhclient",
    "dhcpcd",
    // The bus, and what many programs hang on.
    "dbus-daemon",
    "dbus-broker*",
    "polkitd",
    "udevd",
    "rsyslogd",
    "cron",
    "crond",
    "dockerd",
    "containerd*",
    "libvirtd",
    // The screen and the sound.
    "Xorg",
    "Xwayland",
    "X",
    "gdm*",
    "sddm*",
    "lightdm",
    "gnome-shell",
    "gnome-session*",
    "kwin_*",
    "plasmashell",
    "sway",
    "Hyprland",
    "WindowServer",
    "loginwindow",
    "pipewire*",
    "wireplumber",
    "pulseaudio",
];

fn any_names(patterns: &[&str], name: &str) -> bool {
    patterns.iter().any(|pattern| is_named(name, pattern))
}

/// Whether a pattern of names means this process: a trailing `*` stands for any ending.
#[must_use]
pub fn is_named(name: &str, pattern: &str) -> bool {
    /// The kernel keeps 15 bytes of a name.
    const KEPT: usize = 15;
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern || (name.len() == KEPT && pattern.len() > KEPT && pattern.starts_with(name)),
    }
}

#[cfg(test)]
mod tests;
