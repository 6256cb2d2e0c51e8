//! A command as a person would write it: places as `{}`, words with blanks in quotes.

use alloc::string::String;
use core::fmt::Write;

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
        let mut shown = String::new();
        for piece in word {
            show_piece(&mut shown, piece);
        }
        let plain = |c: char| !c.is_whitespace() && !matches!(c, '\'' | '"' | '\\' | '$' | '`' | '&' | ';' | '|' | '<' | '>');
        if template.shell.is_none() && (shown.is_empty() || !shown.chars().all(plain)) {
            shown = alloc::format!("'{}'", shown.replace('\'', "'\\''"));
        }
        text.push_str(&shown);
        if text.len() > SHOWN_MAX {
            let cut = text.char_indices().map(|(at, _)| at).take(SHOWN_MAX).last().unwrap_or(0);
            text.truncate(cut);
            text.push('…');
            return text;
        }
    }
    text
}

fn show_piece(to: &mut String, piece: &Piece) {
    let written = match piece {
        Piece::Literal(bytes) => write!(to, "{bytes}"),
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
