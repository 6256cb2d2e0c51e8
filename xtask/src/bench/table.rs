//! The rows of the table, and their place in `docs/benchmarks.md`.

use std::fmt::Write;
use std::path::Path;

use super::command::Bench;
use super::pairs::{Paired, median, quantile};

/// What was measured, in order.
#[derive(Debug, Default)]
pub struct Rows(Vec<Row>);

#[derive(Debug)]
struct Row {
    work: String,
    figure: String,
    target: String,
    met: &'static str,
}

impl Rows {
    fn add(&mut self, work: &str, figure: String, target: String, met: &'static str) {
        println!("{work}: {figure} ({target})");
        self.0.push(Row { work: work.to_string(), figure, target, met });
    }

    /// A ratio to the bare loop that is to stay below `most`.
    pub fn ratio(&mut self, work: &str, paired: &Paired, most: f64) {
        let target = format!("≤ {most:.2} ×");
        self.add(work, show(paired), target, if paired.ratio.median <= most { "yes" } else { "no" });
    }

    /// A ratio of somebody else, or why there is none.
    pub fn peer(&mut self, work: &str, paired: Result<Paired, String>) {
        let figure = paired.map_or_else(|why| format!("not measured: {}", first_line(&why)), |paired| show(&paired));
        self.add(work, figure, "–".to_string(), "–");
    }

    pub fn at_most(&mut self, work: &str, value: f64, most: f64, unit: &str) {
        let met = if value <= most { "yes" } else { "no" };
        self.add(work, number(value, unit), format!("≤ {}", number(most, unit)), met);
    }

    pub fn within(&mut self, work: &str, value: f64, goal: f64, margin: f64, unit: &str) {
        let met = if (value - goal).abs() <= margin { "yes" } else { "no" };
        self.add(work, number(value, unit), format!("{} ± {}", number(goal, unit), number(margin, unit)), met);
    }

    /// Milliseconds, sorted: the median, and where it is asked for the 99th percentile, against their bounds.
    pub fn quantiles(&mut self, work: &str, sorted: &[f64], median_max: f64, tail_max: Option<f64>) {
        let (median, tail) = (median(sorted), quantile(sorted, 0.99));
        let met = median <= median_max && tail_max.is_none_or(|most| tail <= most);
        let bound = tail_max.map(|most| format!(" / ≤ {}", number(most, "ms"))).unwrap_or_default();
        let figure = format!("p50 {}, p99 {} ({} samples)", number(median, "ms"), number(tail, "ms"), sorted.len());
        self.add(work, figure, format!("≤ {}{bound}", number(median_max, "ms")), if met { "yes" } else { "no" });
    }

    /// A measure that broke off.
    pub fn failed(&mut self, work: &str, why: &str) {
        self.add(work, format!("not measured: {}", first_line(why)), "–".to_string(), "no");
    }

    /// The table as Markdown.
    pub fn text(&self) -> String {
        let mut text = "| work | measured | to reach | met |\n|---|---|---|---|\n".to_string();
        for Row { work, figure, target, met } in &self.0 {
            let _ = writeln!(text, "| {work} | {figure} | {target} | {met} |");
        }
        text
    }
}

fn show(paired: &Paired) -> String {
    let (ratio, own, reference) = (&paired.ratio, &paired.own, &paired.reference);
    format!(
        "{:.3} × ({:.3} to {:.3}); {:.2} s against {:.2} s",
        ratio.median, ratio.least, ratio.most, own.median, reference.median
    )
}

fn number(value: f64, unit: &str) -> String {
    let digits = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}").trim_end().to_string()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Replaces the part of the page that `cargo xtask bench NAME` writes, or adds it at the end.
pub fn put(path: &Path, name: &str, text: &str) -> Result<(), String> {
    let page = std::fs::read_to_string(path).unwrap_or_else(|_| "# Benchmarks\n".to_string());
    std::fs::write(path, replaced(&page, name, text)).map_err(|error| format!("{}: {error}", path.display()))
}

fn replaced(page: &str, name: &str, text: &str) -> String {
    let begin = format!("<!-- {name}: written by `cargo xtask bench {name}` -->");
    let end = format!("<!-- {name}: end -->");
    let section = format!("{begin}\n\n{text}\n{end}");
    match (page.find(&begin), page.find(&end)) {
        (Some(from), Some(to)) if from < to => format!("{}{section}{}", &page[..from], &page[to + end.len()..]),
        _ => format!("{}\n\n{section}\n", page.trim_end()),
    }
}

/// Cores, kernel and load now, without the machine's name.
pub fn machine() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = load.split(' ').next().unwrap_or_default();
    format!("{cores} cores, Linux {}, load average at the end {load}", kernel.trim())
}

/// The machine in one sentence, without its name.
pub fn facts(bench: &Bench) -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_string();
    let quick =
        if bench.size.divide > 1 { " **A quick run: fewer tasks and samples than an honest one.**" } else { "" };
    format!(
        "{} cores, Linux {}, state folder on {}, load average at the end {load}. Medians of {} interleaved pairs, least \
         and greatest in parentheses; both bare loops ({}) run in every pair, and × is the ratio to the faster of the two \
         in that pair.{quick}",
        bench.cores,
        kernel.trim(),
        bench.folder.file_system(),
        bench.size.pairs,
        bench.loops.words(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_is_replaced_and_the_rest_of_the_page_stays() {
        let one = replaced("# Page\n\nprose\n", "spine", "first");
        let other = replaced(&one, "mesh", "of another bench");
        let two = replaced(&format!("{other}\nafter\n"), "spine", "second");
        assert!(two.contains("of another bench"), "{two}");
        assert!(two.starts_with("# Page\n\nprose\n") && two.ends_with("\nafter\n"), "{two}");
        assert!(two.contains("second") && !two.contains("first"), "{two}");
    }

    #[test]
    fn a_bound_that_is_missed_is_said() {
        let mut rows = Rows::default();
        rows.at_most("a", 10.1, 10.0, "ms");
        rows.quantiles("b", &[1.0, 1.5, 20.0], 2.0, Some(10.0));
        rows.within("c", 46.0, 50.0, 5.0, "%");
        let met: Vec<&str> = rows.0.iter().map(|row| row.met).collect();
        assert_eq!(met, ["no", "no", "yes"]);
    }
}
