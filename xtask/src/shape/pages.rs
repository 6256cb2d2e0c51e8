//! Pages that promise something name the test that holds it; here the names are looked up in the code.
//!
//! What such a page cites is a test, a planted bug or an oracle. A name is taken for one where it stands in backquotes in
//! the last column of a table or behind *Held by* or *planted*; one with three underscores or more, wherever it stands.

use std::collections::BTreeSet;
use std::path::Path;

use super::lexer::words;
use super::{Report, Source};

/// Pages whose sentences rest on tests.
const PAGES: [&str; 3] = ["ARCHITECTURE.md", "docs/promises.md", "docs/bad-input.md"];

/// Underscores from which on a word is no longer an ordinary identifier.
const UNDERSCORES: usize = 3;

/// Behind these words a paragraph cites.
const CITES: [&str; 3] = ["Held by", "held by", "planted"];

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

/// Tests, and the names of oracles, which are texts in the code of the simulator.
fn known(sources: &[Source]) -> BTreeSet<&str> {
    let oracle = |word: &&str| word.starts_with("anytime_") || word.starts_with("eventually_");
    let quoted = |source: &Source, word: &str| source.text.contains(&format!("\"{word}\""));
    let oracles = sources.iter().filter(|source| !source.is_test()).flat_map(move |source| {
        words(&source.text).map(|(_, word)| word).filter(oracle).filter(move |word| quoted(source, word))
    });
    sources.iter().flat_map(Source::tests).chain(oracles).collect()
}

fn unknown(page: &str, text: &str, known: &BTreeSet<&str>) -> Vec<String> {
    let mut found = Vec::new();
    let mut citing = false;
    for (number, line) in text.lines().enumerate() {
        let table = line.starts_with('|');
        citing &= !line.trim().is_empty() && !table;
        let column = line.trim_end().trim_end_matches('|').rfind(" | ").filter(|_| table);
        let mut place = 0;
        // Every second part stands between backquotes.
        for (index, part) in line.split('`').enumerate() {
            if index % 2 == 0 {
                citing |= !table && CITES.iter().any(|word| part.contains(word));
            } else if is_cited(part, citing || column.is_some_and(|column| place > column)) && !known.contains(part) {
                found.push(format!(
                    "{page}:{}: names `{part}`, which is no test; write that test or correct the name",
                    number + 1
                ));
            }
            place += part.len() + 1;
        }
    }
    found
}

fn is_cited(name: &str, here: bool) -> bool {
    let plain = name.chars().all(|letter| letter == '_' || letter.is_ascii_lowercase() || letter.is_ascii_digit());
    plain && name.matches('_').count() >= if here { 1 } else { UNDERSCORES }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str) -> Vec<String> {
        let text = "#[test] fn a_task_counts_only_once() { see(anytime_it_holds) }\n\
                    fn no_test_at_all() { fail(\"anytime_one_two_three\") } // not_in_a_comment\nplants! { no_margin: N => []; }";
        let sources = [Source::new("a.rs".to_string(), text.to_string())];
        unknown("p.md", page, &known(&sources))
    }

    #[test]
    fn a_page_names_only_what_exists() {
        let page = "`a_task_counts_only_once` and `anytime_one_two_three`\n`pre_exec` and `not_in_a_comment`\n";
        assert_eq!(found(page).len(), 1);
        assert!(found(page)[0].starts_with("p.md:2: names `not_in_a_comment`"));
    }

    #[test]
    fn neither_a_function_nor_an_identifier_is_a_test() {
        assert_eq!(found("`no_test_at_all`\n`anytime_it_holds` Held by `anytime_it_holds`").len(), 2);
    }

    #[test]
    fn short_names_are_looked_up_where_tests_are_cited() {
        assert_eq!(found("no `pre_exec` anywhere. Held by\nthe planted bug `no_margin` and `no_way`").len(), 1);
        assert_eq!(found("| `no_way` | planted `no_margin` |\n| a | `no_way` |\n\n`no_way`").len(), 1);
    }
}
