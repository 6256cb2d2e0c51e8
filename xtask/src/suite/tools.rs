//! Programs that some tests compare with or stand on, and that a portable build needs, installed where this process may do that.
//!
//! On Debian as root they come from the distribution; anywhere else the missing ones are named, and the tests that need
//! them say that they were skipped.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::run::run;

/// One program, the package that has it, and what must stand in its `--version` (`parallel` is also another program's name).
struct Tool {
    program: &'static str,
    package: &'static str,
    version: &'static str,
    flag: &'static str,
    needed_for: &'static str,
}

const TOOLS: [Tool; 4] = [
    Tool {
        program: "parallel",
        package: "parallel",
        version: "GNU parallel",
        flag: "--version",
        needed_for: "comparing `tern map` with GNU parallel",
    },
    Tool {
        program: "ip",
        package: "iproute2",
        version: "iproute2",
        flag: "-V",
        needed_for: "grids of machines in network namespaces",
    },
    Tool {
        program: "nft",
        package: "nftables",
        version: "nftables",
        flag: "--version",
        needed_for: "links that lose packets and machines that accept nothing from outside",
    },
    Tool {
        program: "tcpdump",
        package: "tcpdump",
        version: "libpcap",
        flag: "--version",
        needed_for: "looking for plain text on the wires of a grid",
    },
];

/// What `cargo xtask dist` compiles the C and assembly of dependencies with.
const MUSL: [Tool; 1] = [Tool {
    program: "musl-gcc",
    package: "musl-tools",
    version: "Free Software Foundation",
    flag: "--version",
    needed_for: "compiling a program that needs no C library of the machine",
}];

/// Installs what tests need, where it is missing and may be installed; a tool that stays missing is said, not an error.
pub fn install() {
    fetch(&TOOLS);
}

/// Installs the compiler of `cargo xtask dist`, which cannot go on without it.
pub fn install_musl() -> Result<(), String> {
    fetch(&MUSL);
    let missing = MUSL.iter().find(|tool| !present(tool));
    missing.map_or(Ok(()), |tool| Err(format!("{} is missing, and nothing was built", tool.program)))
}

fn fetch(tools: &[Tool]) {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !present(tool)).collect();
    if missing.is_empty() {
        println!("nothing is missing");
        return;
    }
    if is_root() && Path::new("/etc/debian_version").exists() {
        let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
        if let Err(message) = apt(&["update", "-qq"]).and_then(|()| apt(&install_arguments(&packages))) {
            eprintln!("{message}");
        }
    }
    for tool in tools.iter().filter(|tool| !present(tool)) {
        println!("{} is missing ({}); on Debian it is in the package {}", tool.program, tool.needed_for, tool.package);
    }
}

fn present(tool: &Tool) -> bool {
    let output = Command::new(tool.program).arg(tool.flag).stdin(Stdio::null()).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(tool.version))
}

fn install_arguments<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    ["install", "-y", "-qq", "--no-install-recommends"].iter().chain(packages).copied().collect()
}

fn apt(arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    run(command)
}

/// The effective user is 0.
fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    line.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}
