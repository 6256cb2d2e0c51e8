//! A command with places for its arguments.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::bytes::Bytes;

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
    /// `{}` and its forms; `column` from 1 for `{2}`, none for all columns.
    Place {
        column: Option<u16>,
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
        let _ = append;
        if words.is_empty() {
            return Err(TemplateError::Empty);
        }
        Ok(Self { words: words.iter().map(|word| alloc::vec![Piece::Literal(word.clone())]).collect(), shell })
    }

    /// The argument vector of one task. `number` counts from 1.
    #[must_use]
    pub fn render(&self, columns: &[Bytes], number: u32) -> Vec<Bytes> {
        let _ = (columns, number);
        Vec::new()
    }
}
