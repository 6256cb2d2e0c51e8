//! Files and folders: how long, how many, and that each says at its top what it is for.

use std::collections::BTreeMap;

use super::{Report, Source};

/// Lines outside test modules that read well in one sitting; more is a note.
const LINES_GOOD: usize = 300;
/// Lines outside test modules that a file may have at all.
const LINES_MAX: usize = 600;
/// Lines of `mod.rs`, `lib.rs` and `main.rs`, which hold no logic; more is a note.
const INDEX_LINES_GOOD: usize = 100;
/// Rust files in one folder, `mod.rs`, `lib.rs` and `main.rs` not counted.
const FILES_MAX: usize = 9;

/// The rules that look at one file.
pub fn judge(source: &Source, report: &mut Report) {
    let path = &source.path;
    // `tests.rs` is read beside the file that it tests.
    if !source.text.starts_with("//!") && source.name() != "tests.rs" {
        report
            .findings
            .push(format!("{path}:1: does not open with `//!`; say in 3 to 10 lines what a user would want to know"));
    }
    if source.is_test() {
        return;
    }
    let lines = source.text.lines().count() - test_lines(source);
    if lines > LINES_MAX {
        report.findings.push(format!("{path}: {lines} lines; {LINES_MAX} is the end: split it by what it is about"));
    } else if lines > LINES_GOOD {
        report.notes.push(format!("{path}: {lines} lines; {LINES_GOOD} read well"));
    } else if source.is_index() && lines > INDEX_LINES_GOOD {
        report.notes.push(format!("{path}: {lines} lines; {INDEX_LINES_GOOD} without logic read well"));
    }
}

/// Lines that hold something in `code` and nothing in `product`: those of test modules.
fn test_lines(source: &Source) -> usize {
    let pairs = source.code.lines().zip(source.product.lines());
    pairs.filter(|(code, product)| !code.trim().is_empty() && product.trim().is_empty()).count()
}

/// A folder with too many files wants a level below it.
pub fn judge_folders(sources: &[Source], report: &mut Report) {
    let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_index() && !source.path.contains("/tests/")) {
        let folder = source.path.rsplit_once('/').map_or("", |parts| parts.0);
        *folders.entry(folder).or_default() += 1;
    }
    for (folder, count) in folders.into_iter().filter(|(_, count)| *count > FILES_MAX) {
        report.findings.push(format!("{folder}: {count} files; {FILES_MAX} is the end: group them in folders"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(path: &str, text: &str) -> Report {
        let mut report = Report::default();
        judge(&Source::new(path.to_string(), text.to_string()), &mut report);
        report
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        assert!(report("a.rs", "//! For people.\nfn a() {}\n").findings.is_empty());
        assert_eq!(report("a.rs", "fn a() {}\n").findings.len(), 1);
        assert!(report("a/tests.rs", "use super::*;\n").findings.is_empty());
    }

    #[test]
    fn long_files_are_noted_then_refused_and_tests_do_not_count() {
        let lines = |count: usize| "//! x\n".to_string() + &"fn a() {}\n".repeat(count);
        assert_eq!(report("a.rs", &lines(300)).notes.len(), 1);
        assert_eq!(report("a.rs", &lines(600)).findings.len(), 1);
        let tests = format!("//! x\n#[cfg(test)]\nmod tests {{\n{}}}\n", lines(600));
        assert!(report("a.rs", &tests).findings.is_empty());
        assert!(report("crates/a/tests/b.rs", &lines(700)).findings.is_empty());
    }

    #[test]
    fn a_folder_holds_nine_files_beside_its_index() {
        let sources = |count: usize| -> Vec<Source> {
            let names = (0..count).map(|number| format!("src/{number}.rs")).chain(["src/mod.rs".to_string()]);
            names.map(|path| Source::new(path, String::new())).collect()
        };
        let mut report = Report::default();
        judge_folders(&sources(9), &mut report);
        assert!(report.findings.is_empty());
        judge_folders(&sources(10), &mut report);
        assert_eq!(report.findings.len(), 1);
    }
}
