//! Where in a file a key stands.

use toml::de::{DeTable, DeValue};

/// The line of the syntax error in `text` with the parser's sentence, or None where it can be read.
pub(super) fn syntax_error(text: &str) -> Option<(usize, String)> {
    let error = DeTable::parse(text).err()?;
    let at = error.span().map_or(0, |span| span.start);
    Some((line_of(text, at), error.message().to_owned()))
}

/// The line of the deepest name of `path` that stands in `text`, from 1.
pub(super) fn line(text: &str, path: &[String]) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut at = None;
    let mut table = Some(document.get_ref());
    let mut array: Option<&[toml::Spanned<DeValue<'_>>]> = None;
    for name in path {
        let (span, value) = if let Some(items) = array.take() {
            let item = items.get(name.parse::<usize>().ok()?)?;
            (item.span(), item.get_ref())
        } else {
            let Some((key, value)) =
                table.and_then(|table| table.iter().find(|(key, _)| key.get_ref() == name.as_str()))
            else {
                break;
            };
            (key.span(), value.get_ref())
        };
        at = Some(span.start);
        table = value.as_table();
        array = value.as_array().map(|items| &items[..]);
    }
    at.map(|at| line_of(text, at))
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_at_its_line_in_tables_and_arrays() {
        let text = "slots = 4\n\n[trit]\nabove = 0.8\n\n[[peers]]\nkey = \"a\"\n[[peers]]\n  port = 3\n";
        let find = |path: &[&str]| line(text, &path.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(find(&["slots"]), Some(1));
        assert_eq!(find(&["trit", "above"]), Some(4));
        assert_eq!(find(&["peers", "1", "port"]), Some(9));
        assert_eq!(find(&["nowhere"]), None);
    }
}
