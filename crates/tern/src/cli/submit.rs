//! `tern submit`: accept a job and return.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use tern_core::words::{Bytes, Discipline, quote};
use tern_node::control::api::SubmitRequest;
use tern_node::control::{Door, Entry};

use super::failure::{Failure, NOINPUT, USAGE};
use super::tree::{SubmitArgs, TaskArgs};
use super::{Context, Outcome};

pub async fn submit(context: &Context, args: SubmitArgs) -> Outcome {
    let mut request = request(&args.task, &args.command)?;
    request.parallel = args.parallel.unwrap_or(0);
    request.held = args.hold;
    request.array = args.array;
    request.rows = args.each_line.as_deref().map(rows).transpose()?;
    request.append = request.rows.is_some() || request.array.is_some();
    let door = Door::open(&context.home, Entry::AgentOrLook, None).await?;
    let job = door.submit(&request).await?;
    let agent = door.is_agent();
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&serde_json::json!({"job": job, "agent": agent}))?;
    } else {
        context.printer.line(&job)?;
    }
    if !agent {
        context
            .printer
            .remark(&format!("no agent runs: it is accepted, and starts with `tern up` or `tern wait {job}`"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The request for `command`, with this process's folder and environment.
pub fn request(task: &TaskArgs, command: &[OsString]) -> Result<SubmitRequest, Failure> {
    let argv = words(command, task.shell.is_some())?;
    let environment: Vec<_> = std::env::vars_os().map(|(name, value)| (bytes(&name), bytes(&value))).collect();
    let mut request = SubmitRequest {
        name: task.name.clone().unwrap_or_default(),
        argv,
        shell: task.shell.clone(),
        tries: task.retries,
        timeout_ms: task.timeout.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)),
        env: task.env.iter().map(|name| travelling(name)).collect::<Result<_, _>>()?,
        cwd: bytes(std::env::current_dir()?.as_os_str()),
        environment,
        ..SubmitRequest::default()
    };
    task.travel.apply(&mut request, Discipline::Fifo);
    Ok(request)
}

/// A command in one string is split by the rules of quoting, without a shell; one in words stays as it is.
fn words(command: &[OsString], shell: bool) -> Result<Vec<Bytes>, Failure> {
    if let [text] = command
        && !shell
    {
        return quote::split(&bytes(text)).map_err(|fault| {
            let message = format!("{}: {fault}. For a shell say --shell", text.display());
            Failure::new(USAGE, "invalid", message)
        });
    }
    Ok(command.iter().map(|word| bytes(word)).collect())
}

fn travelling(name: &OsStr) -> Result<(Bytes, Bytes), Failure> {
    let value = std::env::var_os(name).ok_or_else(|| {
        let message = format!("--env {}: there is no such variable in the environment", name.display());
        Failure::new(USAGE, "invalid", message)
    })?;
    Ok((bytes(name), bytes(&value)))
}

fn bytes(text: &OsStr) -> Bytes {
    text.as_bytes().into()
}

/// One row of one column for each line; the last needs no newline.
fn rows(path: &Path) -> Result<Vec<Vec<Bytes>>, Failure> {
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(path).map_err(|error| unreadable(path, &error))?)
    };
    let lines = BufReader::with_capacity(1 << 16, source).split(b'\n');
    let rows: Result<Vec<_>, _> = lines.map(|line| line.map(|line| vec![Bytes(line)])).collect();
    rows.map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("cannot read the lines of {}: {error}; nothing was submitted", path.display());
    Failure::new(NOINPUT, "no_input", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::travel::TravelArgs;

    #[test]
    fn lines_are_rows_whatever_their_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        std::fs::write(&path, b"a b\n\n\xff\nlast").unwrap();
        let rows = rows(&path).unwrap();
        let flat: Vec<_> = rows.into_iter().flatten().map(|bytes| bytes.0).collect();
        assert_eq!(flat, [b"a b".to_vec(), Vec::new(), vec![0xff], b"last".to_vec()]);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let failure = rows(Path::new("/nonexistent/lines")).unwrap_err();
        assert_eq!(failure.code, NOINPUT);
        assert!(failure.message.contains("/nonexistent/lines"));
    }

    #[test]
    fn words_that_are_not_text_reach_the_request_as_they_are() {
        let args = TaskArgs {
            name: None,
            retries: 1,
            timeout: None,
            env: Vec::new(),
            travel: TravelArgs::default(),
            shell: None,
        };
        let request = request(&args, &[OsStr::from_bytes(b"\xfe\xff").to_owned()]).unwrap();
        assert_eq!(request.argv[0].0, b"\xfe\xff");
        assert!(request.local_only);
    }
}
