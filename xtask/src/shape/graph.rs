//! The direction of the core: which of its modules import which, held against a committed golden file.
//!
//! An edge is any `crate::name` in the code outside tests. The golden file makes a new edge a visible line of a diff;
//! the order below makes a wrong one an error, golden or not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use super::lexer::words;
use super::{Report, Source};

const CORE: &str = "crates/tern-core/src/";
const GOLDEN: &str = "crates/tern-core/modules.golden";

/// Modules of the core in the order in which facts flow; each imports only from those before it.
const ORDER: [&str; 9] = ["words", "trust", "observe", "decide", "plan", "promise", "wire", "view", "machine"];

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Compares with the golden file (or writes it), and finds edges that point the wrong way.
pub fn judge(root: &Path, sources: &[Source], bless: bool, report: &mut Report) -> Result<(), String> {
    let graph = graph(sources);
    let (shown, golden) = (show(&graph), root.join(GOLDEN));
    if bless {
        std::fs::write(&golden, &shown).map_err(|error| format!("{}: {error}", golden.display()))?;
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    for line in shown.lines().filter(|line| !expected.lines().any(|other| other == *line)) {
        report
            .findings
            .push(format!("{GOLDEN}: the code says `{line}`; if that is meant, run `cargo xtask shape --bless`"));
    }
    if shown.lines().count() != expected.lines().count() {
        report.findings.push(format!("{GOLDEN}: has other modules than the code; run `cargo xtask shape --bless`"));
    }
    report.findings.extend(wrong_way(&graph));
    report.findings.extend(siblings(sources));
    Ok(())
}

/// Edges between the top-level modules of the core.
fn graph(sources: &[Source]) -> Graph {
    let core = || sources.iter().filter_map(|source| Some((source.path.strip_prefix(CORE)?, source)));
    let names: BTreeSet<&str> = core().filter_map(|(path, _)| module(path)).collect();
    let mut graph: Graph = names.iter().map(|name| ((*name).to_string(), BTreeSet::new())).collect();
    for (path, source) in core().filter(|(_, source)| !source.is_test()) {
        let Some(own) = module(path) else { continue };
        let targets = imports(&source.product).into_iter().filter(|name| *name != own && names.contains(name));
        graph.entry(own.to_string()).or_default().extend(targets.map(str::to_string));
    }
    graph
}

/// `words` of `words/id.rs` and `words.rs`; None for `lib.rs`.
fn module(path: &str) -> Option<&str> {
    let first = path.split('/').next()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (name != "lib").then_some(name)
}

/// Names that follow `crate::` or `super::super::`, one by one or in braces.
fn imports(code: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for prefix in ["crate::", "super::super::"] {
        for (place, _) in code.match_indices(prefix) {
            let rest = &code[place + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(group) => found.extend(heads(group)),
                None => found.extend(words(rest).next().map(|(_, word)| word)),
            }
        }
    }
    found
}

/// First names of the paths of a `{a::b, c}` group whose opening brace is gone.
fn heads(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (place, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b',' | b'}' if depth == 0 => {
                found.extend(words(&group[start..place]).next().map(|(_, word)| word));
                start = place + 1;
                if byte == b'}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

fn show(graph: &Graph) -> String {
    let mut text = String::new();
    let place = |name: &str| ORDER.iter().position(|other| *other == name).unwrap_or(ORDER.len());
    let mut names: Vec<&String> = graph.keys().collect();
    names.sort_by_key(|name| (place(name), name.as_str()));
    for name in names {
        let mut targets: Vec<&str> = graph[name].iter().map(String::as_str).collect();
        targets.sort_by_key(|target| (place(target), *target));
        let _ = writeln!(text, "{name}: {}", if targets.is_empty() { "-".to_string() } else { targets.join(" ") });
    }
    text
}

fn wrong_way(graph: &Graph) -> Vec<String> {
    let place = |name: &str| ORDER.iter().position(|other| *other == name);
    let mut found = Vec::new();
    for (from, targets) in graph {
        if place(from).is_none() {
            found
                .push(format!("{CORE}{from}: a module outside the order; give it a place in xtask/src/shape/graph.rs"));
        }
        for to in targets.iter().filter(|to| place(to) >= place(from)) {
            found.push(format!("{CORE}{from}: imports `{to}`, against the flow {}", ORDER.join(" ← ")));
        }
    }
    found
}

/// Policies in `decide` are judged alone, so that each can be read, tested and replaced alone.
fn siblings(sources: &[Source]) -> Vec<String> {
    let folder = format!("{CORE}decide/");
    let policies: Vec<&Source> = sources.iter().filter(|source| source.path.starts_with(&folder)).collect();
    let stem = |source: &Source| -> String {
        let rest = source.path[folder.len()..].split('/').next().unwrap_or_default();
        rest.trim_end_matches(".rs").to_string()
    };
    let mut found = Vec::new();
    for source in policies.iter().filter(|source| stem(source) != "mod") {
        for other in policies.iter().map(|other| stem(other)).filter(|other| *other != stem(source) && other != "mod") {
            let imported = ["crate::decide::", "super::"].iter().any(|prefix| {
                let text = format!("{prefix}{other}");
                source.product.match_indices(&text).any(|(place, _)| {
                    !source.product[place + text.len()..]
                        .starts_with(|next: char| next.is_alphanumeric() || next == '_')
                })
            });
            if imported {
                found.push(format!("{}: imports its sibling `{other}`; move what they share to the left", source.path));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source::new(format!("{CORE}{path}"), text.to_string())
    }

    #[test]
    fn edges_are_read_from_paths_and_groups_and_not_from_comments_or_tests() {
        let sources = [
            source("words/mod.rs", ""),
            source("observe.rs", "use crate::words::Id;"),
            source("view/mod.rs", "// crate::machine\n#[cfg(test)]\nmod tests { use crate::machine::M; }"),
            source("machine/a.rs", "use crate::{observe::{A, B}, view};\nfn f(w: crate::words::Id) {}"),
        ];
        assert_eq!(show(&graph(&sources)), "words: -\nobserve: words\nview: -\nmachine: words observe view\n");
    }

    #[test]
    fn an_edge_against_the_flow_is_found() {
        let sources = [source("words/mod.rs", "use crate::view::V;"), source("view/mod.rs", "")];
        assert_eq!(wrong_way(&graph(&sources)).len(), 1);
    }

    #[test]
    fn policies_do_not_import_one_another() {
        let sources =
            [source("decide/steal.rs", "use super::scum::score;"), source("decide/scum.rs", "use super::scum_x;")];
        assert_eq!(siblings(&sources).len(), 1);
    }
}
