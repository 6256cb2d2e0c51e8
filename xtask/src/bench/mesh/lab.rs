//! Rates and latencies: the laboratory's figures, round by round, and the ratios within each round.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use super::command::Bench;
use super::sheet::{Goal, Sheet};
use crate::run::capture;

/// Round trips of one figure.
const CALLS: usize = 2_000;
/// MiB of one transfer.
const MIB: usize = 192;

/// One value a round.
type Figures = BTreeMap<String, Vec<f64>>;

pub fn measure(bench: &Bench, sheet: &mut Sheet) -> Result<(), String> {
    let mut lab = Command::new(&bench.lab);
    let count = |number: usize| (number / bench.divide).max(1).to_string();
    lab.args(["--pairs", &bench.pairs.to_string(), "--calls", &count(CALLS), "--mib", &count(MIB)]);
    let text = capture({
        lab.stdin(Stdio::null());
        lab
    })?;
    let figures = read(&text)?;
    let tell = |sheet: &mut Sheet, work: &str, own: &str, reference: &str, goal: Goal| {
        let (own, reference) = (of(&figures, own)?, of(&figures, reference)?);
        sheet.ratio(work, own, reference, goal);
        Ok::<(), String>(())
    };
    tell(sheet, "one RPC of 64 bytes, p50: a bare iroh stream, to TCP", "rpc_bare_us", "rpc_tcp_us", Goal::None)?;
    tell(sheet, "the same over the mesh, direct, to TCP", "rpc_direct_us", "rpc_tcp_us", Goal::Most(3.0))?;
    tell(sheet, "the same over three hops, to direct", "rpc_chain_us", "rpc_direct_us", Goal::Most(3.0))?;
    tell(sheet, "bulk, a bare iroh stream, to TCP", "bulk_bare_mib_s", "bulk_tcp_mib_s", Goal::None)?;
    tell(sheet, "bulk over the mesh, direct, to TCP", "bulk_direct_mib_s", "bulk_tcp_mib_s", Goal::Least(0.20))?;
    let work = "the same, to a bare iroh stream";
    tell(sheet, work, "bulk_direct_mib_s", "bulk_bare_mib_s", Goal::Least(0.95))?;
    tell(
        sheet,
        "bulk over three hops, four processes, to direct",
        "bulk_chain_mib_s",
        "bulk_direct_mib_s",
        Goal::None,
    )?;
    let chain = of(&figures, "bulk_chain_mib_s")?;
    sheet.value("the same, absolute (aim: 200 MiB/s)", chain, "MiB/s", Goal::Least(130.0));
    tell(sheet, "a file (`tern cp`) to a neighbour, to TCP", "blob_direct_mib_s", "bulk_tcp_mib_s", Goal::None)?;
    tell(sheet, "a file, hop by hop over three hops, to TCP", "blob_chain_mib_s", "bulk_tcp_mib_s", Goal::None)?;
    sheet.value("the same, absolute", of(&figures, "blob_chain_mib_s")?, "MiB/s", Goal::Least(200.0));
    Ok(())
}

fn of<'a>(figures: &'a Figures, name: &str) -> Result<&'a [f64], String> {
    figures.get(name).map(Vec::as_slice).ok_or_else(|| format!("the laboratory gave no {name}"))
}

/// One JSON object a line; the values of all figures in the order of the rounds.
fn read(text: &str) -> Result<Figures, String> {
    let mut figures = Figures::new();
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let value: serde_json::Value = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        let values = value["values"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_f64);
        figures.insert(value["figure"].as_str().unwrap_or_default().to_string(), values.collect());
    }
    if figures.is_empty() { Err(format!("the laboratory gave no figures: {text}")) } else { Ok(figures) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_the_order_of_their_rounds() {
        let text = "node 1 is near\n{\"figure\":\"a\",\"median\":2.0,\"values\":[3.0,1.0,2.0]}\n";
        assert_eq!(of(&read(text).unwrap(), "a"), Ok(&[3.0, 1.0, 2.0][..]));
        assert!(read("nothing\n").is_err());
    }
}
