//! The log of events: what happened on this node, one line a fact, for `tern kpi` and for anybody's own figures.
//!
//! Its lines are those of [`tern_core::observe::kpi::line`]. They are written together, about once a second; what a machine wrote in
//! the second before it lost its power is missing, and no work ever waits for it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tern_core::observe::kpi::{Event, Gather, Line};
use tern_core::words::{Now, Span};

use super::file::LineFile;
use crate::home::Home;

/// Bytes of the file; there is one older beside it. About 350 000 ends of tasks.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Lines wait so long for others …
const FLUSH_EVERY: Span = Span::secs(1);
/// … or until they are so many bytes.
const PENDING_BYTES: usize = 256 << 10;
/// Bytes of one line: more than the greatest batch of ends.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// A file that is put aside while it is read is looked for again so often.
const READ_TRIES: u32 = 3;

/// Where lines go; nowhere for a node that lives as long as a command.
#[derive(Debug)]
pub struct EventLog {
    file: Option<LineFile>,
    /// Boot time at which what waits is written.
    due: Option<u64>,
    /// When the first line that waits was added, and whether it begins a life: then it says itself how the node stands.
    first: Option<(Now, bool)>,
}

impl EventLog {
    #[must_use]
    pub fn new(home: &Home, keeps: bool) -> Self {
        Self { file: keeps.then(|| LineFile::new(home.events(), FILE_BYTES_MAX)), due: None, first: None }
    }

    #[must_use]
    pub const fn keeps(&self) -> bool {
        self.file.is_some()
    }

    #[must_use]
    pub const fn due(&self) -> Option<u64> {
        self.due
    }

    pub fn add(&mut self, now: Now, event: Event) {
        let Some(file) = &mut self.file else { return };
        self.first.get_or_insert((now, matches!(event, Event::Began(_))));
        file.add(&Line { at_ms: now.wall_ms, mono_ns: now.mono, event });
        let full = file.pending() >= PENDING_BYTES;
        let due = if full { now.boot } else { now.boot + FLUSH_EVERY };
        self.due = Some(self.due.map_or(due, |at| at.min(due)));
    }

    /// Writes what waits. `first` tells how the node stands, for a file that begins with it.
    ///
    /// # Errors
    /// The system's; it is tried again after a while.
    pub fn flush(&mut self, now: Now, first: impl FnOnce() -> Event) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        self.due = None;
        let Some((at, begins)) = self.first else { return Ok(()) };
        let line = || {
            if begins {
                return Vec::new();
            }
            let line = Line { at_ms: at.wall_ms, mono_ns: at.mono, event: first() };
            let mut text = serde_json::to_vec(&line).unwrap_or_default();
            text.push(b'\n');
            text
        };
        let written = file.flush(line);
        if file.pending() == 0 {
            self.first = None;
        }
        if written.is_err() {
            self.due = Some(now.boot + FLUSH_EVERY);
        }
        written
    }
}

/// What the files say of the time since then, in Unix milliseconds; 0: of all of it. Where there is no file that is nothing.
///
/// # Errors
/// The system's.
pub fn read(home: &Home, since_ms: u64) -> io::Result<Gather> {
    let path = home.events();
    let (mut old, mut new) = (None, None);
    for _ in 0..READ_TRIES {
        (new, old) = (open(&path)?, open(&LineFile::old(&path))?);
        // Put aside between the two, it would be read twice; before both, the older one would be missing.
        let same = number(old.as_ref()) == number(new.as_ref());
        if new.is_none() || (!same && number(open(&path)?.as_ref()) == number(new.as_ref())) {
            break;
        }
    }
    if number(old.as_ref()) == number(new.as_ref()) {
        old = None;
    }
    let mut gather = Gather::since(since_ms);
    for file in [old, new].into_iter().flatten() {
        read_lines(BufReader::new(file), &mut gather)?;
    }
    Ok(gather)
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn number(file: Option<&File>) -> Option<u64> {
    file.and_then(|file| file.metadata().ok()).map(|meta| meta.ino())
}

fn read_lines(mut file: impl BufRead, gather: &mut Gather) -> io::Result<()> {
    let mut text = Vec::new();
    loop {
        text.clear();
        let read = io::Read::take(&mut file, LINE_BYTES_MAX).read_until(b'\n', &mut text)?;
        match text.strip_suffix(b"\n") {
            None if read == 0 => return Ok(()),
            Some(b"") => {}
            // The last one may be about to be written; a longer one than any is damage and comes in pieces.
            None if (read as u64) < LINE_BYTES_MAX => {}
            None => gather.unreadable(),
            Some(line) => match serde_json::from_slice::<Line>(line) {
                Ok(line) => gather.take(&line),
                Err(_) => gather.unreadable(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tern_core::observe::kpi::line::Standing;
    use tern_core::observe::kpi::{End, How, Tag};
    use tern_core::words::JobId;

    const ME: Tag = Tag(0x7ba7_a0c1);

    fn at(second: u64) -> Now {
        let ns = second * 1_000_000_000;
        Now { boot: ns, mono: ns, wall_ms: second * 1_000 }
    }

    fn standing() -> Standing {
        Standing { node: ME, slots: 2, open: 2, cpus: 2, speed_milli: None, left: 0 }
    }

    fn ended(second: u64) -> Event {
        let tasks = vec![End(0, second * 1_000 - 500, 500_000_000, Some(3), How::Done, true)];
        let job = JobId::new(ME.0, 1);
        Event::Ended { job, round: 0, on: ME, slots: 1, queued_ms: Some(second * 1_000 - 900), tasks, left: 0 }
    }

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::new(folder.path());
        (folder, home)
    }

    #[test]
    fn a_line_is_what_a_script_expects() {
        let line = Line { at_ms: 5_000, mono_ns: 7, event: ended(5) };
        expect_test::expect![[r#"{"at_ms":5000,"mono_ns":7,"event":{"ended":{"job":"1-7ba7a0c1","round":0,"on":"7ba7a0c1","slots":1,"queued_ms":4100,"tasks":[[0,4500,500000000,3,"done",true]],"left":0}}}"#]]
        .assert_eq(&serde_json::to_string(&line).expect("JSON"));
    }

    #[test]
    fn a_node_of_one_command_writes_nothing() {
        let (_folder, home) = home();
        let mut log = EventLog::new(&home, false);
        log.add(at(1), ended(1));
        assert_eq!((log.keeps(), log.due()), (false, None));
        log.flush(at(2), || ended(2)).expect("nothing to do");
        assert!(!home.events().exists());
        let none = read(&home, 0).expect("no file is no trouble").report();
        assert_eq!((none.lines, none.from_ms), (0, None));
    }

    #[test]
    fn a_long_log_is_put_aside_and_the_new_one_says_how_the_node_stands() {
        let (_folder, home) = home();
        let mut log = EventLog::new(&home, true);
        log.add(at(1), Event::Began(standing()));
        for second in 2..260_000 {
            log.add(at(second), ended(second));
            if log.due().is_some_and(|due| due <= at(second).boot) {
                log.flush(at(second), || Event::Continues(standing())).expect("written");
            }
        }
        let old = LineFile::old(&home.events());
        for path in [&old, &home.events()] {
            let bytes = std::fs::metadata(path).expect("a file").len();
            assert!(bytes <= FILE_BYTES_MAX, "{bytes}");
        }
        let first = std::fs::read_to_string(home.events()).expect("text");
        assert!(first.lines().next().expect("a line").contains("continues"), "{}", &first[..200]);
        let all = read(&home, 0).expect("read").report();
        assert!(all.tasks.done > 80_000 && all.unreadable == 0, "{all:?}");
        // Half a second of each that is seen, on two slots.
        let used = all.figures.utilisation.expect("measured");
        assert!((used - 0.25).abs() < 1e-4, "{used}");
        // A torn line is left out, and the next is whole.
        log.flush(at(260_000), || Event::Continues(standing())).expect("written");
        let all = read(&home, 0).expect("read").report();
        let mut torn = std::fs::OpenOptions::new().append(true).open(home.events()).expect("the file");
        torn.write_all(b"{\"at_ms\":7,\"ev").expect("torn");
        let mut log = EventLog::new(&home, true);
        log.add(at(300_000), ended(300_000));
        log.flush(at(300_000), || panic!("the file is not new")).expect("written");
        let more = read(&home, 0).expect("read").report();
        assert_eq!((more.unreadable, more.tasks.done), (1, all.tasks.done + 1));
        assert_eq!(read(&home, 300_000_000).expect("read").report().tasks.done, 1);
    }
}
