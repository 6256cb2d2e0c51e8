//! `tern trit`: is this machine overloaded, balanced or idle, and by what figures.
//!
//! The figures are always read now. Where an agent runs, the trit is the agent's: it remembers, so that a load around a
//! bound does not flip it. Without one, and with `--literal`, the bare thresholds decide.

use std::io::Write;
use std::process::ExitCode;

use tern_core::observe::Reading;
use tern_core::observe::trit::{NodeTrit, load_ratio};
use tern_node::sense;

use super::Trouble;

/// The words after `tern trit`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct TritArgs {
    /// Judge this reading alone by the bare thresholds: above 0.8 overloaded, below 0.3 idle
    #[arg(long)]
    pub literal: bool,
    /// Go on, with one line each time: this machine, and the sum over the grid where an agent runs
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub watch: Option<u64>,
}

/// The grid in one line of a monitor.
#[derive(Clone, Copy, Debug)]
pub struct Together {
    pub plus: u32,
    pub zero: u32,
    pub minus: u32,
    pub sum: i64,
}

/// What an agent makes of its readings.
#[derive(Clone, Copy, Debug)]
pub struct Tracked {
    pub trit: NodeTrit,
    pub smoothed: Option<f64>,
    /// That is of tasks over slots, and not of the machine's load.
    pub by_tasks: bool,
}

/// Reads this machine and prints what it is. `agent`: what the agent says, where one runs.
pub fn run(args: &TritArgs, json: bool, agent: Option<Tracked>, out: &mut impl Write) -> Result<ExitCode, Trouble> {
    let reading = sense::read()?;
    let look = Look { literal: args.literal, reading, agent };
    if json {
        look.json(out)?;
    } else {
        look.text(out)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// One line of a monitor.
pub fn line(args: &TritArgs, json: bool, agent: Option<Tracked>, grid: Option<Together>) -> Result<String, Trouble> {
    let look = Look { literal: args.literal, reading: sense::read()?, agent };
    if json {
        let mut out = Vec::new();
        look.json(&mut out)?;
        let mut value: serde_json::Value = serde_json::from_slice(&out)?;
        value["grid"] = grid.map_or(
            serde_json::Value::Null,
            |it| serde_json::json!({"plus": it.plus, "zero": it.zero, "minus": it.minus, "sum": it.sum}),
        );
        return Ok(value.to_string());
    }
    Ok(look.line(grid))
}

struct Look {
    literal: bool,
    reading: Reading,
    agent: Option<Tracked>,
}

impl Look {
    fn trit(&self) -> NodeTrit {
        let literal = NodeTrit::literal(load_ratio(&self.reading));
        self.agent.filter(|_| !self.literal).map_or(literal, |agent| agent.trit)
    }

    fn smoothed(&self) -> Option<f64> {
        self.agent.and_then(|agent| agent.smoothed)
    }

    fn by_tasks(&self) -> bool {
        self.agent.is_some_and(|agent| agent.by_tasks)
    }

    fn json(&self, out: &mut impl Write) -> Result<(), Trouble> {
        let (trit, reading) = (self.trit(), &self.reading);
        let sign: i8 = match trit {
            NodeTrit::Idle => -1,
            NodeTrit::Balanced => 0,
            NodeTrit::Overloaded => 1,
        };
        let value = serde_json::json!({
            "trit": sign,
            "word": trit.word(),
            "literal": self.literal || self.agent.is_none(),
            "load_ratio": Some(load_ratio(reading)).filter(|ratio| ratio.is_finite()),
            "load_ratio_smoothed": self.smoothed(),
            "judged_by": if self.by_tasks() { "tasks" } else { "system" },
            "load1": reading.load1,
            "cpus": reading.cpus,
            // As the kernel says it, with two digits: the way through f32 would add seven.
            "cpu_pressure": reading.cpu_pressure.map(|pressure| (f64::from(pressure) * 100.0).round() / 100.0),
            "memory_total_kib": reading.memory_total_kib,
            "memory_available_kib": reading.memory_available_kib,
            "source": sense::SOURCE,
        });
        serde_json::to_writer(&mut *out, &value)?;
        Ok(writeln!(out)?)
    }

    fn line(&self, grid: Option<Together>) -> String {
        let mut line = format!("{:<13}  load ratio {:.2}", self.trit().to_string(), load_ratio(&self.reading));
        if let Some(smoothed) = self.smoothed() {
            let what = if self.by_tasks() { "tasks a slot" } else { "smoothed" };
            line += &format!(", {what} {smoothed:.2}");
        }
        if let Some(Together { plus, zero, minus, sum }) = grid {
            let sum = if sum == 0 { "0".to_owned() } else { format!("{sum:+}") };
            line += &format!("  |  grid: P {plus}, Z {zero}, M {minus}, S = {sum}");
        }
        line
    }

    fn text(&self, out: &mut impl Write) -> Result<(), Trouble> {
        let reading = &self.reading;
        writeln!(out, "{}", self.trit())?;
        let load = format!("load {:.2} over {} CPUs, from {}", reading.load1, reading.cpus, sense::SOURCE);
        writeln!(out, "load ratio  {:.2}  ({load})", load_ratio(reading))?;
        match (self.smoothed(), self.agent.is_some()) {
            (Some(tasks), _) if self.by_tasks() => {
                writeln!(out, "tasks       {tasks:.2}  a slot, smoothed: by these the agent judges (trit.load)")?;
            }
            (Some(smoothed), _) => writeln!(out, "smoothed    {smoothed:.2}  (by the agent)")?,
            (None, true) => writeln!(out, "smoothed    -     (the agent has no reading yet)")?,
            (None, false) => writeln!(out, "smoothed    -     (an agent would keep it: tern up)")?,
        }
        match reading.cpu_pressure {
            Some(pressure) => {
                writeln!(out, "pressure    {pressure:.1} % of the last 10 s, something waited for a CPU")?;
            }
            None => writeln!(out, "pressure    -     (this kernel does not keep it)")?,
        }
        if let (Some(total), Some(available)) = (reading.memory_total_kib, reading.memory_available_kib) {
            writeln!(out, "memory      {} of {} MiB available", available / 1024, total / 1024)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(look: &Look, json: bool) -> String {
        let mut out = Vec::new();
        if json {
            look.json(&mut out).unwrap();
        } else {
            look.text(&mut out).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    fn look(load1: f64, literal: bool, agent: Option<Tracked>) -> Look {
        Look { literal, reading: Reading { load1, cpus: 2, ..Reading::default() }, agent }
    }

    #[test]
    fn the_agent_remembers_and_the_literal_mode_does_not() {
        let agent = Some(Tracked { trit: NodeTrit::Overloaded, smoothed: Some(0.75), by_tasks: false });
        assert!(printed(&look(1.5, false, agent), false).starts_with("+1 overloaded\nload ratio  0.75"));
        assert!(printed(&look(1.5, true, agent), false).starts_with("0 balanced\n"));
        assert!(printed(&look(0.2, false, None), false).starts_with("-1 idle\n"));
    }

    #[test]
    fn a_monitor_has_one_line() {
        let agent = Some(Tracked { trit: NodeTrit::Idle, smoothed: Some(0.1), by_tasks: false });
        let grid = Some(Together { plus: 1, zero: 0, minus: 2, sum: -1 });
        let line = look(0.2, false, agent).line(grid);
        assert_eq!(line, "-1 idle        load ratio 0.10, smoothed 0.10  |  grid: P 1, Z 0, M 2, S = -1");
        assert_eq!(look(1.2, false, None).line(None), "0 balanced     load ratio 0.60");
    }

    #[test]
    fn what_was_not_measured_is_null_or_a_dash() {
        let json: serde_json::Value = serde_json::from_str(&printed(&look(1.7, false, None), true)).unwrap();
        assert_eq!((json["trit"].as_i64(), json["word"].as_str()), (Some(1), Some("overloaded")));
        assert!(json["cpu_pressure"].is_null() && json["load_ratio_smoothed"].is_null());
        assert!(printed(&look(1.7, false, None), false).contains("pressure    -"));
    }

    #[test]
    fn this_machine_has_a_trit_without_any_agent() {
        let mut out = Vec::new();
        run(&TritArgs::default(), true, None, &mut out).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert!(json["cpus"].as_u64().unwrap() >= 1 && json["load_ratio"].is_number());
    }
}
