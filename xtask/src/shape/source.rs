//! The Rust files of the repository, and the views of them that the rules need.

use std::path::{Path, PathBuf};

use super::lexer;

/// One file of the repository, with the views of it that the rules need.
pub struct Source {
    /// From the root, with `/`.
    pub path: String,
    pub text: String,
    /// Same lines, with comments and the insides of literals blanked.
    pub code: String,
    /// `code` with its test modules blanked as well.
    pub product: String,
}

/// Every Rust file under `crates` and `xtask`, sorted by path.
pub fn sources(root: &Path) -> Result<Vec<Source>, String> {
    let mut open: Vec<PathBuf> = vec![root.join("crates"), root.join("xtask")];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                found.push(Source::new(path, text));
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

impl Source {
    pub fn new(path: String, text: String) -> Self {
        let code = lexer::blank_literals(&text);
        let product = lexer::blank_test_modules(&code);
        Self { path, text, code, product }
    }

    /// A file that only tests are built from.
    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| matches!(part, "tests" | "benches")) || self.path.ends_with("/tests.rs")
    }

    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// `mod.rs`, `lib.rs` and `main.rs` say what a folder holds.
    pub fn is_index(&self) -> bool {
        matches!(self.name(), "mod.rs" | "lib.rs" | "main.rs")
    }
}
