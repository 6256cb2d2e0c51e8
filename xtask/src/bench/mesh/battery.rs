//! A program that finds a battery where the kernel shows none: it sees a folder of power supplies of its own.
//!
//! The folder is mounted in a namespace that ends with the program, so the machine itself sees nothing of it.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

const SUPPLIES: &str = "/sys/class/power_supply";
/// What a laptop without its mains shows.
const BATTERY: [(&str, &str); 4] =
    [("type", "Battery"), ("status", "Discharging"), ("capacity", "80"), ("present", "1")];

/// The command that runs `program` so; needs root.
pub fn command(program: &Path) -> Result<Command, String> {
    let own = std::env::current_exe().map_err(|error| format!("the path of this program: {error}"))?;
    // By its name: a build may have put a new one in its place, and then the kernel calls this one deleted.
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "--"])
        .arg(own.with_file_name("xtask"))
        .arg("on-battery")
        .arg(program);
    Ok(command)
}

/// `xtask on-battery PROGRAM WORDS`, in a mount namespace of its own: becomes that program.
pub fn on_battery(arguments: &[&str]) -> Result<(), String> {
    let [program, words @ ..] = arguments else { return Err("on-battery PROGRAM WORDS".to_string()) };
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "none", SUPPLIES]);
    crate::run::capture(mount)?;
    let battery = Path::new(SUPPLIES).join("BAT0");
    let failed = |error: std::io::Error| format!("{}: {error}", battery.display());
    std::fs::create_dir(&battery).map_err(failed)?;
    for (field, value) in BATTERY {
        std::fs::write(battery.join(field), value).map_err(failed)?;
    }
    Err(format!("{program}: {}", Command::new(program).args(words).exec()))
}
