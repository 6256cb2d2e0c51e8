use super::*;
use alloc::format;
use alloc::string::{String, ToString};
use expect_test::{Expect, expect};

fn template(words: &[&str], shell: Option<&str>) -> Template {
    let words: Vec<Bytes> = words.iter().map(|word| (*word).into()).collect();
    Template::parse(&words, shell.map(String::from), true).expect("there are words")
}

fn check(words: &[&str], columns: &[&str], expected: &Expect) {
    let columns: Vec<Bytes> = columns.iter().map(|column| (*column).into()).collect();
    let argv = template(words, None).render(&columns, 7);
    expected.assert_eq(&argv.iter().map(|word| format!("[{word}]")).collect::<Vec<_>>().concat());
}

fn check_text(words: &[&str], columns: &[&str], expected: &Expect) {
    let columns: Vec<Bytes> = columns.iter().map(|column| (*column).into()).collect();
    let argv = template(words, Some("/bin/sh")).render(&columns, 7);
    assert_eq!((argv.len(), argv[0].to_string(), argv[1].to_string()), (3, "/bin/sh".into(), "-c".into()));
    expected.assert_eq(&argv[2].to_string());
}

#[test]
fn a_command_without_a_place_gets_its_arguments_at_the_end() {
    check(&["echo"], &["a b"], &expect!["[echo][a b]"]);
    check(&["echo"], &["a", "b"], &expect!["[echo][a][b]"]);
    check(&["echo", "{#}"], &["a"], &expect!["[echo][7]"]);
    let bare = Template::parse(&["echo".into()], None, false).map(|template| template.render(&["a".into()], 1));
    assert_eq!(bare, Ok(vec!["echo".into()]));
    assert_eq!(Template::parse(&[], None, true), Err(TemplateError::Empty));
}

#[test]
fn columns_are_named_from_the_front_and_from_the_back() {
    check(&["{2}", "{1}", "{-1}", "{-2}"], &["a", "b"], &expect!["[b][a][b][a]"]);
    check(&["x", "{3}", "{-3}", "y{3}"], &["a", "b"], &expect!["[x][y]"]);
    check(&["x", "{99999999}"], &["a"], &expect!["[x]"]);
    check(&["{0}", "{01}", "{1 /.}"], &["q/a.b"], &expect!["[q/a.b][q/a.b][a]"]);
    check(&["x", "{1}", ""], &[""], &expect!["[x][][]"]);
}

#[test]
fn several_columns_in_one_place_are_several_words() {
    check(&["{}", "x{}y", "{}{}"], &["1", "2"], &expect!["[1][2][x1][2y][1][21][2]"]);
    check(&["a", "{}"], &[], &expect!["[a]"]);
    check(&["a", "x{}y"], &[], &expect!["[a][xy]"]);
}

#[test]
fn what_only_looks_like_a_place_stays() {
    check(&["{{}}", "{x}", "{", "}", "{ }", "{-}", "{..}"], &["a"], &expect!["[{a}][{x}][{][}][{ }][{-}][{..}]"]);
}

#[test]
fn paths_are_cut_as_parallel_cuts_them() {
    let paths = [
        "a.b", "a", ".a", "x/.a", "a.", "a..", "d.d/a", "d/a.b.c", "/a", "/", "a/", "d.d/", "//a", "a//b", "d//b/",
        ".", "..", "../a", "./a.b", "", ".a.b", "a.b/c.d/", "///", "x/..",
    ];
    let table = paths.map(|path| {
        let cut = |form: Form| Bytes(form.cut(path.as_bytes())).to_string();
        let forms = [Form::NoExtension, Form::Base, Form::Folder, Form::BaseNoExtension].map(cut);
        format!("{path} → {}\n", forms.join(" | "))
    });
    expect![[r"
        a.b → a | a.b | . | a
        a → a | a | . | a
        .a →  | .a | . | 
        x/.a → x/ | .a | x | 
        a. → a | a. | . | a
        a.. → a. | a.. | . | a.
        d.d/a → d.d/a | a | d.d | a
        d/a.b.c → d/a.b | a.b.c | d | a.b
        /a → /a | a | / | a
        / → / |  | / | 
        a/ → a/ |  | . | 
        d.d/ → d.d/ |  | . | 
        //a → //a | a | / | a
        a//b → a//b | b | a | b
        d//b/ → d//b/ |  | d | 
        . →  | . | . | 
        .. → . | .. | . | .
        ../a → ../a | a | .. | a
        ./a.b → ./a | a.b | . | a
         →  |  | . | 
        .a.b → .a | .a.b | . | .a
        a.b/c.d/ → a.b/c.d/ |  | a.b | 
        /// → /// |  | / | 
        x/.. → x/. | .. | x | .
    "]]
    .assert_eq(&table.concat());
}

#[test]
fn a_shell_gets_one_text_with_quoted_values() {
    check_text(&["echo {} | wc"], &["a b"], &expect!["echo 'a b' | wc"]);
    check_text(&["echo", "a  b"], &["it's", "x"], &expect![[r#"echo a  b 'it'"'"'s' x"#]]);
    check_text(&["{}"], &["echo a; b"], &expect!["echo a; b"]);
    check_text(&["A={}; echo"], &["a b"], &expect!["A='a b'; echo"]);
    check_text(&["echo", "{3}", "x"], &["a"], &expect!["echo  x"]);
}

#[test]
fn a_command_is_shown_as_it_would_be_typed() {
    let shown = template(&["awk", "{print $1}", "x{/}y", "k={}"], None).show(&["d/a b".into(), "c".into()], 1);
    expect!["awk '{print $1}' x'a b' cy k='d/a b' c"].assert_eq(&shown.to_string());
}
