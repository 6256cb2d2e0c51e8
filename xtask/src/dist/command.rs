//! The steps of `cargo xtask dist`. The file gets its name only after it was found to want nothing and was seen to work,
//! so what stands in `target/dist` is portable.
//!
//! It is the release profile and the same code; only the C library that is linked in and how the file is laid out differ.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{elf, trial};
use crate::run::{capture, cargo, run};
use crate::suite::install_musl;

/// The version of the whole workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Names of functions are a quarter of the file and serve debuggers alone. Relocations as a bitmap instead of a list save
/// a mebibyte of the file, and as much in every process while it starts. A linker that cannot do it says so and goes on.
const LAYOUT: [&str; 4] = ["-C", "strip=symbols", "-C", "link-arg=-Wl,-z,pack-relative-relocs"];

/// `dist`.
pub fn dist(options: &[&str]) -> Result<(), String> {
    if !options.is_empty() {
        return Err("usage: cargo xtask dist".to_string());
    }
    let target = target(std::env::consts::OS, std::env::consts::ARCH)?;
    install_musl()?;
    add(&target)?;
    let build = ["rustc", "--release", "--locked", "-p", "tern", "--bin", "tern", "--target", &target, "--"];
    let mut cargo_build = cargo(&[&build[..], &LAYOUT].concat());
    let compiler = format!("CC_{}", target.replace('-', "_"));
    if std::env::var_os(&compiler).is_none() {
        // Each architecture would be looked for under a name of its own, which distributions do not all have.
        cargo_build.env(compiler, "musl-gcc");
    }
    run(cargo_build)?;
    let folder = target_folder()?;
    let built = folder.join(&target).join("release/tern");
    let bytes = fs::read(&built).map_err(|error| format!("{}: {error}", built.display()))?;
    let wants = elf::wants(&bytes).map_err(|what| format!("{}: {what}", built.display()))?;
    if !wants.nothing() {
        return Err(format!("{} is not portable and was not copied; it wants {wants}", built.display()));
    }
    trial::works(&built, VERSION)?;
    let name = format!("tern-{VERSION}-{}-linux", std::env::consts::ARCH);
    let place = folder.join("dist");
    publish(&built, &place, &name)?;
    println!("\n{}", place.join(&name).display());
    println!("  bytes        {}", bytes.len());
    println!("  wants        {wants}");
    println!("  relocations  {}", if wants.packed { "packed" } else { "a list: a newer linker would pack them" });
    println!("  works        --version and map, with an empty environment");
    Ok(())
}

/// The target whose C library is linked in whole.
fn target(os: &str, arch: &str) -> Result<String, String> {
    match (os, arch) {
        ("linux", "x86_64" | "aarch64") => Ok(format!("{arch}-unknown-linux-musl")),
        _ => Err(format!(
            "a portable binary is made for Linux on x86_64 or aarch64, on such a machine; this is {os} on {arch}"
        )),
    }
}

/// Rust's library for the target, where it is not there yet.
fn add(target: &str) -> Result<(), String> {
    let mut ask = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    ask.args(["--print", "target-libdir", "--target", target]);
    if Path::new(capture(ask)?.trim_end()).is_dir() {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", target]);
    run(rustup).map_err(|what| format!("Rust's library for {target} is missing: {what}"))
}

/// Where Cargo builds.
fn target_folder() -> Result<PathBuf, String> {
    let text = capture(cargo(&["metadata", "--format-version", "1", "--no-deps", "--locked"]))?;
    let facts: serde_json::Value = serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    facts["target_directory"].as_str().map(PathBuf::from).ok_or_else(|| "cargo metadata names no folder".to_string())
}

/// Copies the file under its name, and its checksum beside it as `sha256sum --check` reads it. Both appear whole or not
/// at all: an older copy may be running.
fn publish(built: &Path, place: &Path, name: &str) -> Result<(), String> {
    let said = |error| format!("{}: {error}; what stood there before is as it was", place.join(name).display());
    fs::create_dir_all(place).map_err(said)?;
    let part = place.join(format!("{name}.part"));
    fs::copy(built, &part).map_err(said)?;
    fs::rename(&part, place.join(name)).map_err(said)?;
    let mut sum = Command::new("sha256sum");
    sum.arg(name).current_dir(place);
    let line = capture(sum)?;
    fs::write(place.join(format!("{name}.sha256")), line).map_err(said)
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn a_machine_that_no_portable_binary_is_made_for_is_told_so() {
        assert_eq!(target("linux", "aarch64").unwrap(), "aarch64-unknown-linux-musl");
        assert!(target("macos", "aarch64").unwrap_err().contains("macos on aarch64"));
        assert!(target("linux", "riscv64").unwrap_err().contains("riscv64"));
    }
}
