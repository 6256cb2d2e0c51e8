use std::collections::{BTreeMap, BTreeSet};

use tern_core::machine::Totals;
use tern_core::promise::Refusal;
use tern_core::promise::ledger::Unposted;

use super::*;

/// Names and values.
type Labels = Vec<(String, String)>;

/// One family as a strict reader of OpenMetrics 1.0 takes it.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    unit: Option<String>,
    help: Option<String>,
    /// Suffix, labels, value.
    samples: Vec<(String, Labels, f64)>,
}

/// Reads a page and refuses whatever the format does not allow.
fn strict(page: &str) -> Result<BTreeMap<String, Family>, String> {
    let body = page.strip_suffix("# EOF\n").ok_or("the last line is not # EOF")?;
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut seen = BTreeSet::new();
    for line in body.split_terminator('\n') {
        if let Some(about) = line.strip_prefix("# ") {
            let mut words = about.splitn(3, ' ');
            let (word, name) = (words.next().unwrap_or(""), words.next().ok_or(line)?);
            let rest = words.next().ok_or(line)?;
            is_name(name).then_some(()).ok_or(line)?;
            if current != name {
                if families.contains_key(name) {
                    return Err(format!("{name} begins twice"));
                }
                name.clone_into(&mut current);
            }
            let family = families.entry(name.to_owned()).or_default();
            if !family.samples.is_empty() {
                return Err(format!("{line}: after its samples"));
            }
            let place = match word {
                "TYPE" if family.kind.is_empty() => &mut family.kind,
                "UNIT" if family.unit.is_none() => family.unit.insert(String::new()),
                "HELP" if family.help.is_none() => family.help.insert(String::new()),
                _ => return Err(format!("{line}: said twice, or no such word")),
            };
            rest.clone_into(place);
            continue;
        }
        let (name, labels, value) = sample(line)?;
        let family = families.get_mut(&current).ok_or(line)?;
        let suffix = name.strip_prefix(&current).ok_or_else(|| format!("{line}: not of {current}"))?;
        if !seen.insert((name.to_owned(), labels.clone())) {
            return Err(format!("{line}: twice"));
        }
        family.samples.push((suffix.to_owned(), labels, value));
    }
    families.iter().try_for_each(|(name, family)| judge(name, family))?;
    Ok(families)
}

fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

type Sample<'a> = (&'a str, Labels, f64);

fn sample(line: &str) -> Result<Sample<'_>, String> {
    let wrong = || format!("{line:?} is no sample");
    let end = line.find(['{', ' ']).ok_or_else(wrong)?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        let (inner, after) = inner.split_once('}').ok_or_else(wrong)?;
        for pair in inner.split(',') {
            let (label, value) = pair.split_once('=').ok_or_else(wrong)?;
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).ok_or_else(wrong)?;
            let plain = |c: char| !c.is_control() && c != '"' && c != '\\';
            if !is_name(label) || label.contains(':') || !value.chars().all(plain) {
                return Err(wrong());
            }
            labels.push((label.to_owned(), value.to_owned()));
        }
        rest = after;
    }
    let number = rest.strip_prefix(' ').filter(|number| !number.contains(' ')).ok_or_else(wrong)?;
    let allowed = number.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    if !is_name(name) || !allowed {
        return Err(wrong());
    }
    Ok((name, labels, number.parse().map_err(|_| wrong())?))
}

fn judge(name: &str, family: &Family) -> Result<(), String> {
    if !name.starts_with("tern_") || family.help.as_deref().is_none_or(str::is_empty) {
        return Err(format!("{name}: not ours, or without help"));
    }
    if let Some(unit) = &family.unit
        && !name.ends_with(&format!("_{unit}"))
    {
        return Err(format!("{name} does not end with its unit {unit}"));
    }
    let suffixes: &[&str] = match family.kind.as_str() {
        "counter" => &["_total"],
        "gauge" => &[""],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_count", "_sum"],
        kind => return Err(format!("{name}: no type {kind}")),
    };
    for (suffix, _, value) in &family.samples {
        let grows = family.kind == "counter" || family.kind == "histogram";
        if !suffixes.contains(&suffix.as_str()) || (grows && *value < 0.0) || !value.is_finite() {
            return Err(format!("{name}{suffix} {value}"));
        }
    }
    if family.kind == "histogram" { classes(name, family) } else { Ok(()) }
}

/// Classes ascend, count what is below them, and end with all there is.
fn classes(name: &str, family: &Family) -> Result<(), String> {
    let of = |suffix: &str| family.samples.iter().find(|sample| sample.0 == suffix).map(|sample| sample.2);
    let (mut last, mut below) = (f64::NEG_INFINITY, 0.0);
    for (_, labels, value) in family.samples.iter().filter(|sample| sample.0 == "_bucket") {
        let [(label, end)] = &labels[..] else { return Err(format!("{name}: {labels:?}")) };
        let end = if end == "+Inf" { f64::INFINITY } else { end.parse().map_err(|_| end.clone())? };
        if label != "le" || end <= last || *value < below {
            return Err(format!("{name}: {labels:?} {value}"));
        }
        (last, below) = (end, *value);
    }
    let whole = last == f64::INFINITY && of("_count") == Some(below) && of("_sum").is_some();
    whole.then_some(()).ok_or_else(|| format!("{name}: its classes do not end with all there is"))
}

fn page() -> MetricsPage {
    let mut tally = Tally { accepted: 24, given: 26, again: 2, lent: 5, waited_ms: 1_500, ..Tally::default() };
    tally.over.insert(How::Done, 20);
    tally.over.insert(How::Failed, 4);
    tally.busy_ns = 2_500_000_000;
    (tally.waits[0], tally.waits[12]) = (23, 1);
    MetricsPage {
        tally,
        trit: -1,
        load: Some(0.25),
        trits: [1, 0, 2],
        refused: vec![(Refusal::NotAsked, 3), (Refusal::Malformed, 1)],
        unposted: vec![(Unposted::NotHere, 1)],
        totals: Totals { committed: 2, ..Totals::default() },
        ..MetricsPage::default()
    }
}

#[test]
fn the_page_is_what_a_strict_reader_takes() {
    let families = strict(&text(&page())).expect("a page");
    let value = |name: &str, label: Option<&str>| {
        let samples = &families[name].samples;
        let found = samples.iter().find(|(_, labels, _)| label.is_none_or(|word| labels.iter().any(|it| it.1 == word)));
        found.map(|sample| sample.2)
    };
    assert_eq!(value("tern_jobs_accepted_tasks", None), Some(24.0));
    assert_eq!(value("tern_jobs_ended_tasks", Some("failed")), Some(4.0));
    assert_eq!(value("tern_node_busy_seconds", None), Some(2.5));
    assert_eq!(value("tern_messages_refused", Some("not_asked")), Some(3.0));
    assert_eq!(value("tern_ledger_refused_postings", Some("not_here")), Some(1.0));
    assert_eq!(value("tern_queue_latency_seconds", Some("0.005")), Some(23.0));
    assert_eq!(value("tern_queue_latency_seconds", Some("+Inf")), Some(24.0));
    assert_eq!(value("tern_node_trit", None), Some(-1.0));
    assert_eq!(
        (value("tern_grid_known_nodes", Some("idle")), value("tern_grid_trit_sum", None)),
        (Some(2.0), Some(-1.0))
    );
    assert_eq!(families["tern_node_load_ratio"].unit.as_deref(), Some("ratio"));
}

#[test]
fn a_load_that_was_not_measured_has_no_sample() {
    let families = strict(&text(&MetricsPage::default())).expect("a page");
    assert!(families["tern_node_load_ratio"].samples.is_empty());
}

#[test]
fn the_strict_reader_is_strict() {
    let page = text(&page());
    let broken = [
        page.replace("# EOF\n", ""),
        page.replace("# EOF\n", "\n# EOF\n"),
        page.replace("tern_node_trit -1", "tern_node_trit  -1"),
        page.replace("tern_jobs_accepted_tasks_total", "tern_jobs_accepted_tasks"),
        page.replace("le=\"+Inf\"} 24", "le=\"+Inf\"} 22"),
        page.replace("# UNIT tern_node_busy_seconds seconds", "# UNIT tern_node_busy_seconds hours"),
        page.replace("outcome=\"done\"", "outcome=\"failed\""),
        page.replace("# TYPE tern_node_trit gauge\n", ""),
        page.replace("tern_node_draining 0", "tern_node_draining NaN"),
    ];
    for text in broken {
        assert!(text != page && strict(&text).is_err());
    }
}
