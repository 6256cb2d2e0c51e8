//! Pages that promise something name the test that holds it; here the names are looked up in the code.
//!
//! A name in backquotes with three underscores or more is taken for that of a test, an oracle or a planted bug.

use std::collections::BTreeSet;
use std::path::Path;

use super::lexer::words;
use super::{Report, Source};

/// Pages whose sentences rest on tests.
const PAGES: [&str; 3] = ["ARCHITECTURE.md", "docs/promises.md", "docs/bad-input.md"];

/// Underscores from which on a word is no longer an ordinary identifier.
const UNDERSCORES: usize = 3;

/// Reads each page and looks up what it names.
pub fn judge(root: &Path, sources: &[Source], report: &mut Report) -> Result<(), String> {
    let known = known(sources);
    for page in PAGES {
        let path = root.join(page);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        report.findings.extend(unknown(page, &text, &known));
    }
    Ok(())
}

/// Identifiers, and the words of oracles, which are texts.
fn known(sources: &[Source]) -> BTreeSet<&str> {
    let oracle = |word: &str| word.starts_with("anytime_") || word.starts_with("eventually_");
    let names = sources.iter().flat_map(|source| words(&source.code).map(|(_, word)| word));
    let oracles =
        sources.iter().flat_map(|source| words(&source.text).map(|(_, word)| word)).filter(|word| oracle(word));
    names.chain(oracles).collect()
}

fn unknown(page: &str, text: &str, known: &BTreeSet<&str>) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for name in line.split('`').skip(1).step_by(2).filter(|name| is_test(name) && !known.contains(name)) {
            found.push(format!(
                "{page}:{}: names `{name}`, which does not exist; write that test or correct the name",
                number + 1
            ));
        }
    }
    found
}

fn is_test(name: &str) -> bool {
    let plain = name.chars().all(|letter| letter == '_' || letter.is_ascii_lowercase() || letter.is_ascii_digit());
    plain && name.matches('_').count() >= UNDERSCORES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_only_what_exists() {
        let sources = [Source::new(
            "a.rs".to_string(),
            "fn a_task_counts_only_once() { see(\"anytime_one_two_three\") } // not_in_a_comment".to_string(),
        )];
        let page = "`a_task_counts_only_once` and `anytime_one_two_three`\n`pre_exec` and `not_in_a_comment`\n";
        let found = unknown("p.md", page, &known(&sources));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("p.md:2: names `not_in_a_comment`"), "{found:?}");
    }
}
