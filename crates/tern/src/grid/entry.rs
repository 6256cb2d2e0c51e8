//! `tern invite`, `tern join`, `tern leave`.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use tern_core::words::limits::TICKET_CHARS_MAX;
use tern_node::control::api::entry::{InvitationView, InviteRequest, JoinRequest, JoinedView};
use tern_node::control::{Door, Entry};

use super::args::{InviteArgs, JoinArgs, LeaveArgs};
use super::qr;
use crate::cli::failure::USAGE;
use crate::cli::node::life;
use crate::cli::print::Printer;
use crate::cli::{Context, Failure, Outcome};

/// Light modules are drawn, dark ones are not.
const WHITE_ON_BLACK: &str = "97;40";
/// Beyond this somebody should set a clock.
const CLOCK_TOLERATED: Duration = Duration::from_secs(60);

pub async fn invite(context: &Context, args: InviteArgs) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let request = InviteRequest { admin: args.admin, lasts_seconds: args.lasts.as_secs() };
    let invited = door.invite(&request).await?;
    door.close(true).await?;
    let printer = context.printer;
    if printer.json {
        printer.value(&json!({"ticket": invited.ticket, "expires": invited.expires_ms, "admin": invited.admin}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = printer.out();
    write_invitation(&invited, args, printer, &mut out)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The ticket alone where a program reads; with picture and words where a person does.
fn write_invitation(
    invited: &InvitationView,
    args: InviteArgs,
    printer: Printer,
    out: &mut impl Write,
) -> io::Result<()> {
    let person = io::stdout().is_terminal();
    if person || args.qr {
        for line in qr::lines(&invited.ticket).unwrap_or_default() {
            writeln!(out, "{}", printer.painted(&line, WHITE_ON_BLACK))?;
        }
    }
    if !person {
        return writeln!(out, "{}", invited.ticket);
    }
    let whom = if invited.admin { "one machine, as an admin," } else { "one machine" };
    writeln!(out, "This ticket lets {whom} into grid {} within {}. On that machine:", invited.grid, span(args.lasts))?;
    writeln!(out, "\n    tern join {}\n", invited.ticket)
}

fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

pub async fn join(context: &Context, args: JoinArgs) -> Outcome {
    let ticket = if args.ticket == "-" { from_stdin()? } else { args.ticket };
    // A slip is told before an agent is started for it.
    if let Err(error) = tern_core::trust::Ticket::parse(&ticket) {
        let refused = tern_node::control::words::Refused::from(error).body;
        return Err(Failure::new(
            crate::cli::failure::code_of(&refused.kind),
            &refused.kind,
            format!("{}. {}", refused.message, refused.what_to_do),
        ));
    }
    life::ensure(context).await?;
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let joined = door.join(&JoinRequest { ticket, name: args.name }).await?;
    door.close(true).await?;
    let printer = context.printer;
    if printer.json {
        printer.value(&joined)?;
    } else {
        let admin = if joined.admin { ", an admin" } else { "" };
        let JoinedView { grid, name, members, .. } = &joined;
        printer.line(&format!("joined grid {grid} as {name}{admin}; it has {members} members now"))?;
    }
    if let Some(warning) = clock_warning(joined.clock_ahead_ms) {
        printer.remark(&warning);
    }
    Ok(ExitCode::SUCCESS)
}

fn clock_warning(ahead_ms: i64) -> Option<String> {
    let apart = Duration::from_millis(ahead_ms.unsigned_abs());
    let direction = if ahead_ms > 0 { "ahead of" } else { "behind" };
    (apart > CLOCK_TOLERATED).then(|| {
        format!(
            "this machine's clock is {} {direction} that of the machine that made the ticket; set the one that is wrong",
            span(apart)
        )
    })
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    io::stdin().lock().take(TICKET_CHARS_MAX as u64 + 64).read_line(&mut text)?;
    Ok(text.trim().to_owned())
}

pub async fn leave(context: &Context, args: LeaveArgs) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    if !args.yes {
        let members = door.members().await?;
        let others = members.members.iter().filter(|member| !member.here);
        let last = members.admin && members.members.len() > 1 && others.clone().all(|member| !member.admin);
        let last = if last {
            " It is their only admin: afterwards nobody lets machines in or sends them away, but who has the recovery key."
        } else {
            ""
        };
        let count = others.count();
        confirm(&format!(
            "Leave grid {} and its {count} other member{}?{last} To come back, this machine needs a new ticket.",
            members.grid,
            if count == 1 { "" } else { "s" },
        ))?;
    }
    let left = door.leave().await?;
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&left)?;
    } else {
        let line = format!("left grid {}; this node is in grid {} now, alone", left.left, left.grid);
        context.printer.line(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn confirm(question: &str) -> Result<(), Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let message = "nobody is there to be asked: say --yes. Nothing was changed";
        return Err(Failure::new(USAGE, "not_confirmed", message));
    }
    let mut err = io::stderr();
    write!(err, "{question} [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    stdin.lock().take(64).read_line(&mut answer)?;
    if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(Failure::new(USAGE, "not_confirmed", "nothing was changed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_more_than_a_minute_apart_are_told() {
        assert_eq!(clock_warning(60_000), None);
        assert_eq!(clock_warning(-59_000), None);
        assert!(clock_warning(61_000).unwrap().contains("61 s ahead of"));
        assert!(clock_warning(-7_200_000).unwrap().contains("2 h behind"));
        assert!(clock_warning(i64::MIN).unwrap().contains("days behind"));
    }
}
