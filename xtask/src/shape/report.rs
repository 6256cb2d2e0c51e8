//! All rules over all files, and what they have to say.

use std::path::Path;

use super::source::sources;
use super::{crates, files, functions, graph, names, pages};
use crate::run::root;

/// What the rules have to say.
#[derive(Debug, Default)]
pub struct Report {
    pub findings: Vec<String>,
    pub notes: Vec<String>,
}

/// All rules; `--bless` rewrites the golden module graph first.
pub fn shape(options: &[&str]) -> Result<(), String> {
    let root = root();
    let bless = match options {
        [] => false,
        ["--bless"] => true,
        other => return Err(format!("shape takes --bless, not {}", other.join(" "))),
    };
    let report = report(&root, bless)?;
    for note in &report.notes {
        println!("note: {note}");
    }
    if report.findings.is_empty() {
        println!("no findings, {} notes", report.notes.len());
        return Ok(());
    }
    Err(format!("{} findings\n  {}", report.findings.len(), report.findings.join("\n  ")))
}

fn report(root: &Path, bless: bool) -> Result<Report, String> {
    let sources = sources(root)?;
    let mut report = Report::default();
    for source in &sources {
        files::judge(source, &mut report);
        functions::judge(source, &mut report);
        names::judge(source, &mut report);
    }
    files::judge_folders(&sources, &mut report);
    graph::judge(root, &sources, bless, &mut report)?;
    crates::judge(root, &mut report)?;
    pages::judge(root, &sources, &mut report)?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_code_of_this_repository_keeps_its_shape() {
        let report = super::report(&crate::run::root(), false).unwrap();
        assert!(report.findings.is_empty(), "{}", report.findings.join("\n"));
    }
}
