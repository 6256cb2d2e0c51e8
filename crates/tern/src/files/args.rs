//! The words of these commands.

use std::ffi::OsString;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum FilesCommand {
    /// Copy files from or to another node; a copy that broke off goes on from there
    Cp(CpArgs),
    /// Send a file to the least loaded idle node, into its ~/tern-inbox
    Share(ShareArgs),
}

#[derive(Debug, Args)]
pub struct CpArgs {
    /// SOURCE... TARGET, of which one side is NODE:PATH; such a path begins at the home folder there unless it is absolute
    #[arg(value_name = "PATH", num_args = 2.., required = true)]
    pub paths: Vec<OsString>,
    /// Folders with all that is in them
    #[arg(short, long)]
    pub recursive: bool,
    /// Overwrite files that are there
    #[arg(short, long)]
    pub force: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct ShareArgs {
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<OsString>,
    /// Folders with all that is in them
    #[arg(short, long)]
    pub recursive: bool,
}
