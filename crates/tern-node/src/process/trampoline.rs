//! A short stop between the warden and a program that asked for resource limits or leaves checkpoints: `tern trampoline
//! --checkpoint FROM FOLDER --stdout FILE OFFSET LEN --rlimit NAME=SOFT:HARD … -- FILE ARG0 ARG…` does all that to itself and
//! becomes the program. A checkpoint may be large: to copy it takes the task's own time and slot, and nobody else's.
//!
//! The warden cannot set limits on a process that it spawns without a fork, and a fork of a large process is slow;
//! this costs half a millisecond and only those tasks that asked pay it. The limits stand in the argument vector, where
//! everybody may read them; nothing secret does.

use std::ffi::{CString, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};

use super::checkpoint;
use super::protocol::Said;

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
            Some(word) if word == "--checkpoint" => {
                let [from, folder] = [(); 2].map(|()| PathBuf::from(args.next().unwrap_or_default()));
                if let Err(error) = checkpoint::prepare(&from, &folder) {
                    return (126, format!("the checkpoint cannot be copied to {}: {error}", folder.display()));
                }
            }
            Some(word) if word == "--stdout" || word == "--stderr" => {
                if let Err(what) = repeat(&mut args, word == "--stderr") {
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

/// What the task wrote before comes first again.
fn repeat(args: &mut impl Iterator<Item = OsString>, stderr: bool) -> Result<(), String> {
    let file = args.next().unwrap_or_default();
    let [offset, len] = [(); 2].map(|()| args.next().and_then(|word| word.to_str()?.parse::<u64>().ok()));
    let (Some(offset), Some(len)) = (offset, len) else {
        return Err("trampoline: a part of a file is FILE OFFSET LEN".to_owned());
    };
    let said = Said { file: file.clone().into_vec().into(), offset, len };
    let again = if stderr {
        checkpoint::repeat(&said, &mut std::io::stderr().lock())
    } else {
        checkpoint::repeat(&said, &mut std::io::stdout().lock())
    };
    again.map_err(|error| format!("what was written before the checkpoint cannot be read: {}: {error}", file.display()))
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
