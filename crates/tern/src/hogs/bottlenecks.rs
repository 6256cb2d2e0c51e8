//! `tern bottlenecks`: what holds this machine and its tasks back, with the figures that say so, and what to do.
//!
//! The machine is looked at for two seconds unless told otherwise. What is well is shown with its figures, too, and what
//! could not be measured with the reason: silence about a part never means that it is well.

mod words;

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};
use tern_core::decide::bottleneck::{Evidence, Finding, Missing, Part, Resource, Sample, Severity, Verdict, judge};
use tern_node::sense::usage;

use super::Trouble;
use super::escape::plain;
use words::{absence, advice, headline, label, line, short, unit, word};

/// Something was named.
const FOUND: u8 = 1;
/// EX_UNAVAILABLE: nothing of what was asked for could be measured.
const BLIND: u8 = 69;
/// Columns of the name of a part.
const PART_WIDTH: usize = 15;
/// Letters of a name that the system gave to a part.
const NAME_WIDTH: usize = 40;

/// The words after `tern bottlenecks`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct BottlenecksArgs {
    /// Look only at this
    #[arg(long, value_enum, value_name = "PART", default_value_t = Component::All)]
    pub component: Component,
    /// Look for so many seconds
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub seconds: u64,
    /// Exit with 1 where anything is named, and with 69 where nothing could be measured
    #[arg(long)]
    pub check: bool,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Component {
    Cpu,
    Memory,
    Disk,
    Network,
    /// The tasks that wait on this node, where an agent runs
    Queue,
    All,
}

impl Component {
    const fn resource(self) -> Option<Resource> {
        match self {
            Self::Cpu => Some(Resource::Cpu),
            Self::Memory => Some(Resource::Memory),
            Self::Disk => Some(Resource::Disk),
            Self::Network => Some(Resource::Network),
            Self::Queue => Some(Resource::Queue),
            Self::All => None,
        }
    }
}

/// Judges and prints.
pub fn run(args: &BottlenecksArgs, sample: &Sample, json: bool, out: &mut impl Write) -> Result<ExitCode, Trouble> {
    let verdict = judge(sample, args.component.resource());
    if json {
        serde_json::to_writer(&mut *out, &as_json(&verdict, sample.seconds))?;
        writeln!(out)?;
    } else {
        as_text(&verdict, sample.seconds, out)?;
    }
    out.flush()?;
    Ok(match () {
        () if !args.check => ExitCode::SUCCESS,
        () if !verdict.findings.is_empty() => ExitCode::from(FOUND),
        () if !verdict.saw_something() => ExitCode::from(BLIND),
        () => ExitCode::SUCCESS,
    })
}

fn as_json(verdict: &Verdict, seconds: f64) -> Value {
    let finding = |finding: &Finding| {
        let mut value = part(&finding.part);
        value["kind"] = json!(finding.kind);
        value["severity"] = json!(finding.severity);
        value["what_to_do"] = json!(advice(finding.advice));
        value
    };
    let missing = |it: &Missing| {
        json!({
            "resource": it.resource,
            "which": it.which,
            "figure": it.figure,
            "because": it.because,
            "source": usage::source(it.figure),
        })
    };
    json!({
        "seconds": round(seconds),
        // Null where nobody could look: that is no health.
        "healthy": verdict.saw_something().then_some(verdict.findings.is_empty()),
        "findings": verdict.findings.iter().map(finding).collect::<Vec<_>>(),
        "well": verdict.well.iter().map(part).collect::<Vec<_>>(),
        "not_measured": verdict.missing.iter().map(missing).collect::<Vec<_>>(),
    })
}

fn part(part: &Part) -> Value {
    let evidence = |it: &Evidence| {
        json!({
            "figure": it.figure,
            "value": round(it.value),
            "unit": unit(it.figure),
            "bound": it.bound.map(|bound| bound.at),
            "beyond": it.beyond().is_some(),
            "source": usage::source(it.figure),
        })
    };
    let evidence: Vec<_> = part.evidence.iter().map(evidence).collect();
    json!({"resource": part.resource, "which": part.which, "evidence": evidence})
}

/// To hundredths: no look is more exact.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn as_text(verdict: &Verdict, seconds: f64, out: &mut impl Write) -> Result<(), Trouble> {
    let holds = verdict.findings.iter().filter(|it| it.severity == Severity::Holds).count();
    match (holds, verdict.findings.len()) {
        _ if !verdict.saw_something() => writeln!(out, "nothing could be measured")?,
        (0, 0) => writeln!(out, "nothing holds this machine back (looked at for {seconds:.1} s)")?,
        (0, _) => writeln!(out, "nothing holds work back, but look at this (of {seconds:.1} s):")?,
        _ => writeln!(out, "this holds work back (of {seconds:.1} s):")?,
    }
    for finding in &verdict.findings {
        write_finding(finding, out)?;
    }
    if !verdict.well.is_empty() {
        writeln!(out, "\nwell")?;
    }
    for part in &verdict.well {
        let figures: Vec<_> = part.evidence.iter().map(short).collect();
        writeln!(out, "  {:<PART_WIDTH$} {}", name(part.resource, part.which.as_deref()), figures.join(", "))?;
    }
    write_missing(&verdict.missing, out)
}

fn write_finding(finding: &Finding, out: &mut impl Write) -> Result<(), Trouble> {
    let Finding { part, kind, .. } = finding;
    writeln!(out, "\n{}  {}: {}", name(part.resource, part.which.as_deref()), word(*kind), headline(finding))?;
    let lines: Vec<_> = part.evidence.iter().map(|it| (it, label(it.figure))).collect();
    let width = lines.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0);
    for (evidence, label) in lines {
        let mark = if evidence.beyond().is_some() { '!' } else { ' ' };
        writeln!(out, "  {mark} {label:<width$}  {}", line(evidence))?;
    }
    Ok(writeln!(out, "  → {}", advice(finding.advice))?)
}

/// Figures of one part that are absent for one reason stand in one line.
fn write_missing(missing: &[Missing], out: &mut impl Write) -> Result<(), Trouble> {
    if !missing.is_empty() {
        writeln!(out, "\nnot measured")?;
    }
    let same = |one: &Missing, other: &Missing| {
        let of = |it: &Missing| (it.resource, it.because, usage::source(it.figure));
        of(one) == of(other) && one.which == other.which
    };
    for group in missing.chunk_by(same) {
        let Some(first) = group.first() else { continue };
        let figures: Vec<_> = group.iter().map(|it| label(it.figure)).collect();
        let name = name(first.resource, first.which.as_deref());
        writeln!(out, "  {name:<PART_WIDTH$} {}: {}", figures.join(", "), absence(first))?;
    }
    Ok(())
}

/// `cpu`, `disk vda`: the second word is the system's.
fn name(resource: Resource, which: Option<&str>) -> String {
    let resource = words::part(resource);
    which.map_or_else(|| resource.to_owned(), |which| format!("{resource} {}", plain(which, NAME_WIDTH)))
}

#[cfg(test)]
mod tests;
