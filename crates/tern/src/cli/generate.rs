//! Completion scripts and man pages, made from the command tree.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;

use super::tree::{Cli, CompletionArgs, ManArgs};
use super::{Failure, Outcome};

pub fn completion(args: &CompletionArgs) -> Outcome {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tern", &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

pub fn man(args: &ManArgs) -> Outcome {
    match &args.folder {
        None => clap_mangen::Man::new(Cli::command()).render(&mut io::stdout())?,
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
    clap_mangen::generate_to(Cli::command(), folder)
}
