//! Text that a process chose for itself, made safe for a terminal.

/// One line of at most `width` characters, without anything that moves a cursor or turns the direction of writing.
pub fn plain(text: &str, width: usize) -> String {
    let mut line = String::new();
    for (at, letter) in text.chars().enumerate() {
        if at + 1 == width && text.chars().nth(width).is_some() {
            line.push('…');
            break;
        }
        line.push(if letter.is_control() || is_turning(letter) { '?' } else { letter });
    }
    line
}

/// Marks that let a text look like another one.
const fn is_turning(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_name_cannot_move_the_cursor_or_turn_the_line() {
        assert_eq!(plain("a\x1b[2Jb\nc\u{202e}d", 80), "a?[2Jb?c?d");
        assert_eq!(plain("abcdef", 4), "abc…");
        assert_eq!(plain("abcd", 4), "abcd");
        assert_eq!(plain("", 4), "");
    }
}
