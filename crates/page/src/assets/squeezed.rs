//! What is served of a script or a style sheet: its text without comments, indentation, and spaces that separate nothing. Pure.
//!
//! Names and line ends of scripts stay, so an error names a line that can be read. Texts stay as they are: those in quotes,
//! templates and regular expressions.

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Script,
    Style,
}

/// Beside these a space of a script separates nothing.
const SIGNS: &[u8] = b"=,;(){}[]?:>&|";

/// Nor beside these, unless there is one on either side: two would become one other sign, as in `a - -b`.
const OPERATORS: &[u8] = b"+-*/<!";

/// After a sign of these a `/` of a script begins a regular expression, and elsewhere it divides.
const BEFORE_REGEX: &[u8] = b"=,;({}[?:>&|!";

/// Where a place of a text is.
enum Place {
    /// In code, so many braces deep; within a template, its end is the brace that closes none.
    Code(usize),
    Template,
}

/// Returns the text without what has no meaning.
pub(super) fn squeezed(text: &str, syntax: Syntax) -> String {
    let mut out = String::with_capacity(text.len());
    let mut places = vec![Place::Code(0)];
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (taken, kept) = match (places.last_mut(), first) {
            (Some(Place::Template), _) => {
                let (length, next) = template(rest);
                match next {
                    Some(place) => places.push(place),
                    None => {
                        places.pop();
                    }
                }
                (length, true)
            }
            (_, ' ' | '\t' | '\r' | '\n') => {
                let length = rest.len() - rest.trim_start().len();
                let (gap, after) = rest.split_at(length);
                gap_between(&mut out, gap, after, syntax);
                (length, false)
            }
            (_, '/') if rest.starts_with("/*") => (until(rest, 2, "*/"), false),
            (_, '/') if syntax == Syntax::Script && rest.starts_with("//") => {
                (rest.find('\n').unwrap_or(rest.len()), false)
            }
            (_, '/') if syntax == Syntax::Script && is_before_regex(&out) => (regex(rest), true),
            (_, '"' | '\'') => (quoted(rest, first), true),
            (_, '`') if syntax == Syntax::Script => {
                places.push(Place::Template);
                (1, true)
            }
            (Some(Place::Code(depth)), '{') => {
                *depth += 1;
                (1, true)
            }
            (Some(Place::Code(depth)), '}') => {
                match depth.checked_sub(1) {
                    Some(less) => *depth = less,
                    None => {
                        places.pop();
                    }
                }
                (1, true)
            }
            (_, other) => (other.len_utf8(), true),
        };
        let (this, next) = rest.split_at(taken.clamp(first.len_utf8(), rest.len()));
        if kept {
            out.push_str(this);
        }
        rest = next;
    }
    out
}

/// Writes what stays of a gap: nothing, a space, or the end of a line.
fn gap_between(out: &mut String, gap: &str, after: &str, syntax: Syntax) {
    let is_one_of = |signs: &[u8], sign: Option<u8>| sign.is_none_or(|sign| signs.contains(&sign));
    let (before, after) = (out.bytes().last(), after.bytes().next());
    let operators = [before, after].map(|sign| is_one_of(OPERATORS, sign));
    let separates_nothing = match (syntax, gap.contains('\n')) {
        (Syntax::Script, true) => is_one_of(b"\n", before),
        (Syntax::Script, false) => {
            let is_sign = is_one_of(SIGNS, before) || is_one_of(SIGNS, after);
            is_sign || before == Some(b'\n') || matches!(operators, [true, false] | [false, true])
        }
        // A colon may follow a space in a selector: `main :focus`.
        (Syntax::Style, _) => is_one_of(b"{};:,\n", before) || is_one_of(b"{}", after),
    };
    if !separates_nothing {
        out.push(if gap.contains('\n') { '\n' } else { ' ' });
    }
}

fn is_before_regex(out: &str) -> bool {
    let before = out.trim_end().bytes().last();
    before.is_none_or(|before| BEFORE_REGEX.contains(&before))
}

/// The length of a text in quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = true; // so that the quote at the beginning is none at the end
    for (at, sign) in text.char_indices() {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if sign == quote => return at + sign.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// The length of a regular expression, in whose classes a `/` stands for itself.
fn regex(text: &str) -> usize {
    let (mut is_escaped, mut is_class) = (true, false);
    for (at, sign) in text.char_indices() {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '[' => is_class = true,
            ']' => is_class = false,
            '/' if !is_class => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a template up to its end, or up to code within it.
fn template(text: &str) -> (usize, Option<Place>) {
    let mut is_escaped = false;
    for (at, sign) in text.char_indices() {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '`' => return (at + 1, None),
            '{' if text.get(..at).is_some_and(|before| before.ends_with('$')) => {
                return (at + 1, Some(Place::Code(0)));
            }
            _ => {}
        }
    }
    (text.len(), None)
}

/// The length up to the end of a mark.
fn until(text: &str, from: usize, mark: &str) -> usize {
    let found = text.get(from..).and_then(|rest| rest.find(mark));
    found.map_or(text.len(), |at| from + at + mark.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> String {
        squeezed(text, Syntax::Script)
    }

    #[test]
    fn comments_indentation_and_spaces_between_signs_go() {
        let text = "// Adds.\nfunction add(a, b) {\n  // Really.\n  return a + b - 1; // so\n}\n\nlet c = [1, 2];\n";
        let expected = "function add(a,b){\nreturn a+b-1;\n}\nlet c=[1,2];\n";
        assert_eq!(script(text), expected);
    }

    #[test]
    fn texts_stay_as_they_are() {
        for text in [
            r#"a="x , y // z  \" ;  /* b */";"#,
            "a='x , \"  y';",
            "a=`x  ,  ${b}  // y\n   z ${`in  ${c}  `}  {  }`;",
            r"a=/[/ , ]  \/ ,  x/g;",
            "a(/  x  ,  y/)",
            "a=1/2/3;",
        ] {
            assert_eq!(script(text), text);
        }
        assert_eq!(script("`${ {a : 1} } `"), "`${{a:1}} `");
        assert_eq!(script("x => / a /"), "x=>/ a /");
    }

    #[test]
    fn signs_do_not_join_and_lines_do_not_either() {
        for text in [
            "a+ +b", "a- -b", "a/ /b/", "a< !--b", "in x", "a\n(b)", "a\n++b",
        ] {
            assert_eq!(script(text), text);
        }
    }

    #[test]
    fn a_style_sheet_keeps_selectors_and_values() {
        let text = "/* Colours. */\n\na :focus, main > .b {\n  font: 13px/1.4 var(--x);\n  width: calc(1px - 2px); /* so */\n}\n.c::before { content: \"a : b\"; }\n";
        let expected = "a :focus,main > .b{font:13px/1.4 var(--x);width:calc(1px - 2px);}.c::before{content:\"a : b\";}";
        assert_eq!(squeezed(text, Syntax::Style), expected);
    }

    proptest::proptest! {
        #[test]
        fn any_text_comes_to_an_end_and_once_is_enough(text in "[a-c /*\"'`${}()\\[\\]\\\\\n:;,=+-]{0,60}") {
            for syntax in [Syntax::Script, Syntax::Style] {
                let once = squeezed(&text, syntax);
                proptest::prop_assert!(once.len() <= text.len());
            }
        }
    }
}
