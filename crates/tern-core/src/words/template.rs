//! A command with places for its arguments, with GNU parallel's meaning.
//!
//! `convert {} {.}.png` is three words; each word is made of literal pieces and places. A place is filled with one
//! column of the task's row (`{2}`, `{-1}` from the end) or with all of them (`{}`), cut as its form says.
//! Where `{}` stands for several columns, each after the first begins a word of its own: `x{}y` with `1 2` is the two
//! words `x1` and `2y`. A word made of nothing but columns that the row does not have is left out.
//! With a shell the words are one text, and what is put into it is quoted, so that no argument is ever read as code.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::bytes::Bytes;
use super::quote;

/// An argument vector in which each word is made of literal pieces and places.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    pub words: Vec<Word>,
    /// `--shell`: the words are one shell text; what is put into its places is quoted for the shell named here.
    pub shell: Option<String>,
}

pub type Word = Vec<Piece>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    Literal(Bytes),
    /// `{}` and its forms; `column` from 1 for `{2}`, from -1 for the last, none for all columns.
    Place {
        column: Option<i16>,
        form: Form,
    },
    /// `{#}`: the task's number, from 1.
    Number,
}

/// How an argument is cut before it is put into its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// `{}`
    Whole,
    /// `{.}`: without its extension.
    NoExtension,
    /// `{/}`: the last component.
    Base,
    /// `{//}`: the folder.
    Folder,
    /// `{/.}`: the last component without its extension.
    BaseNoExtension,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// No word at all.
    Empty,
}

impl Template {
    /// Reads places (`{}`, `{2/.}`, `{#}` …) out of words; where there is none, a `{}` word is added at the end if `append`.
    ///
    /// # Errors
    /// [`TemplateError`]
    pub fn parse(words: &[Bytes], shell: Option<String>, append: bool) -> Result<Self, TemplateError> {
        if words.is_empty() {
            return Err(TemplateError::Empty);
        }
        let mut words: Vec<Word> = words.iter().map(|word| pieces(word)).collect();
        let has_place = words.iter().flatten().any(|piece| !matches!(piece, Piece::Literal(_)));
        if append && !has_place {
            words.push(vec![Piece::Place { column: None, form: Form::Whole }]);
        }
        Ok(Self { words, shell })
    }

    /// The argument vector of one task. `number` counts from 1.
    #[must_use]
    pub fn render(&self, columns: &[Bytes], number: u32) -> Vec<Bytes> {
        if let Some(shell) = &self.shell {
            return vec![shell.as_str().into(), "-c".into(), self.show(columns, number)];
        }
        let mut argv = Vec::with_capacity(self.words.len() + columns.len());
        for word in &self.words {
            fill_word(word, columns, number, &mut argv);
        }
        argv
    }

    /// The command of one task as a person would type it into a shell; with a shell, the very text it is given.
    #[must_use]
    pub fn show(&self, columns: &[Bytes], number: u32) -> Bytes {
        let values = if self.shell.is_some() && self.begins_with_a_place() { Values::Raw } else { Values::Quoted };
        let mut text = Vec::new();
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                text.push(b' ');
            }
            for piece in word {
                match piece {
                    Piece::Literal(literal) if self.shell.is_some() => text.extend_from_slice(literal),
                    Piece::Literal(literal) => quote::word(literal, &mut text),
                    Piece::Number => number_into(number, &mut text),
                    Piece::Place { column, form } => {
                        for (nth, value) in chosen(columns, *column).iter().enumerate() {
                            if nth > 0 {
                                text.push(b' ');
                            }
                            match values {
                                Values::Raw => text.extend_from_slice(&form.cut(value)),
                                Values::Quoted => quote::value(&form.cut(value), &mut text),
                            }
                        }
                    }
                }
            }
        }
        Bytes(text)
    }

    /// As in parallel: where an argument is the command itself, it is meant as shell text and not quoted.
    fn begins_with_a_place(&self) -> bool {
        for piece in self.words.first().into_iter().flatten() {
            match piece {
                Piece::Literal(text) if text.iter().any(|byte| b" \t\n=".contains(byte)) => return false,
                Piece::Literal(_) => {}
                Piece::Place { .. } | Piece::Number => return true,
            }
        }
        false
    }
}

/// How values go into a text.
#[derive(Clone, Copy)]
enum Values {
    Quoted,
    Raw,
}

/// Appends the words that `word` becomes.
fn fill_word(word: &[Piece], columns: &[Bytes], number: u32, argv: &mut Vec<Bytes>) {
    let mut current: Option<Vec<u8>> = None;
    for piece in word {
        match piece {
            Piece::Literal(text) => current.get_or_insert_default().extend_from_slice(text),
            Piece::Number => number_into(number, current.get_or_insert_default()),
            Piece::Place { column, form } => {
                for (nth, value) in chosen(columns, *column).iter().enumerate() {
                    if nth > 0 {
                        argv.extend(current.take().map(Bytes));
                    }
                    current.get_or_insert_default().extend_from_slice(&form.cut(value));
                }
            }
        }
    }
    argv.extend(current.map(Bytes));
}

/// The columns that a place stands for: all, one, or none where the row has fewer.
fn chosen(columns: &[Bytes], column: Option<i16>) -> &[Bytes] {
    let index = match column {
        None | Some(0) => return columns,
        Some(column) if column > 0 => Some(column as usize - 1),
        Some(column) => columns.len().checked_sub(column.unsigned_abs().into()),
    };
    index.and_then(|index| columns.get(index..=index)).unwrap_or_default()
}

fn number_into(number: u32, text: &mut Vec<u8>) {
    text.extend_from_slice(alloc::format!("{number}").as_bytes());
}

/// Cuts a word at its places. What only looks like one (`{x}`, a lone brace) stays literal.
fn pieces(word: &[u8]) -> Word {
    let mut pieces = Vec::new();
    let mut literal = Vec::new();
    let mut rest = word;
    while let Some(&first) = rest.first() {
        if let Some((piece, length)) = place(rest) {
            if !literal.is_empty() {
                pieces.push(Piece::Literal(Bytes(core::mem::take(&mut literal))));
            }
            pieces.push(piece);
            rest = &rest[length..];
        } else {
            literal.push(first);
            rest = &rest[1..];
        }
    }
    if !literal.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Literal(Bytes(literal)));
    }
    pieces
}

/// The place that `text` begins with, and its length: `{`, a column or nothing, spaces after a column, a form, `}`.
fn place(text: &[u8]) -> Option<(Piece, usize)> {
    let inner = text.strip_prefix(b"{")?;
    let inner = &inner[..inner.iter().position(|&byte| byte == b'}')?];
    let length = inner.len() + 2;
    if inner == b"#" {
        return Some((Piece::Number, length));
    }
    let sign = usize::from(inner.first() == Some(&b'-'));
    let digits = inner[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (column, form) = if digits == 0 {
        (None, inner)
    } else {
        let (column, form) = inner.split_at(sign + digits);
        (Some(column_number(column)), form.trim_ascii_start())
    };
    let form = match form {
        b"" => Form::Whole,
        b"." => Form::NoExtension,
        b"/" => Form::Base,
        b"//" => Form::Folder,
        b"/." => Form::BaseNoExtension,
        _ => return None,
    };
    Some((Piece::Place { column, form }, length))
}

/// A number beyond `i16` names a column that no row has; it is kept at the end of the range.
fn column_number(text: &[u8]) -> i16 {
    let (negative, digits) = text.strip_prefix(b"-").map_or((false, text), |digits| (true, digits));
    let size = digits.iter().fold(0i16, |sum, digit| sum.saturating_mul(10).saturating_add(i16::from(digit - b'0')));
    if negative { -size } else { size }
}

impl Form {
    /// Cuts one argument.
    #[must_use]
    pub fn cut(self, path: &[u8]) -> Vec<u8> {
        match self {
            Self::Whole => path.to_vec(),
            Self::NoExtension => without_extension(path).to_vec(),
            Self::Base => base(path).to_vec(),
            Self::Folder => folder(path).to_vec(),
            Self::BaseNoExtension => without_extension(base(path)).to_vec(),
        }
    }
}

/// Up to the last dot of the last component, wherever it stands: `.profile` becomes nothing, `a.` becomes `a`.
fn without_extension(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| b"./".contains(byte)) {
        Some(at) if path[at] == b'.' => &path[..at],
        _ => path,
    }
}

/// After the last slash; nothing where the path ends with one. (parallel's own pattern stops at a newline; a name may
/// hold one, so this does not.)
fn base(path: &[u8]) -> &[u8] {
    path.iter().rposition(|&byte| byte == b'/').map_or(path, |at| &path[at + 1..])
}

/// Before the last slash, as Perl's `dirname`: `.` where there is none, slashes at its end dropped, `a/b/` is `a`.
fn folder(path: &[u8]) -> &[u8] {
    let parent = |path: &[u8]| path.iter().rposition(|&byte| byte == b'/').map(|at| at + 1);
    let Some(end) = parent(path) else { return b"." };
    let dir = without_end_slashes(&path[..end]);
    if end < path.len() {
        return dir;
    }
    match parent(dir) {
        Some(end) => without_end_slashes(&dir[..end]),
        None => b".",
    }
}

/// Drops slashes from the end, but never the first byte.
fn without_end_slashes(path: &[u8]) -> &[u8] {
    let kept = path.iter().rposition(|&byte| byte != b'/').unwrap_or(0);
    &path[..=kept]
}

#[cfg(test)]
mod tests;
