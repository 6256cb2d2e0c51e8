//! Texts that need no node: completion scripts and man pages, made from the command tree, and lives of a simulated grid.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::tree::{CompletionArgs, ManArgs, SimArgs, whole};
use super::{Failure, Outcome};

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

/// One simulated life as text; the last line says how it ended.
pub fn sim(args: &SimArgs) -> Outcome {
    let text = tern_sim::life(args.seed, &tern_sim::Options::default());
    io::stdout().write_all(text.as_bytes())?;
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
