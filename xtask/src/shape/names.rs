//! Words that say nothing, and attributes and macros that hide something.

use super::lexer::{line_of, words};
use super::{Report, Source};

/// A thing that is called so has no name yet. Field terms only.
const EMPTY_WORDS: [&str; 8] = ["manager", "managers", "helper", "helpers", "util", "utils", "misc", "miscellaneous"];

/// What stands before the name of something that is defined here.
const DEFINES: [&str; 11] =
    ["fn", "struct", "enum", "trait", "mod", "const", "static", "type", "let", "mut", "macro_rules"];

/// Text that may not stand in code, and what to write instead.
const REFUSED: [(&str, &str); 5] = [
    ("#[allow(", "write `#[expect(…, reason = \"…\")]`, which is reported when it is no longer needed"),
    ("#![allow(", "write `#![expect(…, reason = \"…\")]`, or change the lint for all in Cargo.toml"),
    ("pre_exec(", "set it through the trampoline: a hook makes the standard library fork the whole process"),
    ("todo!(", "write it, or return an error that says what is missing"),
    ("unimplemented!(", "write it, or return an error that says what is missing"),
];

/// Names, attributes and macros of one file, tests included.
pub fn judge(source: &Source, report: &mut Report) {
    let path = &source.path;
    for part in path.split(['/', '.']).filter(|part| is_empty_word(part)) {
        report.findings.push(format!("{path}: `{part}` in its path says nothing; name it after what it does"));
    }
    let mut before = "";
    for (place, word) in words(&source.code) {
        if DEFINES.contains(&before) && is_empty_word(word) {
            let line = line_of(&source.code, place);
            report.findings.push(format!("{path}:{line}: `{word}` says nothing; name it after what it does"));
        }
        before = word;
    }
    report.findings.extend(silent_skip(source));
    for (text, instead) in REFUSED {
        for (place, _) in source.code.match_indices(text) {
            let line = line_of(&source.code, place);
            report.findings.push(format!("{path}:{line}: `{text}`; {instead}"));
        }
    }
}

/// A skip that only the reader of a log sees is a test that passes without having run.
fn silent_skip(source: &Source) -> Option<String> {
    let text: String = source.text.split_whitespace().collect::<String>().to_ascii_lowercase();
    let says = ["print!(", "println!("].iter().any(|call| text.contains(&format!("{call}\"skip")));
    let silent = says && !source.text.contains("TERN_SKIP_LOG");
    let advice = "copy `skip` from CONTRIBUTING.md, so that `cargo xtask test` counts it";
    silent.then(|| format!("{}: says SKIP and does not log it; {advice}", source.path))
}

/// Whether one of the words of `snake_case`, `kebab-case` or `CamelCase` is an empty one.
fn is_empty_word(name: &str) -> bool {
    let mut parts = vec![String::new()];
    for character in name.chars() {
        if character == '_' || character == '-' || character.is_uppercase() {
            parts.push(String::new());
        }
        if let Some(last) = parts.last_mut() {
            last.extend(character.to_lowercase().filter(|character| character.is_alphanumeric()));
        }
    }
    parts.iter().any(|part| EMPTY_WORDS.contains(&part.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let mut report = Report::default();
        judge(&Source::new(path.to_string(), text.to_string()), &mut report);
        report.findings
    }

    #[test]
    fn empty_words_are_found_where_something_is_defined() {
        for text in ["struct JobManager;", "fn helper() {}", "let utils = 1;", "mod misc;"] {
            assert_eq!(findings("a.rs", text).len(), 1, "{text}");
        }
        for text in ["use hyper_util::rt;", "struct Utilization;", "// a manager", "let a = \"helper\";"] {
            assert!(findings("a.rs", text).is_empty(), "{text}");
        }
        assert_eq!(findings("src/net_util.rs", "").len(), 1);
    }

    #[test]
    fn a_skip_that_is_not_logged_is_found() {
        for said in ["SKIPPED: no root", "skipped: no root", "Skip {name}"] {
            let silent = format!("fn a() {{ eprintln!(\n\"{said}\") }}");
            assert_eq!(findings("a.rs", &silent).len(), 1, "{said}");
            assert!(findings("a.rs", &format!("{silent} // TERN_SKIP_LOG")).is_empty());
        }
    }

    #[test]
    fn what_hides_something_is_found_in_code_and_not_in_text() {
        let hides = [
            "#[allow(dead_code)] fn a() {}",
            "fn a() { todo!() }",
            "fn a() { unimplemented!() }",
            "fn a() { unsafe { command.pre_exec(hook) } }",
        ];
        for text in hides {
            assert_eq!(findings("a.rs", text).len(), 1, "{text}");
        }
        assert!(findings("a.rs", "/// Never todo!()\nfn a() { say(\"#[allow(x)]\") }").is_empty());
    }
}
