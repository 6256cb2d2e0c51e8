//! The Rust files of the repository, and the views of them that the rules need.

use std::collections::BTreeSet;
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

    /// Names of the tests in this file: functions marked as such, and those that `plants!` and `tests!` make of a list.
    pub fn tests(&self) -> impl Iterator<Item = &str> {
        let plain = self.code.match_indices("#[test]");
        let marks = plain.chain(self.code.match_indices("#[tokio::test"));
        let marked = marks.filter_map(|(place, mark)| {
            let function = lexer::words(&self.code[place + mark.len()..]).skip_while(|(_, word)| *word != "fn");
            function.map(|(_, word)| word).nth(1)
        });
        marked.chain(self.listed("plants!")).chain(self.listed("tests!"))
    }

    /// The first word of each item between the brackets after each `call`.
    fn listed(&self, call: &str) -> impl Iterator<Item = &str> {
        let code = &self.code;
        let lists = code.match_indices(call).filter_map(|(place, call)| {
            let open = place + call.len() + code[place + call.len()..].find(['{', '['])?;
            let close =
                if code.as_bytes()[open] == b'{' { lexer::matching(code, open) } else { end_of_list(code, open) };
            code[place + call.len()..open].trim().is_empty().then(|| &code[open + 1..close - 1])
        });
        lists.flat_map(|list| list.split([';', ',']).filter_map(|item| lexer::words(item).next()).map(|(_, word)| word))
    }

    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// `mod.rs`, `lib.rs` and `main.rs` say what a folder holds.
    pub fn is_index(&self) -> bool {
        matches!(self.name(), "mod.rs" | "lib.rs" | "main.rs")
    }
}

/// The place after the `]` that follows; these lists hold no others.
fn end_of_list(code: &str, open: usize) -> usize {
    code[open..].find(']').map_or(code.len(), |length| open + length + 1)
}

/// The names of all tests of the repository.
pub fn tests(root: &Path) -> Result<BTreeSet<String>, String> {
    let sources = sources(root)?;
    Ok(sources.iter().flat_map(Source::tests).map(str::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn tests_are_known_by_their_mark_or_their_list() {
        let text = "#[tokio::test(flavor = \"multi_thread\")]\nasync fn zero() {}\n#[test]\n#[ignore = \"x\"]\nfn one() {}\nfn two() {}\n// #[test] fn three() {}\n\
                    plants! { four: Four => [\"a\"]; five: Five => [\"b\", \"c\"]; }\ngrid::tests![six, seven,];\n";
        let source = Source::new("a.rs".to_string(), text.to_string());
        assert_eq!(source.tests().collect::<Vec<_>>(), ["one", "zero", "four", "five", "six", "seven"]);
    }
}
