//! `tern cp` and `tern share`.

pub mod args;
mod show;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use args::{CpArgs, ShareArgs};
use show::Show;
use tern_core::words::Bytes;
use tern_node::control::api::files::{CopyRequest, ShareRequest};
use tern_node::control::{Door, Entry, Happened};
use tern_node::files::wire::{Event, Summary};

use crate::cli::failure::{DATAERR, UNAVAILABLE, USAGE};
use crate::cli::print::harmless;
use crate::cli::{Context, Failure, Outcome};

/// A place on the command line: a path of this machine, or of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spot {
    node: Option<String>,
    path: Vec<u8>,
}

impl Spot {
    /// As scp reads it: a colon before any slash ends the name of a node.
    fn read(word: &OsStr) -> Result<Self, Failure> {
        let bytes = word.as_bytes();
        let colon = bytes.iter().position(|byte| *byte == b':');
        let slash = bytes.iter().position(|byte| *byte == b'/').unwrap_or(bytes.len());
        if let Some(colon) = colon.filter(|colon| *colon > 0 && *colon < slash) {
            let node = str::from_utf8(&bytes[..colon]).map_err(|_| usage("a node's name is plain text"))?;
            return Ok(Self { node: Some(node.to_owned()), path: bytes[colon + 1..].to_vec() });
        }
        Ok(Self { node: None, path: local(word)? })
    }
}

/// The agent has another working folder.
fn local(word: &OsStr) -> Result<Vec<u8>, Failure> {
    let mut path = std::path::absolute(word)?.into_os_string();
    // It says that a folder is meant.
    if word.as_bytes().ends_with(b"/") && !path.as_bytes().ends_with(b"/") {
        path.push("/");
    }
    Ok(path.as_bytes().to_vec())
}

fn usage(message: &str) -> Failure {
    Failure::new(USAGE, "invalid", message)
}

/// What the agent is asked to do.
fn request(args: &CpArgs) -> Result<CopyRequest, Failure> {
    let mut spots = args.paths.iter().map(|word| Spot::read(word)).collect::<Result<Vec<_>, _>>()?;
    let target = spots.pop().filter(|_| !spots.is_empty()).ok_or_else(|| usage("name a source and a target"))?;
    let from = spots[0].node.clone();
    if spots.iter().any(|spot| spot.node != from) {
        return Err(usage("all sources must be on one machine: copy from each in its turn"));
    }
    if from.is_none() && target.node.is_none() {
        return Err(usage("neither end is a node, such as name:path. For files of this machine there is cp"));
    }
    Ok(CopyRequest {
        from,
        sources: spots.into_iter().map(|spot| Bytes::from(spot.path)).collect(),
        to: target.node,
        target: Bytes::from(target.path),
        recursive: args.recursive,
        force: args.force,
    })
}

pub async fn cp(context: &Context, args: CpArgs) -> Outcome {
    let request = request(&args)?;
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let happened = door.copy(&request).await?;
    let mut show = Show::new(context.printer, args.quiet);
    let summary = until_done(happened, &mut show).await?;
    show.finish(&summary);
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&summary)?;
    }
    Ok(code(&summary))
}

pub async fn share(context: &Context, args: ShareArgs) -> Outcome {
    let sources: Result<Vec<Bytes>, Failure> =
        args.files.iter().map(|file: &OsString| local(file).map(Bytes::from)).collect();
    let request = ShareRequest { sources: sources?, recursive: args.recursive };
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let happened = door.share(&request).await?;
    let mut show = Show::new(context.printer, false);
    let summary = until_done(happened, &mut show).await?;
    show.finish(&summary);
    door.close(true).await?;
    let (node, rho_milli) = show.chosen.clone().unwrap_or_default();
    if context.printer.json {
        let value = serde_json::json!({"node": node, "load_ratio": f64::from(rho_milli) / 1000.0, "copy": summary});
        context.printer.value(&value)?;
    } else {
        let target = harmless(&String::from_utf8_lossy(&summary.target));
        context.printer.line(&format!("{node} (load {:.2}): {target}", f64::from(rho_milli) / 1000.0))?;
    }
    Ok(code(&summary))
}

async fn until_done(mut happened: Happened, show: &mut Show) -> Result<Summary, Failure> {
    loop {
        match happened.next().await? {
            Some(Event::Done(summary)) => return Ok(summary),
            Some(Event::Failed(trouble)) => {
                let kind = trouble.kind.word();
                return Err(Failure::new(crate::cli::failure::code_of(kind), kind, trouble.message));
            }
            Some(event) => show.event(event),
            None => {
                let message = "the agent ended before the copy did. What came is kept; the same command goes on";
                return Err(Failure::new(UNAVAILABLE, "agent_gone", message));
            }
        }
    }
}

/// What was left out makes the whole a failure, as with cp.
fn code(summary: &Summary) -> ExitCode {
    if summary.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DATAERR) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(word: &str) -> Spot {
        Spot::read(OsStr::new(word)).expect("it is one")
    }

    fn asked(words: &[&str]) -> Result<CopyRequest, String> {
        let paths = words.iter().map(OsString::from).collect();
        let args = CpArgs { paths, recursive: false, force: false, quiet: false };
        request(&args).map_err(|failure| failure.message)
    }

    #[test]
    fn a_colon_before_any_slash_names_a_node() {
        assert_eq!(spot("attic:a/b"), Spot { node: Some("attic".into()), path: b"a/b".to_vec() });
        assert_eq!(spot("attic:"), Spot { node: Some("attic".into()), path: Vec::new() });
        assert_eq!(spot("attic:/var/a:b").path, b"/var/a:b");
        for local in ["./a:b", "/a:b", ":a", "ab"] {
            assert_eq!(spot(local).node, None, "{local}");
        }
        assert_eq!(spot("/tmp/folder/").path, b"/tmp/folder/");
    }

    #[test]
    fn a_copy_has_one_place_to_come_from_and_a_node_in_it() {
        let there = asked(&["/a", "/b", "attic:"]).expect("it makes sense");
        assert_eq!((there.from, there.sources.len(), there.to.as_deref()), (None, 2, Some("attic")));
        let back = asked(&["attic:x", "/tmp"]).expect("it makes sense");
        assert_eq!((back.from.as_deref(), back.to), (Some("attic"), None));
        assert!(asked(&["/a", "/b"]).is_err_and(|why| why.contains("cp")));
        assert!(asked(&["attic:a", "cellar:b", "."]).is_err_and(|why| why.contains("one machine")));
        assert!(asked(&["attic:a"]).is_err());
    }
}
