//! The binary.

mod map;

use std::process::ExitCode;

use tern_node::home::Home;

#[tokio::main]
async fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let home = Home::from_environment().unwrap_or_else(|| Home::new("."));
    match words.next() {
        Some(word) if word == "map" => map::run(words.collect(), &home).await,
        _ => {
            drop(map::command().print_long_help());
            ExitCode::from(64)
        }
    }
}
