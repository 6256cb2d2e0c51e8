//! The loop: a picture a second, keys at once, and an end in order.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::Event;
use ratatui::layout::Rect;
use tern_node::control::{Door, Entry};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::draw::{draw, rows};
use super::look::{Look, Next};
use super::picture::Picture;
use super::screen::Screen;
use crate::cli::failure::USAGE;
use crate::cli::{Context, Failure, Outcome};

/// Between two pictures.
const EVERY: Duration = Duration::from_secs(1);
/// Columns of a frame that no terminal bounds.
const COLUMNS: u16 = 120;

#[derive(Debug, Clone, Copy, Args)]
pub struct TopArgs {
    /// Print one frame as text and end
    #[arg(long)]
    pub once: bool,
}

pub async fn top(context: &Context, args: TopArgs) -> Outcome {
    let terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    if !(terminal || args.once || context.printer.json) {
        let message = "this is no terminal: `tern top --once` prints one frame, and `tern top --json` its numbers";
        return Err(Failure::new(USAGE, "no_terminal", message));
    }
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let picture = Picture::take(&door).await?;
    if context.printer.json {
        context.printer.value(&picture)?;
    } else if args.once {
        print(context, &picture)?;
    } else {
        live(context, door, picture).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One frame as lines.
fn print(context: &Context, picture: &Picture) -> io::Result<()> {
    let width = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(COLUMNS);
    let area = Rect::new(0, 0, width, rows(picture));
    let mut buffer = Buffer::empty(area);
    draw(picture, &Look::default(), None, area, &mut buffer);
    let mut out = context.printer.out();
    for row in 0..area.height.saturating_sub(1) {
        let line: String = (0..area.width).map(|column| buffer[(column, row)].symbol()).collect();
        writeln!(out, "{}", line.trim_end())?;
    }
    out.flush()
}

async fn live(context: &Context, door: Door, mut picture: Picture) -> Result<(), Failure> {
    let mut look = Look { colour: context.printer.coloured(), ..Look::default() };
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let (to_screen, mut pictures) = mpsc::channel(1);
    let taking = tokio::spawn(take_pictures(door, to_screen));
    let mut screen = Screen::take()?;
    let mut trouble: Option<String> = None;
    let ended = loop {
        let drawn = screen.terminal.draw(|frame| {
            let area = frame.area();
            draw(&picture, &look, trouble.as_deref(), area, frame.buffer_mut());
        });
        if let Err(error) = drawn {
            break Err(error.into());
        }
        tokio::select! {
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            _ = hangup.recv() => break Ok(()),
            event = screen.events.recv() => match event {
                Some(Event::Key(key)) if look.key(key) == Next::Quit => break Ok(()),
                // A new size is seen when it is drawn.
                Some(_) => {}
                None => break Ok(()),
            },
            Some(next) = pictures.recv() => match next {
                Ok(next) => (picture, trouble) = (next, None),
                Err(why) => trouble = Some(why),
            },
        }
    };
    taking.abort();
    ended
}

/// A task of its own: an agent that comes back may take its time, and keys must not wait for it.
async fn take_pictures(door: Door, to_screen: mpsc::Sender<Result<Picture, String>>) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let picture = Picture::take(&door).await.map_err(|error| error.to_string());
        if to_screen.send(picture).await.is_err() {
            return;
        }
    }
}
