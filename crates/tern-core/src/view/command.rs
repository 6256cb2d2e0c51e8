//! A command as a person would write it: places as `{}`, words with blanks in quotes.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::words::Bytes;
use crate::words::quote;
use crate::words::template::{Form, Piece, Template};

/// Characters shown at most; a longer command is cut with an ellipsis.
const SHOWN_MAX: usize = 400;

/// The text of a template.
#[must_use]
pub fn command_text(template: &Template) -> String {
    let mut text = String::new();
    for word in &template.words {
        if !text.is_empty() {
            text.push(' ');
        }
        for piece in word {
            show_piece(&mut text, piece, template.shell.is_some());
        }
        if text.len() > SHOWN_MAX {
            let cut = text.char_indices().map(|(at, _)| at).take(SHOWN_MAX).last().unwrap_or(0);
            text.truncate(cut);
            text.push('…');
            return text;
        }
    }
    text
}

fn show_piece(to: &mut String, piece: &Piece, shell: bool) {
    let written = match piece {
        Piece::Literal(bytes) if shell => write!(to, "{bytes}"),
        Piece::Literal(bytes) => {
            let mut quoted = Vec::new();
            quote::word(bytes, &mut quoted);
            write!(to, "{}", Bytes(quoted))
        }
        Piece::Number => write!(to, "{{#}}"),
        Piece::Place { column, form } => {
            let form = match form {
                Form::Whole => "",
                Form::NoExtension => ".",
                Form::Base => "/",
                Form::Folder => "//",
                Form::BaseNoExtension => "/.",
            };
            match column {
                Some(column) => write!(to, "{{{column}{form}}}"),
                None => write!(to, "{{{form}}}"),
            }
        }
    };
    // Writing into a String cannot fail.
    debug_assert!(written.is_ok());
}
