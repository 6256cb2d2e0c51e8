//! The terminal: taken for a while, and given back however it ends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use tokio::sync::mpsc;

/// How soon the reader of keys notices that nobody wants any more.
const KEYS_LOOK: Duration = Duration::from_millis(100);
/// Keys that may wait; what is typed faster is lost.
const KEYS_MAX: usize = 64;

/// The whole screen. Dropping it gives it back; a panic does so before it speaks.
pub struct Screen {
    pub terminal: DefaultTerminal,
    pub events: mpsc::Receiver<Event>,
    over: Arc<AtomicBool>,
}

impl Screen {
    /// # Errors
    /// The terminal cannot be switched.
    pub fn take() -> io::Result<Self> {
        // It also sees to the screen when something panics.
        let terminal = ratatui::try_init()?;
        let over = Arc::new(AtomicBool::new(false));
        let (keys, events) = mpsc::channel(KEYS_MAX);
        let until = Arc::clone(&over);
        let reader = std::thread::Builder::new().name("tern-keys".to_owned()).spawn(move || read(&keys, &until));
        let screen = Self { terminal, events, over };
        reader.map(|_| screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        ratatui::restore();
    }
}

fn read(keys: &mpsc::Sender<Event>, over: &AtomicBool) {
    while !over.load(Relaxed) {
        match event::poll(KEYS_LOOK).and_then(|some| if some { event::read().map(Some) } else { Ok(None) }) {
            // Full: whoever types so fast types again.
            Ok(Some(event)) => drop(keys.try_send(event)),
            Ok(None) => {}
            // The terminal is gone; the other end sees that the channel is closed.
            Err(_) => return,
        }
    }
}
