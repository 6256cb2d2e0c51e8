//! How far a copy is: a bar on a terminal, nothing in a pipe, and a line for everything that a person should know.

use std::io::IsTerminal;
use std::time::Instant;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tern_node::files::wire::{Event, Summary};

use crate::cli::print::{Printer, plain};

const FRAMES_PER_SECOND: u8 = 10;
const TEMPLATE: &str = "{bar:32} {bytes}/{total_bytes} {bytes_per_sec} eta {eta}";
/// Characters of a remark of another node.
const WIDTH: usize = 300;

/// What a person sees of a copy.
pub struct Show {
    printer: Printer,
    bar: Option<ProgressBar>,
    began: Instant,
    /// Who got a shared file, and its load in thousandths.
    pub chosen: Option<(String, u16)>,
}

impl Show {
    pub fn new(printer: Printer, quiet: bool) -> Self {
        let watched = !quiet && !printer.json && std::io::stderr().is_terminal();
        let bar = watched.then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(FRAMES_PER_SECOND);
            let bar = ProgressBar::with_draw_target(None, target);
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                bar.set_style(style);
            }
            bar
        });
        Self { printer, bar, began: Instant::now(), chosen: None }
    }

    pub fn event(&mut self, event: Event) {
        match (event, &self.bar) {
            (Event::Total { bytes, .. }, Some(bar)) => bar.set_length(bytes),
            (Event::Progress { bytes }, Some(bar)) => bar.set_position(bytes),
            (Event::Chosen { node, rho_milli, .. }, _) => self.chosen = Some((node, rho_milli)),
            (Event::Note { text }, _) => self.remark(&text),
            _ => {}
        }
    }

    fn remark(&self, text: &str) {
        let text = plain(text, WIDTH);
        match &self.bar {
            Some(bar) => bar.suspend(|| self.printer.remark(&text)),
            None => self.printer.remark(&text),
        }
    }

    /// Takes the bar away; where there was one it leaves a line.
    pub fn finish(&mut self, summary: &Summary) {
        for refused in &summary.refused {
            self.remark(&format!("not copied: {refused}"));
        }
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            self.printer.remark(&line(summary, self.began.elapsed().as_secs_f64()));
        }
    }
}

fn line(summary: &Summary, seconds: f64) -> String {
    let moved = summary.bytes.saturating_sub(summary.resumed_bytes);
    let rate = HumanBytes((moved as f64 / seconds.max(1e-3)) as u64);
    let mut text = format!("{} file(s), {} in {seconds:.1} s ({rate}/s)", summary.files, HumanBytes(summary.bytes));
    if summary.hops > 1 {
        text.push_str(&format!(", over {} hops", summary.hops));
    }
    if summary.resumed_bytes > 0 {
        text.push_str(&format!(", {} of it were there from before", HumanBytes(summary.resumed_bytes)));
    }
    if summary.unchanged > 0 {
        text.push_str(&format!(", {} unchanged", summary.unchanged));
    }
    text
}
