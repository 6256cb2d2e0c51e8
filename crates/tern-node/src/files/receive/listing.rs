//! A list of files as it comes from the node that has them. Nothing in it is believed to be short: what a list may fill has a limit,
//! and what cannot be a name is refused before it is kept.

use std::path::PathBuf;

use crate::files::names;
use crate::files::source::ENTRIES_MAX;
use crate::files::wire::{Entry, Form, Kind, Listed, Trouble, short};

/// Bytes of all names, paths and links in one list.
const LIST_BYTES_MAX: usize = 64 << 20;
/// Lines of one list: its entries, and as much again that is skipped or begins a source.
const LINES_MAX: usize = 2 * ENTRIES_MAX;
/// Refusals that are told one by one; more are counted.
const REFUSED_TOLD_MAX: usize = 100;
/// Bytes of these together. They go out in one message, which is twice as long where it is written as JSON.
const REFUSED_BYTES_MAX: usize = 48 * 1024;

/// All that one source is.
pub struct Source {
    pub title: PathBuf,
    pub entries: Vec<Entry>,
}

impl Source {
    /// Whether it is a single file.
    pub fn is_file(&self) -> bool {
        matches!(self.entries.first().map(|entry| &entry.form), Some(Form::File { .. }))
    }
}

/// What has come of a list.
pub struct Listing {
    pub sources: Vec<Source>,
    wanted: usize,
    lines: usize,
    bytes: usize,
}

impl Listing {
    /// Of so many sources.
    pub fn new(wanted: usize) -> Self {
        Self { sources: Vec::new(), wanted, lines: 0, bytes: 0 }
    }

    /// Takes one line. True: it was the last one.
    ///
    /// # Errors
    /// [`Trouble`]: nothing was written.
    pub fn hear(&mut self, line: Listed, refused: &mut Refused) -> Result<bool, Trouble> {
        self.lines += 1;
        if self.lines > LINES_MAX {
            return Err(refusal("a list without an end"));
        }
        let complete = self.sources.len() == self.wanted;
        match line {
            Listed::End if complete => return Ok(true),
            Listed::Source { title } if !complete => {
                let title = names::single(&title).ok_or_else(|| refused_name(&title))?;
                self.sources.push(Source { title, entries: Vec::new() });
            }
            Listed::End | Listed::Source { .. } => return Err(refusal("a list of other sources than were named")),
            Listed::Entry(entry) => self.keep(entry)?,
            Listed::Skipped { why, .. } => refused.add(why),
            Listed::Failed(trouble) => return Err(trouble),
        }
        Ok(false)
    }

    fn keep(&mut self, entry: Entry) -> Result<(), Trouble> {
        let elsewhere = match &entry.form {
            Form::File { path, .. } => path.len(),
            Form::Link { target } => target.len(),
            Form::Folder => 0,
        };
        let longest = entry.name.len().max(elsewhere);
        if longest > names::PATH_BYTES_MAX {
            return Err(refusal(&format!("a list with a path of {longest} bytes, which no system has")));
        }
        self.bytes += entry.name.len() + elsewhere;
        if self.bytes > LIST_BYTES_MAX {
            let most = LIST_BYTES_MAX >> 20;
            return Err(refusal(&format!("the names of all files have more than {most} MiB: copy them in parts")));
        }
        let source = self.sources.last_mut().ok_or_else(|| refusal("a list that begins in its middle"))?;
        source.entries.push(entry);
        Ok(())
    }
}

/// Of a whole list, before anything of it was done.
fn refusal(what: &str) -> Trouble {
    Trouble::new(Kind::Refused, format!("{what}. Nothing was written"))
}

/// What is said of a name that is not believed.
pub fn refused_name(name: &[u8]) -> Trouble {
    let name = String::from_utf8_lossy(name).into_owned();
    Trouble::new(Kind::Refused, format!("the name {name:?} would lead elsewhere. Nothing was written for it"))
}

/// What is not copied, and why.
#[derive(Default)]
pub struct Refused {
    told: Vec<String>,
    bytes: usize,
    untold: u64,
}

impl Refused {
    pub fn add(&mut self, why: String) {
        let why = short(why);
        if self.told.len() == REFUSED_TOLD_MAX || self.bytes + why.len() > REFUSED_BYTES_MAX {
            self.untold += 1;
            return;
        }
        self.bytes += why.len();
        self.told.push(why);
    }

    /// All of it in words.
    pub fn words(mut self) -> Vec<String> {
        if self.untold > 0 {
            self.told.push(format!("{} more", self.untold));
        }
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::names::PATH_BYTES_MAX;
    use crate::files::wire::{Event, MESSAGE_BYTES_MAX, Summary};

    fn begun() -> (Listing, Refused) {
        let (mut listing, mut refused) = (Listing::new(1), Refused::default());
        assert!(!listing.hear(Listed::Source { title: b"x".to_vec() }, &mut refused).expect("it begins"));
        (listing, refused)
    }

    fn entry(name: usize, form: Form) -> Listed {
        Listed::Entry(Entry { name: vec![b'a'; name], mode: 0o644, form })
    }

    #[test]
    fn what_no_system_would_call_a_file_is_refused_on_arrival() {
        let file = |path| Form::File { path: vec![b'a'; path], size: 1 };
        let link = |target| Form::Link { target: vec![b'a'; target] };
        for (name, form, fits) in [
            (PATH_BYTES_MAX, file(PATH_BYTES_MAX), true),
            (PATH_BYTES_MAX + 1, file(1), false),
            (1, file(PATH_BYTES_MAX + 1), false),
            (1, link(PATH_BYTES_MAX), true),
            (1, link(PATH_BYTES_MAX + 1), false),
            (PATH_BYTES_MAX + 1, Form::Folder, false),
        ] {
            let (mut listing, mut refused) = begun();
            let heard = listing.hear(entry(name, form), &mut refused);
            assert_eq!(heard.map_err(|trouble| trouble.kind), if fits { Ok(false) } else { Err(Kind::Refused) });
        }
    }

    #[test]
    fn a_list_ends_before_it_fills_the_memory() {
        let (mut listing, mut refused) = begun();
        let mut lines = 0;
        let trouble = loop {
            let line = entry(PATH_BYTES_MAX, Form::Link { target: vec![b'a'; PATH_BYTES_MAX] });
            match listing.hear(line, &mut refused) {
                Ok(_) => lines += 1,
                Err(trouble) => break trouble,
            }
        };
        assert_eq!((lines * 2 * PATH_BYTES_MAX, trouble.kind), (LIST_BYTES_MAX, Kind::Refused));
        assert!(trouble.message.contains("64 MiB"), "{trouble}");

        let (mut listing, mut refused) = begun();
        let skipped = || Listed::Skipped { name: Vec::new(), why: String::new() };
        let lines = (1..=LINES_MAX).find(|_| listing.hear(skipped(), &mut refused).is_err());
        assert_eq!(lines, Some(LINES_MAX));
    }

    #[test]
    fn a_list_has_the_sources_that_were_named() {
        let mut refused = Refused::default();
        let source = || Listed::Source { title: b"x".to_vec() };
        assert!(Listing::new(1).hear(Listed::End, &mut refused).is_err());
        assert!(Listing::new(1).hear(entry(0, Form::Folder), &mut refused).is_err());
        let (mut listing, mut refused) = begun();
        assert!(listing.hear(source(), &mut refused).is_err(), "one more than was named");
        let (mut listing, mut refused) = begun();
        assert_eq!(listing.hear(Listed::End, &mut refused), Ok(true));
    }

    #[test]
    fn the_end_of_a_copy_fits_into_one_message_whatever_was_refused() {
        for letter in ["a", "\"", "\u{1b}", "\u{e9}"] {
            let mut refused = Refused::default();
            (0..200).for_each(|_| refused.add(letter.repeat(MESSAGE_BYTES_MAX / letter.len())));
            let words = refused.words();
            assert!(words.len() > 40 && words.last().is_some_and(|last| last.ends_with("more")), "{}", words.len());
            let target = tern_core::words::Bytes::from(letter.repeat(PATH_BYTES_MAX / letter.len()).as_str());
            let done = Event::Done(Summary { refused: words, target, ..Summary::default() });
            assert!(postcard::to_stdvec(&done).expect("it has a form").len() <= MESSAGE_BYTES_MAX);
            assert!(serde_json::to_vec(&done).expect("it has a form").len() <= MESSAGE_BYTES_MAX);
        }
        let mut refused = Refused::default();
        (0..=REFUSED_TOLD_MAX).for_each(|_| refused.add("a socket".to_owned()));
        assert_eq!(refused.words().pop().as_deref(), Some("1 more"));
    }
}
