//! A function fits on a screen.

use super::lexer::{line_of, matching, words};
use super::{Report, Source};

/// Lines of a function, signature and closing brace included; more is a note.
const LINES_GOOD: usize = 50;
/// Lines that a function may have at all.
const LINES_MAX: usize = 60;

/// Measures every function outside tests.
pub fn judge(source: &Source, report: &mut Report) {
    if source.is_test() {
        return;
    }
    for (name, line, lines) in functions(&source.product) {
        let place = format!("{}:{line}: `{name}` has {lines} lines", source.path);
        if lines > LINES_MAX {
            report.findings.push(format!("{place}; {LINES_MAX} is the end: give its steps names of their own"));
        } else if lines > LINES_GOOD {
            report.notes.push(format!("{place}; {LINES_GOOD} read well"));
        }
    }
}

/// Name, first line and length of each function that has a body.
fn functions(code: &str) -> Vec<(&str, usize, usize)> {
    let mut found = Vec::new();
    let mut all = words(code).peekable();
    while let Some((place, word)) = all.next() {
        let Some(&(start, name)) = all.peek() else { break };
        // `fn(u8)` is a type: no name follows it directly.
        if word != "fn" || !code[place + 2..start].trim().is_empty() {
            continue;
        }
        if let Some(open) = body(code, start) {
            let (first, last) = (line_of(code, place), line_of(code, matching(code, open) - 1));
            found.push((name, first, last - first + 1));
        }
    }
    found
}

/// The brace that opens a body, or None for a declaration that ends with `;`.
fn body(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0i32;
    for (offset, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(offset),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::functions;

    #[test]
    fn bodies_are_measured_and_types_and_declarations_passed_over() {
        let code = "trait T { fn a(&self) -> [u8; 2]; }\nfn b(f: fn(u8) -> u8) {\n  if x {\n  }\n}\nconst fn c() {}\n";
        assert_eq!(functions(code), [("b", 2, 4), ("c", 6, 1)]);
    }
}
