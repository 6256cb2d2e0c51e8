//! Reads what the rules need, and says what they found.

use super::lock::Lock;
use super::rules::Rules;
use super::tree::Tree;
use super::verdict;
use crate::run::{capture, cargo, root};

/// All rules of `policy.toml`; the error lists every finding, with what to do about it.
pub fn policy() -> Result<(), String> {
    let root = root();
    let rules = Rules::parse(&read(&root.join("policy.toml"))?)?;
    let lock = Lock::parse(&read(&root.join("Cargo.lock"))?)?;
    let tree = Tree::parse(&metadata()?)?;
    let weight = tree.weight(&rules.weight.package);
    println!("{} packages in the lock file, {} on this platform", lock.packages.len(), tree.packages.len());
    println!("{} packages in the tree of {}, of at most {}", weight, rules.weight.package, rules.weight.budget);
    let findings = verdict::findings(&rules, &lock, &tree);
    if findings.is_empty() {
        println!("no findings");
        return Ok(());
    }
    Err(format!("{} findings\n  {}", findings.len(), findings.join("\n  ")))
}

fn read(path: &std::path::Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// What cargo knows of the tree on this platform, from the disk alone.
fn metadata() -> Result<String, String> {
    let mut rustc = std::process::Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.arg("-vV");
    let version = capture(rustc)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_string();
    let arguments = ["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &host];
    capture(cargo(&arguments)).map_err(|message| {
        format!("{message}\nWithout a network only what is on the disk can be judged: run `cargo fetch --locked --target {host}` once.")
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_dependencies_of_this_repository_keep_the_policy() {
        assert_eq!(super::policy(), Ok(()));
    }
}
