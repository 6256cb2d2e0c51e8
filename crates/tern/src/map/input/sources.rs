//! Sources of arguments and their combination.
//!
//! Several sources are combined as nested loops, the last varying fastest; a source linked with `:::+` or `::::+` is
//! read in step with the one before it and ends with the shorter. An empty source among others counts as one empty
//! argument, as in parallel. Everything is read before anything starts, so a missing file starts nothing.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use tern_core::words::{Bytes, limits};

use super::colsep::Pattern;
use crate::map::error::MapError;

/// What the words after the options say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The words before the first `:::`.
    pub command: Vec<Bytes>,
    pub sources: Vec<Source>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    pub from: From,
    /// Read in step with the source before it.
    pub linked: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum From {
    Words(Vec<Bytes>),
    /// `-` is standard input.
    File(PathBuf),
}

impl Sources {
    /// Cuts words at `:::` and its kin; `-a` files come first; standard input is read where nothing else is named.
    ///
    /// # Errors
    /// [`MapError::NoFile`], [`MapError::InputTwice`]
    pub fn read(words: Vec<OsString>, arg_files: Vec<PathBuf>) -> Result<Self, MapError> {
        let file = |path, linked| Source { from: From::File(path), linked };
        let mut sources: Vec<Source> = arg_files.into_iter().map(|path| file(path, false)).collect();
        let mut words = words.into_iter().peekable();
        let is_mark = |word: &OsString| matches!(word.as_bytes(), b":::" | b"::::" | b":::+" | b"::::+");
        let mut command = Vec::new();
        while let Some(word) = words.next_if(|word| !is_mark(word)) {
            command.push(Bytes(word.into_vec()));
        }
        while let Some(mark) = words.next() {
            let mark = mark.as_bytes();
            let linked = mark.ends_with(b"+");
            let mut group = Vec::new();
            while let Some(word) = words.next_if(|word| !is_mark(word)) {
                group.push(word);
            }
            if !mark.starts_with(b"::::") {
                let group = group.into_iter().map(|word| Bytes(word.into_vec())).collect();
                sources.push(Source { from: From::Words(group), linked });
            } else if group.is_empty() {
                return Err(MapError::NoFile);
            } else {
                sources.extend(group.into_iter().map(|path| file(path.into(), linked)));
            }
        }
        if sources.is_empty() {
            sources.push(file("-".into(), false));
        }
        if sources.iter().filter(|source| source.is_stdin()).count() > 1 {
            return Err(MapError::InputTwice);
        }
        Ok(Self { command, sources })
    }

    /// Whether standard input is one of them.
    #[must_use]
    pub fn read_stdin(&self) -> bool {
        self.sources.iter().any(Source::is_stdin)
    }
}

impl Source {
    fn is_stdin(&self) -> bool {
        matches!(&self.from, From::File(path) if path.as_os_str() == "-")
    }

    /// Its records.
    fn records(self, end: u8, stdin: &mut dyn Read) -> Result<Vec<Bytes>, MapError> {
        match self.from {
            From::Words(words) => Ok(words),
            From::File(path) => {
                let content = content(&path, stdin).map_err(|cause| MapError::Input { path: path.clone(), cause })?;
                let records: Vec<Bytes> = cut(&content, end).map(Bytes::from).collect();
                match records.iter().position(|record| record.contains(&0)) {
                    Some(at) => Err(MapError::Nul { name: name(&path), record: at + 1 }),
                    None => Ok(records),
                }
            }
        }
    }
}

fn name(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".into() } else { path.display().to_string() }
}

fn content(path: &Path, stdin: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    if path.as_os_str() != "-" {
        return std::fs::read(path);
    }
    let mut content = Vec::new();
    stdin.read_to_end(&mut content)?;
    Ok(content)
}

/// Records that end with `end`; the last may lack it.
fn cut(content: &[u8], end: u8) -> impl Iterator<Item = &[u8]> {
    let content = content.strip_suffix(&[end]).map_or((content, !content.is_empty()), |content| (content, true));
    let records = content.1.then(|| content.0.split(move |&byte| byte == end));
    records.into_iter().flatten()
}

/// How records become rows.
pub struct Shape<'a> {
    /// Records end with NUL.
    pub null: bool,
    pub colsep: Option<&'a Pattern>,
    /// Records a row (`-n`).
    pub max_args: Option<u32>,
}

/// Reads all sources and makes the rows, one a task.
///
/// # Errors
/// [`MapError`]: input that cannot be read, NUL bytes, too many tasks.
pub fn rows(sources: Vec<Source>, shape: &Shape<'_>, stdin: &mut dyn Read) -> Result<Vec<Vec<Bytes>>, MapError> {
    let end = if shape.null { b'\0' } else { b'\n' };
    let mut groups: Vec<Vec<Vec<Bytes>>> = Vec::new();
    for source in sources {
        let linked = source.linked;
        let records = source.records(end, stdin)?;
        match groups.last_mut() {
            Some(group) if linked => group.push(records),
            _ => groups.push(vec![records]),
        }
    }
    let combined = combine(groups, shape.max_args.unwrap_or(1))?;
    let combined = match shape.colsep {
        None => combined,
        Some(pattern) => {
            combined.into_iter().map(|row| row.iter().flat_map(|record| pattern.columns(record)).collect()).collect()
        }
    };
    Ok(match shape.max_args {
        None | Some(1) => combined,
        Some(0) => combined.iter().map(|_| Vec::new()).collect(),
        Some(count) => combined.chunks(count as usize).map(<[Vec<Bytes>]>::concat).collect(),
    })
}

/// All combinations of groups, the last fastest; a group is sources read in step.
fn combine(mut groups: Vec<Vec<Vec<Bytes>>>, max_args: u32) -> Result<Vec<Vec<Bytes>>, MapError> {
    if groups.iter().flatten().all(Vec::is_empty) {
        return Ok(Vec::new());
    }
    for records in groups.iter_mut().flatten().filter(|records| records.is_empty()) {
        records.push(Bytes::default());
    }
    let length = |group: &Vec<Vec<Bytes>>| group.iter().map(Vec::len).min().unwrap_or(0);
    let count = groups.iter().map(length).fold(1u64, |count, length| count.saturating_mul(length as u64));
    let tasks = count.div_ceil(u64::from(max_args.max(1)));
    // The records themselves are bounded too, so that -n cannot make the product of the sources unbounded.
    if tasks > u64::from(limits::TASKS_PER_JOB_MAX) || count > u64::from(limits::TASKS_PER_JOB_MAX) * 8 {
        return Err(MapError::TooManyTasks { tasks });
    }
    if let [group] = groups.as_mut_slice()
        && let [records] = group.as_mut_slice()
    {
        return Ok(std::mem::take(records).into_iter().map(|record| vec![record]).collect());
    }
    let mut rows = vec![Vec::new()];
    for group in &groups {
        let steps = length(group);
        let mut longer = Vec::with_capacity(rows.len() * steps);
        for row in &rows {
            for step in 0..steps {
                let mut row = row.clone();
                row.extend(group.iter().map(|records| records[step].clone()));
                longer.push(row);
            }
        }
        rows = longer;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
