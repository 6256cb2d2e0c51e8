//! The pattern of `--colsep`: the part of Perl's patterns that people separate columns with.
//!
//! Text, `.`, escapes (`\t`, `\s`, `\|` …), classes (`[,;]`, `[^a-z]`), `?`, `*` and `+` after any of these, and `|`
//! between alternatives. Groups, counts and anchors are refused by name: a pattern library would cost more than the
//! rest of this command, and works on text, while arguments are bytes.

use std::str::FromStr;

use tern_core::words::Bytes;

/// A parsed pattern: alternatives, the first that matches wins.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<Vec<Step>>);

#[derive(Clone, Debug)]
struct Step {
    /// Which of the 256 bytes it matches.
    set: Box<[bool; 256]>,
    least: usize,
    /// Whether more than one may follow one another.
    many: bool,
}

impl Pattern {
    /// # Errors
    /// A sentence for the user.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut alternatives = vec![Vec::new()];
        let mut rest = text.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            if byte == b'|' {
                alternatives.push(Vec::new());
                rest = after;
                continue;
            }
            let (set, after) = atom(byte, after).map_err(|fault| format!("`{text}` as a column separator: {fault}"))?;
            let (least, many, after) = quantifier(after);
            if let Some(steps) = alternatives.last_mut() {
                steps.push(Step { set, least, many });
            }
            rest = after;
        }
        if alternatives.iter().any(|steps| steps.iter().all(|step| step.least == 0)) {
            return Err(format!("`{text}` as a column separator can match nothing at all; let it match something"));
        }
        Ok(Self(alternatives))
    }

    /// Cuts a record into columns and trims white space from each, as parallel does with `--colsep`.
    #[must_use]
    pub fn columns(&self, record: &[u8]) -> Vec<Bytes> {
        let mut columns = Vec::new();
        let mut start = 0;
        let mut at = 0;
        while at < record.len() {
            match self.0.iter().find_map(|steps| matched(steps, &record[at..])) {
                Some(length) => {
                    columns.push(trimmed(&record[start..at]));
                    at += length;
                    start = at;
                }
                None => at += 1,
            }
        }
        columns.push(trimmed(&record[start..]));
        columns
    }
}

impl FromStr for Pattern {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

fn trimmed(column: &[u8]) -> Bytes {
    column.trim_ascii().into()
}

/// The length of the match at the start of `text`: greedy, with backtracking. Steps are few and their depth is the
/// pattern's own length.
fn matched(steps: &[Step], text: &[u8]) -> Option<usize> {
    let Some((step, rest)) = steps.split_first() else { return Some(0) };
    let most = if step.many { text.len() } else { 1.min(text.len()) };
    let run = text[..most].iter().take_while(|&&byte| step.set[usize::from(byte)]).count();
    (step.least..=run).rev().find_map(|length| Some(length + matched(rest, &text[length..])?))
}

type Set = Box<[bool; 256]>;

fn only(bytes: &[u8]) -> Set {
    let mut set = Box::new([false; 256]);
    for &byte in bytes {
        set[usize::from(byte)] = true;
    }
    set
}

/// One thing to match, and what follows it.
fn atom(first: u8, rest: &[u8]) -> Result<(Set, &[u8]), String> {
    match first {
        b'.' => {
            let mut set = Box::new([true; 256]);
            set[usize::from(b'\n')] = false;
            Ok((set, rest))
        }
        b'[' => class(rest),
        b'\\' => escape(rest),
        b'(' | b')' | b'^' | b'$' | b'{' | b'}' => Err(format!(
            "`{0}` is not supported; groups, counts and anchors are not; `\\{0}` is the sign itself",
            char::from(first)
        )),
        b'?' | b'*' | b'+' => Err(format!("there is nothing that `{}` could repeat", char::from(first))),
        byte => Ok((only(&[byte]), rest)),
    }
}

fn quantifier(rest: &[u8]) -> (usize, bool, &[u8]) {
    match rest.split_first() {
        Some((b'?', after)) => (0, false, after),
        Some((b'*', after)) => (0, true, after),
        Some((b'+', after)) => (1, true, after),
        _ => (1, false, rest),
    }
}

/// What stands after a backslash.
fn escape(rest: &[u8]) -> Result<(Set, &[u8]), String> {
    let Some((&byte, after)) = rest.split_first() else { return Err("it ends with a backslash".into()) };
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let space = |byte: u8| byte.is_ascii_whitespace() || byte == 0x0b;
    let those = |test: &dyn Fn(u8) -> bool| {
        let mut set = Box::new([false; 256]);
        for byte in 0..=u8::MAX {
            set[usize::from(byte)] = test(byte);
        }
        set
    };
    let set = match byte {
        b't' => only(b"\t"),
        b'n' => only(b"\n"),
        b'r' => only(b"\r"),
        b'f' => only(b"\x0c"),
        b'0' => only(b"\0"),
        b's' => those(&space),
        b'S' => those(&|byte| !space(byte)),
        b'd' => those(&|byte| byte.is_ascii_digit()),
        b'D' => those(&|byte| !byte.is_ascii_digit()),
        b'w' => those(&word),
        b'W' => those(&|byte| !word(byte)),
        byte if byte.is_ascii_alphanumeric() => return Err(format!("`\\{}` is not supported", char::from(byte))),
        byte => only(&[byte]),
    };
    Ok((set, after))
}

/// What stands after `[`, up to its `]`.
fn class(mut rest: &[u8]) -> Result<(Set, &[u8]), String> {
    let negated = rest.first() == Some(&b'^');
    if negated {
        rest = &rest[1..];
    }
    let mut set: Set = Box::new([false; 256]);
    let mut first = true;
    loop {
        let Some((&byte, after)) = rest.split_first() else { return Err("a `[` is never closed".into()) };
        rest = after;
        match byte {
            b']' if !first => break,
            b'\\' => {
                let (escaped, after) = escape(rest)?;
                set.iter_mut().zip(escaped.iter()).for_each(|(all, one)| *all |= one);
                rest = after;
            }
            0x80.. => return Err("only ASCII may stand in a class".into()),
            from => {
                let to = match rest {
                    [b'-', to, ..] if *to != b']' => {
                        rest = &rest[2..];
                        *to
                    }
                    _ => from,
                };
                if to < from || to == b'\\' || !to.is_ascii() {
                    return Err(format!("`{}-{}` is no range", char::from(from), char::from(to)));
                }
                (from..=to).for_each(|byte| set[usize::from(byte)] = true);
            }
        }
        first = false;
    }
    if negated {
        set.iter_mut().for_each(|one| *one = !*one);
    }
    Ok((set, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, record: &str, expected: &[&str]) {
        let columns = Pattern::parse(pattern).expect("is valid").columns(record.as_bytes());
        assert_eq!(columns, expected.iter().map(|&column| column.into()).collect::<Vec<Bytes>>(), "{pattern}");
    }

    #[test]
    fn records_are_cut_where_perl_cuts_them() {
        check(",", "a,b,,c,", &["a", "b", "", "c", ""]);
        check(",", "", &[""]);
        check(r"\t", "a\tb c", &["a", "b c"]);
        check("[,;]", "a,b;c", &["a", "b", "c"]);
        check(" +", "a   b c", &["a", "b", "c"]);
        check(r"\s*,\s*", " a , b,c ", &["a", "b", "c"]);
        check(r"\.", "a.b", &["a", "b"]);
        check(".", "ab", &["", "", ""]);
        check(r"::|\|", "a::b|c", &["a", "b", "c"]);
        check("ab?c", "1ac2abc3", &["1", "2", "3"]);
        check("a*ab", "1aaab2", &["1", "2"]);
        check("[^a-z]", "a1b", &["a", "b"]);
        check("[]-]", "a]b-c", &["a", "b", "c"]);
        check(r"[\s,]+", "a , b", &["a", "b"]);
        check("ß", "aßb", &["a", "b"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_cut_too() {
        let columns = Pattern::parse(",").expect("is valid").columns(b"\xff,\xfe");
        assert_eq!(columns, [Bytes(vec![0xff]), Bytes(vec![0xfe])]);
    }

    #[test]
    fn patterns_beyond_that_are_refused() {
        for pattern in ["(a)", "a{2}", "^a", "a$", "a*", "", "a|", "*", "[a", "a\\", r"\b", "[z-a]", "a++", "x?"] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
