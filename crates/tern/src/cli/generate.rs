//! Texts that need no node: completion scripts and man pages, made from the command tree, and lives of a simulated grid.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::failure::DATAERR;
use super::tree::{CompletionArgs, ManArgs, SimArgs, whole};
use super::{Context, Failure, Outcome};

pub fn completion(args: &CompletionArgs) -> Outcome {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut offered(), "tern", &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// What a person may type: the tree without hidden commands, which the generators would offer like any other.
fn offered() -> clap::Command {
    let whole = whole();
    clap::Command::new("tern")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .args(whole.get_arguments().cloned())
        .subcommands(whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned())
}

/// One simulated life as text, whose last line says how it ended; or what a workload comes to.
pub fn sim(context: &Context, args: &SimArgs) -> Outcome {
    if let (Some(workload), Some(nodes)) = (&args.workload, &args.nodes) {
        return replay(context, args, workload, nodes);
    }
    let text = tern_sim::life(args.seed.unwrap_or_default(), &tern_sim::Options::default());
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn replay(context: &Context, args: &SimArgs, workload: &Path, nodes: &Path) -> Outcome {
    use tern_sim::workload::{Refused, Settings};
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| {
            let failure = Failure::from(error);
            Failure { message: format!("{}: {}", path.display(), failure.message), ..failure }
        })
    };
    let refused = |refused: Refused| Failure::new(DATAERR, "bad_line", refused.to_string());
    let name = |path: &Path| path.display().to_string();
    let machines = tern_sim::workload::nodes(&name(nodes), &read(nodes)?).map_err(refused)?;
    let seed = args.seed.unwrap_or(1);
    let tasks = read(workload)?;
    let workload =
        tern_sim::workload::workload(&name(workload), &tasks, machines, args.sigma, seed).map_err(refused)?;
    let settings = Settings { discipline: args.order, seed, ..Settings::default() };
    let report = tern_sim::workload::run(&workload, &settings);
    let mut out = io::stdout();
    if context.printer.json {
        serde_json::to_writer(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    if report.unfinished > 0 {
        let message = format!(
            "{} of {} tasks did not end: no machine had room for them, or they were longer than is simulated. Look at `owner` in the list of machines, and at cores, memory and time of the tasks",
            report.unfinished, report.tasks
        );
        return Err(Failure::new(DATAERR, "unfinished", message));
    }
    Ok(ExitCode::SUCCESS)
}

pub fn man(args: &ManArgs) -> Outcome {
    match &args.folder {
        None => clap_mangen::Man::new(whole()).render(&mut io::stdout())?,
        Some(folder) => {
            let named = |error: io::Error| {
                let failure = Failure::from(error);
                Failure { message: format!("{}: {}", folder.display(), failure.message), ..failure }
            };
            std::fs::create_dir_all(folder).map_err(named)?;
            pages(folder).map_err(named)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn pages(folder: &Path) -> io::Result<()> {
    clap_mangen::generate_to(whole(), folder)
}
