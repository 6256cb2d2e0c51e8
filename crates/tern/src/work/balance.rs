//! `tern mesh-balance`, `tern find-minus`, `tern balance`: how even the load of the grid is.

use std::process::ExitCode;

use tern_node::control::api::balance::{BalanceView, HostView};
use tern_node::control::{Door, Entry};

use super::args::BalanceArgs;
use crate::cli::{Context, Outcome};
use crate::grid::table::{Table, sign};

/// Idle nodes that are named.
const NAMED: usize = 3;

pub async fn mesh(context: &Context) -> Outcome {
    let shown = look(context).await?;
    if context.printer.json {
        context.printer.value(&shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    context.printer.line(hosts(&shown).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

pub async fn minus(context: &Context) -> Outcome {
    let shown = look(context).await?;
    let named: Vec<&HostView> =
        shown.idle.iter().take(NAMED).filter_map(|name| shown.nodes.iter().find(|node| node.name == *name)).collect();
    if context.printer.json {
        context.printer.value(&named)?;
    } else {
        for node in &named {
            context.printer.line(&idle(node))?;
        }
        if named.is_empty() {
            context.printer.remark("no node is idle: none has a load below 0.3 a core");
        }
    }
    Ok(if named.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

pub async fn balance(context: &Context, args: BalanceArgs) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let shown = if args.apply { door.apply_balance().await? } else { door.balance().await? };
    door.close(true).await?;
    if context.printer.json {
        context.printer.value(&shown)?;
    } else {
        context.printer.line(plan(&shown, args.apply).trim_end())?;
    }
    let failed = args.apply && shown.moves.iter().any(|it| !it.applied);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn look(context: &Context) -> Result<BalanceView, tern_node::control::DoorError> {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let shown = door.balance().await?;
    door.close(true).await?;
    Ok(shown)
}

/// Each host and its load, *unreachable* or *not heard yet* where so; then what they are together.
fn hosts(shown: &BalanceView) -> String {
    let mut table = Table::new(&["NODE", "TRIT", "LOAD", "CORES", "ρ", "RUNS", "QUEUED"]);
    for node in &shown.nodes {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let cores = or_dash(node.cores.map(|cores| cores.to_string()));
        if !node.reached {
            let dash = || "-".to_owned();
            let why = if node.word.is_empty() { "unreachable" } else { &node.word };
            table.row([node.name.clone(), why.to_owned(), dash(), cores, dash(), dash(), dash()]);
            continue;
        }
        table.row([
            node.name.clone(),
            format!("{} {}", node.trit.map_or_else(String::new, sign), node.word),
            or_dash(node.load.map(|load| format!("{load:.2}"))),
            cores,
            or_dash(node.rho.map(|rho| format!("{rho:.2}"))),
            format!("{}/{}", node.running, node.slots),
            node.queued.to_string(),
        ]);
    }
    let mut out = Vec::new();
    // Into memory: it cannot fail.
    let _written = table.write(&mut out);
    format!("{}\n{}", String::from_utf8_lossy(&out), together(shown))
}

fn together(shown: &BalanceView) -> String {
    let BalanceView { plus, zero, minus, sum, mod3, parity, because, .. } = shown;
    let sum = if *sum == 0 { "0".to_owned() } else { format!("{sum:+}") };
    format!(
        "P {plus}, Z {zero}, M {minus}: S = {sum}, modulo 3 {}, parity trit {}\n{because}\n",
        sign(*mod3),
        sign(*parity)
    )
}

fn idle(node: &HostView) -> String {
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    let cores = node.cores.map_or_else(|| "-".to_owned(), |cores| cores.to_string());
    format!(
        "{}: load {} on {cores} cores, {} a core, {} of {} slots free",
        node.name,
        figure(node.load),
        figure(node.rho),
        node.slots.saturating_sub(node.running),
        node.slots
    )
}

fn plan(shown: &BalanceView, apply: bool) -> String {
    let mut text = together(shown);
    if shown.required {
        text += match shown.mode.as_str() {
            "strict" => "tasks that wait go from overloaded nodes to idle ones:\n",
            _ => "tasks that wait go by free slots, however loaded the machines are:\n",
        };
    }
    for it in &shown.moves {
        let done = match (apply, it.applied) {
            (false, _) => "would go",
            (true, true) => "were asked for",
            (true, false) => "were not asked for, the receiver has no room now or does not answer",
        };
        text += &format!("{} tasks {done}: {} -> {} (unevenness falls by {:.1})\n", it.tasks, it.from, it.to, it.falls);
    }
    if shown.deferred > 0 {
        text += &format!("{} tasks of this node were put off until nodes are idle\n", shown.deferred);
    }
    if let (Some(wish), Some(seconds)) = (&shown.wish, shown.wish_seconds) {
        let what = if wish == "more" { "another machine would help" } else { "an idle machine could sleep" };
        text += &format!("{what}: so it has been for {seconds} s\n");
    }
    if !shown.required {
        text += match (shown.mode.as_str(), shown.sum) {
            ("strict", ..=0) => "nothing moves: the mode is strict, and no more nodes are overloaded than idle\n",
            _ => "nothing is required: no task that may go would be done earlier elsewhere\n",
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use tern_node::control::api::balance::MoveView;

    fn shown() -> BalanceView {
        let host = |name: &str, trit: i8, word: &str, load: f64| HostView {
            name: name.to_owned(),
            reached: true,
            trit: Some(trit),
            word: word.to_owned(),
            rho: Some(load / 4.0),
            load: Some(load),
            cores: Some(4),
            running: 1,
            slots: 4,
            queue_trit: Some(-1),
            ..HostView::default()
        };
        BalanceView {
            plus: 1,
            minus: 1,
            parity: 0,
            because: "1 overloaded and 1 idle: they help each other".to_owned(),
            nodes: vec![
                host("laptop", 1, "overloaded", 3.9),
                host("pi", -1, "idle", 0.2),
                HostView { name: "nas".to_owned(), cores: Some(2), ..HostView::default() },
            ],
            idle: vec!["pi".to_owned()],
            ..BalanceView::default()
        }
    }

    #[test]
    fn hosts_with_their_loads_and_the_sum() {
        expect![[r"
            NODE    TRIT           LOAD  CORES  ρ     RUNS  QUEUED
            laptop  +1 overloaded  3.90  4      0.97  1/4   0
            pi      -1 idle        0.20  4      0.05  1/4   0
            nas     unreachable    -     2      -     -     -

            P 1, Z 0, M 1: S = 0, modulo 3 0, parity trit 0
            1 overloaded and 1 idle: they help each other
        "]]
        .assert_eq(&hosts(&shown()));
        assert_eq!(idle(&shown().nodes[1]), "pi: load 0.20 on 4 cores, 0.05 a core, 3 of 4 slots free");
    }

    #[test]
    fn a_plan_says_what_would_go_or_that_nothing_is_required() {
        assert!(plan(&shown(), false).contains("nothing is required"));
        let it = MoveView { from: "laptop".to_owned(), to: "pi".to_owned(), tasks: 3, falls: 12.0, applied: false };
        let planned = BalanceView { required: true, moves: vec![it], ..shown() };
        assert!(plan(&planned, false).contains("3 tasks would go: laptop -> pi (unevenness falls by 12.0)"));
    }
}
