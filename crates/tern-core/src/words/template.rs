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
