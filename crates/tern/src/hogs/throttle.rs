//! `tern throttle`: holds a process back, lists those that are, lets one go.
//!
//! The wish is checked here first, so that what is refused is refused at once and in full words; the warden checks it
//! again and holds. With `--dry-run` the agent, where one runs, is only asked what it holds, and no process is touched.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use tern_node::control::DoorError;
use tern_node::process::protocol::{Asker, Throttle, ThrottleMethod, ThrottleState};
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
            let (percent, method) = (args.percent, args.method.map(Into::into));
            let wish = Throttle { pid, percent, method, asked_by: Asker::Person };
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
        Err(error) if is_final(&error) => return Err(error.into()),
        found => found,
    };
    if dry_run {
        // Without an agent nothing is held.
        let held = holder(Ask::List).await.unwrap_or_default().into_iter().find(|held| held.pid == wish.pid);
        return match held {
            Some(held) => show_anew(&wish, &held, json, out),
            None => show(&found?, json, out),
        };
    }
    // Where it is that very holder who has it, it is let go first.
    let found = found.ok();
    let states = holder(Ask::Hold(wish)).await?;
    for state in states {
        if json {
            line(&state, out)?;
        } else {
            let name = found.as_ref().map_or(String::new(), |found| format!(" ({})", plain(&found.name, 15)));
            let (is, instead) =
                if state.percent.is_some() { ("is held ", "") } else { ("", ", which keeps to no share") };
            writeln!(out, "process {}{name} {is}{}{instead}", state.pid, words(&state, "gives way"))?;
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
    match state.percent {
        Some(_) => writeln!(out, "would hold process {} ({name}) {}", state.pid, words(state, ""))?,
        None => {
            writeln!(
                out,
                "would let process {} ({name}) {}, which keeps to no share",
                state.pid,
                words(state, "give way")
            )?;
        }
    }
    for (method, fit) in &found.methods {
        match fit {
            Ok(()) => writeln!(out, "  {}: works here", word(*method))?,
            Err(why) => writeln!(out, "  {}: {}", word(*method), plain(why, 200))?,
        }
    }
    Ok(())
}

/// Of a process that the node holds already: what it is like without that hold cannot be seen.
fn show_anew(wish: &Throttle, held: &ThrottleState, json: bool, out: &mut impl Write) -> Result<(), Trouble> {
    if json {
        let would = serde_json::json!({"pid": wish.pid, "percent": wish.percent, "method": wish.method});
        return line(&serde_json::json!({"dry_run": true, "would": would, "instead_of": held}), out);
    }
    let new = match wish.method {
        Some(method) => format!("by {}", word(method)),
        None => "by the best that works then".to_owned(),
    };
    let share = if wish.method.is_none_or(ThrottleMethod::keeps_to_a_share) {
        format!(" to {} % of one CPU", wish.percent)
    } else {
        String::new()
    };
    writeln!(out, "would hold process {} anew{share} {new}", wish.pid)?;
    Ok(writeln!(out, "it is held already, {}, asked by {}", words(held, "and gives way"), asker(held.asked_by))?)
}

/// `to 50 % of one CPU by a quota`; of a method that keeps to no share `gives way to others by …`.
fn words(state: &ThrottleState, gives_way: &str) -> String {
    let by = word(state.method);
    state.percent.map_or_else(
        || format!("{gives_way} to others by {by}"),
        |percent| format!("to {percent} % of one CPU by {by}"),
    )
}

fn list(states: &[ThrottleState], json: bool, out: &mut impl Write) -> Result<(), Trouble> {
    if json {
        return line(&states, out);
    }
    if states.is_empty() {
        return Ok(writeln!(out, "nothing is held back")?);
    }
    writeln!(out, "{:>8} {:>6}  {:<23}  ASKED BY", "PID", "CPU %", "BY")?;
    for state in states {
        // One that only gives way has no share.
        let percent = state.percent.map_or_else(|| "-".to_owned(), |percent| percent.to_string());
        writeln!(out, "{:>8} {percent:>6}  {:<23}  {}", state.pid, word(state.method), asker(state.asked_by))?;
    }
    Ok(())
}

const fn asker(asker: Asker) -> &'static str {
    match asker {
        Asker::Person => "a person",
        Asker::Matrix => "the matrix",
    }
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
