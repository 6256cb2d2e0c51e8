//! A short stop between the warden and a program that asked for resource limits: `tern trampoline --rlimit
//! NAME=SOFT:HARD … -- FILE ARG0 ARG…` sets them on itself and becomes the program.
//!
//! The warden cannot set limits on a process that it spawns without a fork, and a fork of a large process is slow;
//! this costs half a millisecond and only those tasks that asked pay it. The limits stand in the argument vector, where
//! everybody may read them; nothing secret does.

use std::ffi::{CString, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};

/// What `infinity` stands for in `setrlimit`.
pub const UNLIMITED: u64 = nix::sys::resource::RLIM_INFINITY;

/// The limits that may be asked for, by the names that `ulimit -a` and `prlimit` share.
const NAMES: [(&str, Resource); 15] = [
    ("as", Resource::RLIMIT_AS),
    ("core", Resource::RLIMIT_CORE),
    ("cpu", Resource::RLIMIT_CPU),
    ("data", Resource::RLIMIT_DATA),
    ("fsize", Resource::RLIMIT_FSIZE),
    ("memlock", Resource::RLIMIT_MEMLOCK),
    ("msgqueue", Resource::RLIMIT_MSGQUEUE),
    ("nice", Resource::RLIMIT_NICE),
    ("nofile", Resource::RLIMIT_NOFILE),
    ("nproc", Resource::RLIMIT_NPROC),
    ("rss", Resource::RLIMIT_RSS),
    ("rtprio", Resource::RLIMIT_RTPRIO),
    ("rttime", Resource::RLIMIT_RTTIME),
    ("sigpending", Resource::RLIMIT_SIGPENDING),
    ("stack", Resource::RLIMIT_STACK),
];

/// Whether a limit of this name can be set.
#[must_use]
pub fn knows(name: &str) -> bool {
    resource(name).is_some()
}

fn resource(name: &str) -> Option<Resource> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, resource)| *resource)
}

/// Runs the trampoline with the arguments after `trampoline`. Returns only on failure: 126, or 127 where the program is
/// not there.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let (code, what) = become_program(args);
    let _ = writeln!(std::io::stderr(), "tern: {what}");
    ExitCode::from(code)
}

fn become_program(mut args: impl Iterator<Item = OsString>) -> (u8, String) {
    loop {
        match args.next() {
            Some(word) if word == "--rlimit" => {
                let text = args.next().unwrap_or_default();
                let text = text.to_string_lossy();
                if let Err(what) = set(&text) {
                    return (126, what);
                }
            }
            Some(word) if word == "--" => break,
            other => return (126, format!("trampoline: unexpected argument {other:?}")),
        }
    }
    let Ok(words) = args.map(|word| CString::new(word.into_vec())).collect::<Result<Vec<_>, _>>() else {
        return (126, "trampoline: an argument holds a NUL byte".into());
    };
    let Some((file, argv)) = words.split_first().filter(|(_, argv)| !argv.is_empty()) else {
        return (126, "trampoline: no program".into());
    };
    match nix::unistd::execv(file, argv) {
        Ok(never) => match never {},
        Err(error) => {
            (if error == Errno::ENOENT { 127 } else { 126 }, format!("{}: {}", file.to_string_lossy(), error.desc()))
        }
    }
}

fn set(text: &str) -> Result<(), String> {
    let parsed = text.split_once('=').and_then(|(name, values)| {
        let (soft, hard) = values.split_once(':')?;
        Some((name, resource(name)?, soft.parse::<u64>().ok()?, hard.parse::<u64>().ok()?))
    });
    let Some((name, resource, soft, hard)) = parsed else {
        return Err(format!("{text}: not a resource limit (NAME=SOFT:HARD)"));
    };
    setrlimit(resource, soft, hard)
        .map_err(|error| format!("cannot set the limit {name} to {soft}:{hard}: {}", error.desc()))
}
