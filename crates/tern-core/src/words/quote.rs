//! Quoting as a POSIX shell reads it, without a shell.
//!
//! [`split`] cuts a command that was given as one text into words: quotes and backslashes are understood, and anything
//! that would need a shell (pipes, variables, globs …) is refused with its position instead of being taken literally,
//! since the same line means something else in a terminal. [`value`] and [`word`] go the other way.

use alloc::vec::Vec;
use core::fmt;

use super::bytes::Bytes;

/// Why a text cannot be split without a shell. `at` counts bytes from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitError {
    pub at: usize,
    pub what: SplitFault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitFault {
    /// An unquoted byte to which a shell gives a meaning.
    Meta(u8),
    /// `NAME=value` before the command.
    Assignment,
    /// A word such as `if` or `!` in the place of the command.
    Keyword,
    /// `{a,b}` or `{1..9}`.
    Braces,
    /// A quote that is opened and not closed.
    Unclosed(u8),
    /// A backslash with nothing after it.
    LoneBackslash,
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at + 1;
        match self.what {
            SplitFault::Meta(b'\n') => write!(f, "an unquoted newline at position {at}"),
            SplitFault::Meta(byte) => write!(f, "an unquoted `{}` at position {at}", char::from(byte)),
            SplitFault::Assignment => write!(f, "a variable assignment before the command at position {at}"),
            SplitFault::Keyword => write!(f, "a shell keyword as the command at position {at}"),
            SplitFault::Braces => write!(f, "an unquoted brace expansion at position {at}"),
            SplitFault::Unclosed(quote) => {
                write!(f, "a `{}` at position {at} that is never closed", char::from(quote))
            }
            SplitFault::LoneBackslash => write!(f, "a backslash at position {at} with nothing after it"),
        }
    }
}

impl core::error::Error for SplitError {}

impl SplitError {
    /// Whether a shell would understand the text.
    #[must_use]
    pub const fn needs_a_shell(&self) -> bool {
        !matches!(self.what, SplitFault::Unclosed(_) | SplitFault::LoneBackslash)
    }
}

/// Bytes with a meaning anywhere in an unquoted word.
const META: &[u8] = b"|&;<>()$`*?[\n";
/// Bytes with a meaning at the start of an unquoted word.
const META_AT_START: &[u8] = b"#~";
const KEYWORDS: [&[u8]; 11] =
    [b"if", b"for", b"while", b"until", b"case", b"select", b"function", b"!", b"{", b"[[", b"}"];

/// Splits `text` into words by the quoting rules of a POSIX shell.
///
/// # Errors
/// [`SplitError`] at the first thing that only a shell could do, or an open quote.
pub fn split(text: &[u8]) -> Result<Vec<Bytes>, SplitError> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte == b' ' || byte == b'\t' {
            at += 1;
            continue;
        }
        let start = at;
        let mut word = Vec::new();
        at = read_word(text, start, &mut word)?;
        if words.is_empty() {
            check_command(&text[start..at], start)?;
        }
        check_braces(&text[start..at], start)?;
        words.push(Bytes(word));
    }
    Ok(words)
}

/// Reads one word from `at`; returns where it ends.
fn read_word(text: &[u8], start: usize, word: &mut Vec<u8>) -> Result<usize, SplitError> {
    let fail = |at, what| Err(SplitError { at, what });
    let mut at = start;
    while let Some(&byte) = text.get(at) {
        match byte {
            b' ' | b'\t' => break,
            b'\'' => {
                let Some(length) = text[at + 1..].iter().position(|&byte| byte == b'\'') else {
                    return fail(at, SplitFault::Unclosed(byte));
                };
                word.extend_from_slice(&text[at + 1..at + 1 + length]);
                at += length + 2;
            }
            b'"' => at = read_double(text, at, word)?,
            b'\\' => match text.get(at + 1) {
                None => return fail(at, SplitFault::LoneBackslash),
                Some(b'\n') => at += 2,
                Some(&next) => {
                    word.push(next);
                    at += 2;
                }
            },
            _ if META.contains(&byte) || (at == start && META_AT_START.contains(&byte)) => {
                return fail(at, SplitFault::Meta(byte));
            }
            _ => {
                word.push(byte);
                at += 1;
            }
        }
    }
    Ok(at)
}

/// Reads what stands in double quotes from `open`; returns the position after the closing quote.
fn read_double(text: &[u8], open: usize, word: &mut Vec<u8>) -> Result<usize, SplitError> {
    let mut at = open + 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return Ok(at + 1),
            b'$' | b'`' => return Err(SplitError { at, what: SplitFault::Meta(byte) }),
            b'\\' => match text.get(at + 1) {
                Some(b'\n') => at += 2,
                Some(&next) if b"$`\"\\".contains(&next) => {
                    word.push(next);
                    at += 2;
                }
                _ => {
                    word.push(byte);
                    at += 1;
                }
            },
            _ => {
                word.push(byte);
                at += 1;
            }
        }
    }
    Err(SplitError { at: open, what: SplitFault::Unclosed(b'"') })
}

/// Refuses what is no program in the place of the command.
fn check_command(raw: &[u8], at: usize) -> Result<(), SplitError> {
    if KEYWORDS.contains(&raw) {
        return Err(SplitError { at, what: SplitFault::Keyword });
    }
    let name = raw.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if name > 0 && raw.get(name) == Some(&b'=') && !raw[0].is_ascii_digit() {
        return Err(SplitError { at, what: SplitFault::Assignment });
    }
    Ok(())
}

/// Refuses `{a,b}` and `{1..9}`, which most shells expand; `{}` and its forms have neither.
fn check_braces(raw: &[u8], at: usize) -> Result<(), SplitError> {
    if raw.iter().any(|byte| b"'\"\\".contains(byte)) {
        return Ok(());
    }
    let Some(open) = raw.iter().position(|&byte| byte == b'{') else { return Ok(()) };
    let Some(close) = raw.iter().rposition(|&byte| byte == b'}') else { return Ok(()) };
    let inner = raw.get(open..close).unwrap_or_default();
    let expands = inner.contains(&b',') || inner.windows(2).any(|pair| pair == b"..");
    if expands { Err(SplitError { at: at + open, what: SplitFault::Braces }) } else { Ok(()) }
}

/// Appends one argument quoted for a POSIX shell, in the very form that parallel uses: as it is where it holds only
/// letters, digits and `-_.+/`, else in single quotes.
pub fn value(value: &[u8], text: &mut Vec<u8>) {
    if value.is_empty() {
        text.extend_from_slice(b"''");
    } else if value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+/".contains(byte)) {
        text.extend_from_slice(value);
    } else {
        let start = text.len();
        single(value, text);
        if text[start..].starts_with(b"''") {
            text.drain(start..start + 2);
        }
        if text[start..].ends_with(b"''") {
            text.truncate(text.len() - 2);
        }
    }
}

/// Appends a word of a command as a person would type it: quoted only where a shell would read it otherwise.
pub fn word(word: &[u8], text: &mut Vec<u8>) {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+/=:,@%^]{}!".contains(byte) || *byte >= 0x80;
    if word.is_empty() {
        text.extend_from_slice(b"''");
    } else if word.iter().all(plain) {
        text.extend_from_slice(word);
    } else {
        single(word, text);
    }
}

/// In single quotes; a single quote itself stands in double ones.
fn single(value: &[u8], text: &mut Vec<u8>) {
    text.push(b'\'');
    for &byte in value {
        if byte == b'\'' {
            text.extend_from_slice(br#"'"'"'"#);
        } else {
            text.push(byte);
        }
    }
    text.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: &Expect) {
        let shown = match split(text.as_bytes()) {
            Ok(words) => words.iter().map(|word| format!("[{word}]")).collect::<Vec<_>>().concat(),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        check("  echo  a\tb ", &expect!["[echo][a][b]"]);
        check(r#"a'b c'"d e"f\ g"#, &expect!["[ab cd ef g]"]);
        check(r#""" '' x"#, &expect!["[][][x]"]);
        check(r#""a\"b\\c\d'e""#, &expect![[r#"[a"b\c\d'e]"#]]);
        check(r"'a\b' \'", &expect![r"[a\b][']"]);
        check("a\\\nb", &expect!["[ab]"]);
        check(r#"echo '$HOME * | ;' "a;b*""#, &expect!["[echo][$HOME * | ;][a;b*]"]);
        check("x#y a~b {} {/.} {2/} c={}", &expect!["[x#y][a~b][{}][{/.}][{2/}][c={}]"]);
        check("", &expect![""]);
    }

    #[test]
    fn what_only_a_shell_can_do_is_refused_with_its_position() {
        check("echo a | wc", &expect!["an unquoted `|` at position 8"]);
        check("echo $HOME", &expect!["an unquoted `$` at position 6"]);
        check("echo \"a $b\"", &expect!["an unquoted `$` at position 9"]);
        check("ls *.txt", &expect!["an unquoted `*` at position 4"]);
        check("a\nb", &expect!["an unquoted newline at position 2"]);
        check("echo # x", &expect!["an unquoted `#` at position 6"]);
        check("ls ~/x", &expect!["an unquoted `~` at position 4"]);
        check("A=b echo", &expect!["a variable assignment before the command at position 1"]);
        check("if true", &expect!["a shell keyword as the command at position 1"]);
        check("echo x{a,b}", &expect!["an unquoted brace expansion at position 7"]);
        check("echo 'a", &expect!["a `'` at position 6 that is never closed"]);
        check("echo \"a", &expect![[r#"a `"` at position 6 that is never closed"#]]);
        check("echo a\\", &expect![[r"a backslash at position 7 with nothing after it"]]);
    }

    #[test]
    fn values_are_quoted_in_the_form_that_parallel_uses() {
        let quoted = |text: &str| {
            let mut out = Vec::new();
            value(text.as_bytes(), &mut out);
            Bytes(out).to_string()
        };
        let all = ["", "a-b_c.d+e/f", "a b", "it's", "'", "''", "é", "a=b", "~"].map(quoted).join("\n");
        expect![[r#"
            ''
            a-b_c.d+e/f
            'a b'
            'it'"'"'s'
            "'"
            "'"''"'"
            'é'
            'a=b'
            '~'"#]]
        .assert_eq(&all);
    }

    proptest::proptest! {
        #[test]
        fn what_was_quoted_is_split_into_the_same_words(words in proptest::collection::vec("\\PC*", 1..5)) {
            let mut typed = Vec::new();
            for word in &words {
                value(word.as_bytes(), &mut typed);
                typed.push(b' ');
            }
            let expected: Vec<Bytes> = words.iter().map(|word| word.as_str().into()).collect();
            // A keyword is quoted by nobody, and rightly: only as an argument it is a word like any other.
            if let Ok(read) = split(&typed) { proptest::prop_assert_eq!(read, expected); }
            else { proptest::prop_assert!(KEYWORDS.contains(&words[0].as_bytes())); }
        }
    }
}
