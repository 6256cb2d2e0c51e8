//! The command line: what can be asked, and who answers.
//!
//! Commands decide nothing; each opens the door to a node (the agent, or one inside this process), asks, and prints.

pub mod failure;
mod generate;
mod hogs;

mod look;
pub mod node;
mod order;
pub mod print;
mod run;
mod submit;
pub mod tree;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::files::args::FilesCommand;
use clap::Parser;
pub use failure::Failure;
use print::Printer;
use tern_node::home::Home;
use tree::{Cli, Command};

/// What every command is given.
pub struct Context {
    pub home: Home,
    pub printer: Printer,
    pub verbose: u8,
}

pub type Outcome = Result<ExitCode, Failure>;

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => {
            let json = cli.json;
            start(cli).unwrap_or_else(|failure| failure.report(json))
        }
        Err(error) => failure::usage(&error),
    }
}

fn start(cli: Cli) -> Outcome {
    let home = match cli.home {
        Some(path) => Home::new(std::path::absolute(path)?),
        None => Home::from_environment().ok_or_else(Failure::no_home)?,
    };
    if cli.verbose > 0 {
        print::log_to_stderr(cli.verbose);
    }
    let context = Context { home, printer: Printer::new(cli.json), verbose: cli.verbose };
    dispatch(&context, cli.command)
}

fn dispatch(context: &Context, command: Command) -> Outcome {
    match command {
        Command::Map(args) => Ok(map(args.with_globals(context.printer.json), Some(&context.home))),
        Command::Run(args) => block_on(run::run(context, args)),
        Command::Submit(args) => block_on(submit::submit(context, args)),
        Command::Jobs => block_on(look::jobs(context)),
        Command::Job(args) => block_on(look::job(context, args)),
        Command::Logs(args) => block_on(look::logs::logs(context, args)),
        Command::Wait(args) => block_on(look::wait(context, args)),
        Command::Status(args) => block_on(look::status::status(context, args)),
        Command::Top(args) => block_on(crate::top::top(context, args)),
        Command::Grid(command) => command.run(context),
        Command::Work(command) => command.run(context),
        Command::Files(FilesCommand::Cp(args)) => block_on(crate::files::cp(context, args)),
        Command::Files(FilesCommand::Share(args)) => block_on(crate::files::share(context, args)),
        Command::Trit(args) => block_on(hogs::trit(context, args)),
        Command::Bottlenecks(args) => block_on(hogs::bottlenecks(context, args)),
        Command::Scum(args) => block_on(hogs::scum(context, args)),
        Command::Throttle(args) => block_on(hogs::throttle(context, args)),
        Command::Cancel(args) => block_on(order::cancel(context, args)),
        Command::Hold(args) => block_on(order::hold(context, args)),
        Command::Release(args) => block_on(order::release(context, args)),
        Command::Retry(args) => block_on(order::retry(context, args)),
        Command::Forget(args) => block_on(order::forget(context, args)),
        Command::Up(args) => node::life::up(context, &args),
        Command::Down(args) => block_on(node::life::down(context, args)),
        Command::Demo(args) => block_on(async { Ok(crate::demo::run(args, context.printer.json).await) }),
        Command::Agent => node::life::agent(context),
        Command::Config(args) => node::config::config(context, args),
        Command::Doctor => block_on(node::doctor::doctor(context)),
        Command::Sim(args) => generate::sim(context, &args),
        Command::Completion(args) => generate::completion(&args),
        Command::Man(args) => generate::man(&args),
    }
}

/// `tern map` reads its own words, as GNU parallel would; `home` is a state folder named before the command.
pub fn map(words: Vec<OsString>, home: Option<&Home>) -> ExitCode {
    let home = home.cloned().or_else(Home::from_environment).ok_or_else(Failure::no_home);
    let run = home.and_then(|home| block_on(async { Ok(crate::map::run(words, &home).await) }));
    run.unwrap_or_else(|failure| failure.report(false))
}

/// One thread: a command waits for one thing at a time, and threads cost start-up.
pub fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
