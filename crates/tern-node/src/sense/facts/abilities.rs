//! What this machine can do beyond running programs, as far as a look at a few files tells for certain.
//!
//! An ability is named only where this user has it: a `/dev/kvm` that may not be opened is none.

use nix::unistd::AccessFlags;

use super::Root;

/// Where programs are looked for. Not `PATH`: the ability is the machine's and not the caller's.
const PROGRAMS: [&str; 5] = ["usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "run/current-system/sw/bin"];

/// In ascending order.
pub(super) fn read(root: &Root) -> Vec<String> {
    let both = AccessFlags::R_OK | AccessFlags::W_OK;
    let program = |name: &str| PROGRAMS.iter().any(|folder| root.may(format!("{folder}/{name}"), AccessFlags::X_OK));
    let can_suspend =
        || root.text("sys/power/state").is_some_and(|states| states.split(' ').any(|state| state == "mem"));
    let abilities = [
        ("cgroup2", root.has("sys/fs/cgroup/cgroup.controllers")),
        ("criu", program("criu")),
        // Its socket and not its program: without the one the other can do nothing.
        ("docker", root.may("run/docker.sock", both)),
        ("kvm", root.may("dev/kvm", both)),
        ("podman", program("podman")),
        ("psi", root.has("proc/pressure/cpu")),
        ("suspend", can_suspend()),
        ("systemd", root.has("run/systemd/system")),
    ];
    abilities.iter().filter(|(_, has)| *has).map(|(name, _)| (*name).to_owned()).collect()
}
