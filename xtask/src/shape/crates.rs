//! The direction between the crates: decisions know nothing, adapters no faces, faces decide nothing.

use std::path::Path;

use super::Report;

/// Crate, and the crates of ours it may depend on.
const MAY_USE: [(&str, &[&str]); 5] = [
    ("crates/tern-core", &[]),
    ("crates/tern-sim", &["tern-core"]),
    ("crates/tern-node", &["tern-core"]),
    ("crates/tern", &["tern-core", "tern-node", "tern-sim"]),
    ("xtask", &[]),
];

/// What must stand in the core's `lib.rs` for the compiler to hold the line.
const CORE_LINES: [&str; 2] = ["#![no_std]", "#![forbid(unsafe_code)]"];

/// Reads each manifest; tests may depend on what they like.
pub fn judge(root: &Path, report: &mut Report) -> Result<(), String> {
    for (folder, may) in MAY_USE {
        let path = root.join(folder).join("Cargo.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        for name in ours(&text)?.into_iter().filter(|name| !may.contains(&name.as_str())) {
            report
                .findings
                .push(format!("{folder}/Cargo.toml: depends on {name}; the flow between crates does not go that way"));
        }
    }
    let lib = root.join("crates/tern-core/src/lib.rs");
    let text = std::fs::read_to_string(&lib).map_err(|error| format!("{}: {error}", lib.display()))?;
    for line in CORE_LINES.iter().filter(|line| !text.lines().any(|other| other == **line)) {
        report.findings.push(format!(
            "crates/tern-core/src/lib.rs: `{line}` is gone; it keeps clocks, files and undefined behaviour out"
        ));
    }
    Ok(())
}

/// Crates of this workspace among the dependencies of a manifest.
fn ours(manifest: &str) -> Result<Vec<String>, String> {
    let table: toml::Table = manifest.parse().map_err(|error| format!("{error}"))?;
    let names = table.get("dependencies").and_then(toml::Value::as_table).into_iter().flat_map(|table| table.keys());
    Ok(names.filter(|name| name.starts_with("tern") || *name == "xtask").cloned().collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn own_crates_are_told_from_those_of_others() {
        let manifest =
            "[dependencies]\nserde.workspace = true\ntern-node.workspace = true\n[dev-dependencies]\ntern-sim = \"1\"";
        assert_eq!(super::ours(manifest), Ok(vec!["tern-node".to_string()]));
    }
}
