//! `tern throttle`: holds a process back, lists those that are, lets one go.
//!
//! The wish is checked here first, so that what is refused is refused at once and in full words; the warden checks it
//! again and holds. With `--dry-run` nothing is asked of anybody and no process is touched.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use tern_node::control::DoorError;
use tern_node::process::protocol::{Throttle, ThrottleMethod, ThrottleState};
use tern_node::process::throttle::{Inspection, ThrottleError, inspect};

use super::Trouble;
use super::escape::plain;

/// The words after `tern throttle`.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, arg_required_else_help = true)]
pub struct ThrottleArgs {
    #[command(subcommand)]
    pub order: Option<ThrottleOrder>,
    /// The process to hold back
    #[arg(required = true)]
    pub pid: Option<i32>,
    /// Share of one CPU that it may use
    #[arg(long, value_name = "PER CENT", default_value_t = 50, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub percent: u8,
    /// How; without it the best that keeps to the share and works here
    #[arg(long, value_enum)]
    pub method: Option<MethodWord>,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// What else `tern throttle` does.
#[derive(Clone, Debug, Subcommand)]
pub enum ThrottleOrder {
    /// Let a process go
    Release {
        /// The process that is held back
        pid: i32,
    },
    /// Show what is held back
    List,
}

/// A method, as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MethodWord {
    /// A control group's quota
    Quota,
    /// Stopping and continuing in turn
    DutyCycle,
    /// A control group's weight: gives way to others, keeps to no share
    Weight,
    /// The weight of its whole session: gives way to others, keeps to no share
    Autogroup,
}

impl From<MethodWord> for ThrottleMethod {
    fn from(word: MethodWord) -> Self {
        match word {
            MethodWord::Quota => Self::Quota,
            MethodWord::DutyCycle => Self::DutyCycle,
            MethodWord::Weight => Self::Weight,
            MethodWord::Autogroup => Self::Autogroup,
        }
    }
}

/// What is asked of whoever holds throttles.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Answered by the one throttle.
    Hold(Throttle),
    /// Answered by none.
    Release(i32),
    /// Answered by all.
    List,
}

/// Does what the words say. `holder` asks the node: see [`Ask`].
pub async fn run(
    args: &ThrottleArgs,
    json: bool,
    holder: impl AsyncFn(Ask) -> Result<Vec<ThrottleState>, DoorError>,
    out: &mut impl Write,
) -> Result<ExitCode, Trouble> {
    match (&args.order, args.pid) {
        (Some(ThrottleOrder::List), _) => list(&holder(Ask::List).await?, json, out)?,
        (Some(ThrottleOrder::Release { pid }), _) => {
            holder(Ask::Release(*pid)).await?;
            if json {
                line(&serde_json::json!({"pid": pid, "released": true}), out)?;
            } else {
                writeln!(out, "process {pid} runs freely again")?;
            }
        }
        (None, Some(pid)) => {
            let wish = Throttle { pid, percent: args.percent, method: args.method.map(Into::into) };
            hold(wish, args.dry_run, json, holder, out).await?;
        }
        (None, None) => {
            let message = "name a process: tern throttle PID".into();
            return Err(Trouble::Here { code: 64, kind: "invalid", message });
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn hold(
    wish: Throttle,
    dry_run: bool,
    json: bool,
    holder: impl AsyncFn(Ask) -> Result<Vec<ThrottleState>, DoorError>,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    let found = match inspect(&wish, &[]) {
        Ok(found) => Some(found),
        Err(error) if dry_run || is_final(&error) => return Err(error.into()),
        // It may be that very holder who has it, and who can let it go first.
        Err(_) => None,
    };
    if let Some(found) = found.as_ref().filter(|_| dry_run) {
        return show(found, json, out);
    }
    let states = holder(Ask::Hold(wish)).await?;
    for state in states {
        if json {
            line(&state, out)?;
        } else {
            let name = found.as_ref().map_or(String::new(), |found| format!(" ({})", plain(&found.name, 15)));
            writeln!(
                out,
                "process {}{name} is held to {} % of one CPU by {}",
                state.pid,
                state.percent,
                word(state.method)
            )?;
            writeln!(out, "tern throttle release {} lets it go", state.pid)?;
        }
    }
    Ok(())
}

/// Whether no holder could do better: nobody needs to be asked.
const fn is_final(error: &ThrottleError) -> bool {
    use ThrottleError as E;
    matches!(error, E::Percent { .. } | E::NoProcess { .. } | E::Protected { .. } | E::Look { .. })
}

fn show(found: &Inspection, json: bool, out: &mut impl Write) -> Result<(), Trouble> {
    let state = &found.state;
    if json {
        let methods: Vec<_> = found
            .methods
            .iter()
            .map(|(method, fit)| serde_json::json!({"method": method, "works": fit.is_ok(), "why_not": fit.as_ref().err()}))
            .collect();
        return line(
            &serde_json::json!({"dry_run": true, "would": state, "name": found.name, "methods": methods}),
            out,
        );
    }
    let name = plain(&found.name, 15);
    writeln!(
        out,
        "would hold process {} ({name}) to {} % of one CPU by {}",
        state.pid,
        state.percent,
        word(state.method)
    )?;
    for (method, fit) in &found.methods {
        match fit {
            Ok(()) => writeln!(out, "  {}: works here", word(*method))?,
            Err(why) => writeln!(out, "  {}: {}", word(*method), plain(why, 200))?,
        }
    }
    Ok(())
}

fn list(states: &[ThrottleState], json: bool, out: &mut impl Write) -> Result<(), Trouble> {
    if json {
        return line(&states, out);
    }
    if states.is_empty() {
        return Ok(writeln!(out, "nothing is held back")?);
    }
    writeln!(out, "{:>8} {:>6}  BY", "PID", "CPU %")?;
    for state in states {
        writeln!(out, "{:>8} {:>6}  {}", state.pid, state.percent, word(state.method))?;
    }
    Ok(())
}

const fn word(method: ThrottleMethod) -> &'static str {
    match method {
        ThrottleMethod::Quota => "a quota",
        ThrottleMethod::Weight => "a lower weight",
        ThrottleMethod::Autogroup => "its session's weight",
        ThrottleMethod::DutyCycle => "stopping and continuing",
    }
}

fn line(value: &impl serde::Serialize, out: &mut impl Write) -> Result<(), Trouble> {
    serde_json::to_writer(&mut *out, value)?;
    Ok(writeln!(out)?)
}

#[cfg(test)]
mod tests;
