//! `tern forward`: a port of this machine that leads to a port of another node.
//!
//! In the foreground it is open as long as the command runs; detached, as long as the agent does.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use tern_node::control::api::ways::{ForwardRequest, ForwardView};
use tern_node::control::{Door, Entry};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::ForwardArgs;
use super::table::Table;
use crate::cli::failure::{UNAVAILABLE, USAGE};
use crate::cli::{Context, Failure, Outcome};

/// How often it is looked whether the agent still forwards.
const LOOK: Duration = Duration::from_secs(1);

pub async fn forward(context: &Context, args: ForwardArgs) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    if args.list {
        return list(context, &door).await;
    }
    if let Some(local) = args.close {
        door.close_forward(&local).await?;
        return said(context, &json!({"closed": local}), &format!("closed {local}"));
    }
    let request = request(&args.places).map_err(|message| Failure::new(USAGE, "invalid", message))?;
    let open = door.forward(&request).await?;
    // Before it is said that it is open: who reads that may end it at once.
    let mut signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let ForwardView { local, name, port, .. } = &open;
    said(context, &open, &format!("{local} leads to port {port} of {name}"))?;
    if args.detach {
        return Ok(ExitCode::SUCCESS);
    }
    let ended = until_told(&door, &open, &mut signals).await;
    if ended.is_ok() {
        door.close_forward(&open.local.to_string()).await?;
    }
    ended.map(ExitCode::from)
}

/// Returns on a signal, as a shell shows it; fails when nothing is forwarded any more.
async fn until_told(
    door: &Door,
    open: &ForwardView,
    (interrupt, terminate): &mut (Signal, Signal),
) -> Result<u8, Failure> {
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            // Ending it so is what it is for.
            _ = interrupt.recv() => return Ok(0),
            _ = terminate.recv() => return Ok(0),
            _ = look.tick() => {}
        }
        if !door.forwards().await?.contains(open) {
            let message =
                format!("{} was closed: by `tern forward --close`, or since the agent started anew", open.local);
            return Err(Failure::new(UNAVAILABLE, "closed", message));
        }
    }
}

async fn list(context: &Context, door: &Door) -> Outcome {
    let forwards = door.forwards().await?;
    if context.printer.json {
        context.printer.value(&forwards)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["LOCAL", "NODE", "PORT"]);
    for forward in &forwards {
        table.row([forward.local.to_string(), forward.name.clone(), forward.port.to_string()]);
    }
    if !forwards.is_empty() {
        table.write(&mut context.printer.out())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn said(context: &Context, value: &impl serde::Serialize, line: &str) -> Outcome {
    if context.printer.json {
        context.printer.value(value)?;
    } else {
        context.printer.line(line)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `NODE:PORT`, `PORT NODE:PORT` or `ADDRESS:PORT NODE:PORT`.
fn request(places: &[String]) -> Result<ForwardRequest, String> {
    let (local, remote) = match places {
        [remote] => (None, remote),
        [local, remote] => (Some(local), remote),
        _ => return Err("name NODE:PORT, with a local port before it or not".to_owned()),
    };
    let (node, port) = remote
        .rsplit_once(':')
        .filter(|(node, _)| !node.is_empty())
        .and_then(|(node, port)| Some((node.to_owned(), port.parse().ok().filter(|port| *port > 0)?)))
        .ok_or_else(|| format!("{remote:?} is not NODE:PORT, as in attic:8080"))?;
    let local = match local {
        None => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        Some(text) => match text.parse::<u16>() {
            Ok(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            Err(_) => text.parse().map_err(|_| format!("{text:?} is no port, and no ADDRESS:PORT of this machine"))?,
        },
    };
    Ok(ForwardRequest { local, node, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(places: &[&str]) -> Result<String, String> {
        let places: Vec<String> = places.iter().map(|place| (*place).to_owned()).collect();
        request(&places).map(|it| format!("{} {} {}", it.local, it.node, it.port))
    }

    #[test]
    fn places_are_read_with_and_without_a_local_one_and_nonsense_is_refused() {
        assert_eq!(read(&["b:80"]).unwrap(), "127.0.0.1:80 b 80");
        assert_eq!(read(&["8080", "b:80"]).unwrap(), "127.0.0.1:8080 b 80");
        assert_eq!(read(&["[::1]:0", "b:80"]).unwrap(), "[::1]:0 b 80");
        for wrong in [&["b"][..], &["b:0"], &[":80"], &["b:x"], &["70000", "b:80"], &["x", "b:80"], &[]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
