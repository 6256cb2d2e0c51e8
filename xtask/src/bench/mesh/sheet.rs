//! The rows of the mesh's table: for people, for the page, and as JSON.

use serde_json::json;

use crate::bench::pairs::Spread;
use crate::bench::table::{machine, put};
use crate::run::{Parts, root};

/// What a figure is to reach.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    Most(f64),
    Least(f64),
    /// It stands there to be compared with.
    None,
}

impl Goal {
    fn met(self, value: f64) -> Option<bool> {
        match self {
            Self::Most(most) => Some(value <= most),
            Self::Least(least) => Some(value >= least),
            Self::None => None,
        }
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::Most(most) => format!("≤ {}", number(most, unit)),
            Self::Least(least) => format!("≥ {}", number(least, unit)),
            Self::None => "–".to_string(),
        }
    }
}

/// What stands above a table; `quick` says so of a run that is not honest.
pub fn facts(pairs: usize, quick: &str) -> String {
    format!(
        "{}. Medians, least and greatest in parentheses; × is a ratio within one of {pairs} interleaved rounds.{quick}",
        machine()
    )
}

#[derive(Debug, Default)]
pub struct Sheet(Vec<Row>);

#[derive(Debug)]
struct Row {
    work: String,
    /// The median is what counts; none: it was not measured.
    spread: Option<Spread>,
    unit: &'static str,
    /// What the ratio was made of, or why there is none.
    besides: String,
    goal: Goal,
    samples: usize,
}

impl Sheet {
    /// Both halves of each pair come from the same round.
    pub fn ratio(&mut self, work: &str, own: &[f64], reference: &[f64], goal: Goal) {
        let ratios = own.iter().zip(reference).map(|(own, reference)| own / reference).collect();
        let middle = |samples: &[f64]| Spread::of(samples.to_vec()).map_or(0.0, |spread| spread.median);
        let besides = format!("; {} against {}", number(middle(own), ""), number(middle(reference), ""));
        self.add(work, ratios, "×", besides, goal);
    }

    pub fn value(&mut self, work: &str, samples: &[f64], unit: &'static str, goal: Goal) {
        self.add(work, samples.to_vec(), unit, String::new(), goal);
    }

    /// A measure that broke off, or cannot be made here.
    pub fn failed(&mut self, work: &str, why: &str) {
        let why = why.lines().next().unwrap_or_default();
        self.add(work, Vec::new(), "", format!("not measured: {why}"), Goal::None);
    }

    fn add(&mut self, work: &str, samples: Vec<f64>, unit: &'static str, besides: String, goal: Goal) {
        let row =
            Row { work: work.to_string(), samples: samples.len(), spread: Spread::of(samples), unit, besides, goal };
        println!("{}: {} ({})", row.work, row.figure(), row.goal.text(unit));
        self.0.push(row);
    }

    /// The table as Markdown.
    pub fn text(&self) -> String {
        let mut text = "| work | measured | to reach | met |\n|---|---|---|---|\n".to_string();
        for row in &self.0 {
            let Row { work, unit, goal, .. } = row;
            text.push_str(&format!("| {work} | {} | {} | {} |\n", row.figure(), goal.text(unit), row.met()));
        }
        text
    }

    /// The end of a benchmark: its table into the page under this name, where its figures are honest, and for whoever ran it; with
    /// `--json` the last line is the same for programs.
    pub fn tell(
        &self,
        name: &str,
        facts: &str,
        honest: bool,
        mut parts: Parts,
        options: &[&str],
    ) -> Result<(), String> {
        let text = format!("{facts}\n\n{}", self.text());
        if honest {
            parts.part("table", || put(&root().join("docs/benchmarks.md"), name, &text));
        }
        println!("\n{text}");
        let end = parts.finish();
        if options.contains(&"--json") {
            println!("{}", json!({"facts": facts, "rows": self.json()}));
        }
        end
    }

    /// The same for programs.
    pub fn json(&self) -> serde_json::Value {
        let rows = self.0.iter().map(|row| {
            let part = |part: fn(&Spread) -> f64| row.spread.as_ref().map(part);
            let (most, least) = match row.goal {
                Goal::Most(most) => (Some(most), None),
                Goal::Least(least) => (None, Some(least)),
                Goal::None => (None, None),
            };
            json!({
                "work": row.work, "unit": row.unit, "samples": row.samples, "median": part(|spread| spread.median),
                "least": part(|spread| spread.least), "greatest": part(|spread| spread.most), "to_be_at_most": most,
                "to_be_at_least": least, "met": row.is_met(),
            })
        });
        rows.collect()
    }
}

impl Row {
    fn is_met(&self) -> Option<bool> {
        self.spread.as_ref().and_then(|spread| self.goal.met(spread.median))
    }

    fn met(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "yes",
            Some(false) => "no",
            None if self.spread.is_none() => "no",
            None => "–",
        }
    }

    fn figure(&self) -> String {
        let Some(Spread { median, least, most }) = self.spread.as_ref() else { return self.besides.clone() };
        let range = format!("({} to {})", number(*least, ""), number(*most, ""));
        format!("{} {range}{}", number(*median, self.unit), self.besides)
    }
}

/// Three digits that say something.
fn number(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.digits$} {unit}").trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_within_its_round_and_a_missed_goal_is_said() {
        let mut sheet = Sheet::default();
        sheet.ratio("a", &[2.0, 30.0, 8.0], &[1.0, 10.0, 2.0], Goal::Most(2.9));
        sheet.value("b", &[131.0], "MiB/s", Goal::Least(130.0));
        sheet.failed("c", "no root\nand more");
        let met: Vec<&str> = sheet.0.iter().map(Row::met).collect();
        assert_eq!(met, ["no", "yes", "no"]);
        assert!(
            sheet.text().contains("| a | 3.00 × (2.00 to 4.00); 8.00 against 2.00 | ≤ 2.90 × | no |"),
            "{}",
            sheet.text()
        );
        assert_eq!(sheet.json()[2]["median"], serde_json::Value::Null);
    }
}
