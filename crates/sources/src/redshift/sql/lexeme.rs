//! Cuts SQL into lexemes: words, strings, comments and signs, each with its place. It has no grammar, and is much cheaper
//! in time and memory than the parser, which gets only what is left once the form of a statement is known.

/// A lexeme: eight bytes, so that a text of many megabytes can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lexeme {
    start: u32,
    length_and_kind: u32,
}

/// What a lexeme is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Kind {
    /// A keyword or a name.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A string in single quotes, with `E` before it where the text has one.
    String,
    /// A string between dollar signs.
    Dollars,
    /// A number.
    Number,
    /// `$1`.
    Parameter,
    /// A comment of either kind.
    Comment,
    /// One character of anything else.
    Sign,
    /// What does not end: a string, a quoted name or a comment, up to the end of the text.
    Open,
}

/// The most bytes that are read: Redshift accepts statements of 16 MB.
/// <https://docs.aws.amazon.com/redshift/latest/dg/c_redshift-sql.html>
const MAX_BYTES: usize = 16 << 20;

/// The most lexemes of a text: 16 MB of memory. What follows is not read; a statement is that long only by its values.
const MAX_LEXEMES: usize = 2_000_000;

/// The longest lexeme, by the bits that there are for its length. [`MAX_BYTES`] is within.
const LENGTH_BITS: u32 = 28;

impl Lexeme {
    fn new(start: usize, end: usize, kind: Kind) -> Lexeme {
        // Both fit: no text is read beyond `MAX_BYTES`.
        Lexeme {
            start: start as u32,
            length_and_kind: (end - start) as u32 | (kind as u32) << LENGTH_BITS,
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self.length_and_kind >> LENGTH_BITS {
            0 => Kind::Word,
            1 => Kind::Quoted,
            2 => Kind::String,
            3 => Kind::Dollars,
            4 => Kind::Number,
            5 => Kind::Parameter,
            6 => Kind::Comment,
            7 => Kind::Sign,
            _ => Kind::Open,
        }
    }

    pub(super) fn start(self) -> usize {
        self.start as usize
    }

    pub(super) fn end(self) -> usize {
        self.start() + (self.length_and_kind & ((1 << LENGTH_BITS) - 1)) as usize
    }

    /// Its text.
    pub(super) fn of(self, text: &str) -> &str {
        text.get(self.start()..self.end()).unwrap_or_default()
    }
}

/// The lexemes of a text, and whether that is all of it.
pub(super) struct Lexemes {
    pub(super) all: Vec<Lexeme>,
    pub(super) complete: bool,
}

/// How strings end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backslash {
    /// A backslash takes the character after it along, as Redshift has it.
    Escapes,
    /// A backslash is a character: a text that was unescaped once too often may have `'\'`.
    Plain,
}

/// Reads the lexemes of `text`.
pub(super) fn lexemes(text: &str, backslash: Backslash) -> Lexemes {
    let mut all = Vec::with_capacity((text.len() / 5).min(MAX_LEXEMES));
    let mut at = 0;
    let limit = text.len().min(MAX_BYTES);
    while at < limit {
        if all.len() == MAX_LEXEMES {
            return Lexemes {
                all,
                complete: false,
            };
        }
        let Some((end, kind)) = next(text, at, backslash) else {
            at += 1;
            continue;
        };
        if end > MAX_BYTES {
            return Lexemes {
                all,
                complete: false,
            };
        }
        all.push(Lexeme::new(at, end, kind));
        at = end;
    }
    Lexemes {
        all,
        complete: limit == text.len(),
    }
}

/// The lexeme at a position: where it ends. None for white space.
fn next(text: &str, at: usize, backslash: Backslash) -> Option<(usize, Kind)> {
    let bytes = text.as_bytes();
    let rest = bytes.get(at..)?;
    Some(match rest {
        [b, ..] if b.is_ascii_whitespace() || *b == 0x0b => return None,
        [b'-', b'-', ..] => (end_of_line(bytes, at), Kind::Comment),
        [b'/', b'*', ..] => match end_of_comment(bytes, at) {
            Some(end) => (end, Kind::Comment),
            None => (bytes.len(), Kind::Open),
        },
        [b'\'', ..] => string(bytes, at, backslash),
        [b'e' | b'E', b'\'', ..] => string(bytes, at + 1, Backslash::Escapes),
        [b'"', ..] => match end_of_quoted(bytes, at) {
            Some(end) => (end, Kind::Quoted),
            None => (bytes.len(), Kind::Open),
        },
        [b'$', b, ..] if b.is_ascii_digit() => {
            (run(bytes, at + 1, |b| b.is_ascii_digit()), Kind::Parameter)
        }
        [b'$', ..] => dollars(text, at),
        [b, ..] if b.is_ascii_digit() => (number(bytes, at), Kind::Number),
        [b'.', b, ..] if b.is_ascii_digit() && !follows_name(bytes, at) => {
            (number(bytes, at), Kind::Number)
        }
        [b, ..] if is_name_start(*b) => (run(bytes, at, is_name), Kind::Word),
        _ => (at + 1, Kind::Sign),
    })
}

/// Letters, `_`, `#` of temporary tables, and all of UTF-8 beyond ASCII.
/// <https://docs.aws.amazon.com/redshift/latest/dg/r_names.html>
fn is_name_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b == b'#' || b >= 0x80
}

fn is_name(b: u8) -> bool {
    is_name_start(b) || b.is_ascii_digit() || b == b'$'
}

fn follows_name(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| bytes.get(at));
    before.is_some_and(|b| is_name(*b) || *b == b'"' || *b == b']' || *b == b')')
}

fn run(bytes: &[u8], from: usize, belongs: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().position(|b| !belongs(*b)).unwrap_or(rest.len())
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    run(bytes, from, |b| b != b'\n')
}

/// Comments of this kind nest, as in PostgreSQL.
fn end_of_comment(bytes: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = from;
    loop {
        match bytes.get(at..)? {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return Some(at);
                }
            }
            [] => return None,
            _ => at += 1,
        }
    }
}

fn string(bytes: &[u8], quote: usize, backslash: Backslash) -> (usize, Kind) {
    let mut at = quote + 1;
    loop {
        match bytes.get(at..) {
            Some([b'\'', b'\'', ..]) => at += 2,
            Some([b'\'', ..]) => return (at + 1, Kind::String),
            Some([b'\\', _, ..]) if backslash == Backslash::Escapes => at += 2,
            Some([_, ..]) => at += 1,
            Some([]) | None => return (bytes.len(), Kind::Open),
        }
    }
}

fn end_of_quoted(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from + 1;
    loop {
        match bytes.get(at..)? {
            [b'"', b'"', ..] => at += 2,
            [b'"', ..] => return Some(at + 1),
            [] => return None,
            _ => at += 1,
        }
    }
}

/// `$tag$ … $tag$`, or a lonely sign. One without its end goes to the end of the text, like other strings: so no text is
/// searched twice.
fn dollars(text: &str, from: usize) -> (usize, Kind) {
    let bytes = text.as_bytes();
    let tag_end = run(bytes, from + 1, |b| is_name(b) && b != b'$');
    if bytes.get(tag_end) != Some(&b'$') {
        return (from + 1, Kind::Sign);
    }
    let (mark, body) = (text.get(from..=tag_end), text.get(tag_end + 1..));
    match mark
        .zip(body)
        .and_then(|(mark, body)| Some(tag_end + 1 + body.find(mark)? + mark.len()))
    {
        Some(end) => (end, Kind::Dollars),
        None => (bytes.len(), Kind::Open),
    }
}

fn number(bytes: &[u8], from: usize) -> usize {
    let mut at = run(bytes, from, |b| b.is_ascii_digit() || b == b'.');
    if let Some([b'e' | b'E', sign, rest @ ..]) = bytes.get(at..) {
        let signed = matches!(sign, b'+' | b'-') && rest.first().is_some_and(u8::is_ascii_digit);
        if sign.is_ascii_digit() || signed {
            at = run(bytes, at + 2, |b| b.is_ascii_digit());
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(&str, Kind)> {
        lexemes(text, Backslash::Escapes)
            .all
            .into_iter()
            .map(|lexeme| (lexeme.of(text), lexeme.kind()))
            .collect()
    }

    #[test]
    fn a_backslash_takes_a_quote_along() {
        assert_eq!(
            cut(r"'a\' b' c"),
            [(r"'a\' b'", Kind::String), ("c", Kind::Word)]
        );
        assert_eq!(
            cut(r"'a\\' c"),
            [(r"'a\\'", Kind::String), ("c", Kind::Word)]
        );
    }

    #[test]
    fn comments_nest() {
        assert_eq!(
            cut("/* a /* b */ c */ d"),
            [("/* a /* b */ c */", Kind::Comment), ("d", Kind::Word)]
        );
    }

    #[test]
    fn a_point_between_names_is_no_number() {
        let kinds: Vec<Kind> = cut("a.1 .5 1.5e-3")
            .into_iter()
            .map(|(_, kind)| kind)
            .collect();
        assert_eq!(
            kinds,
            [
                Kind::Word,
                Kind::Sign,
                Kind::Number,
                Kind::Number,
                Kind::Number
            ]
        );
    }

    #[test]
    fn what_does_not_end_goes_to_the_end() {
        for text in ["'a", "\"a", "/* a", "$$ a", "$x$ $$"] {
            assert_eq!(
                cut(text).last().map(|(_, kind)| *kind),
                Some(Kind::Open),
                "{text}"
            );
        }
    }

    #[test]
    fn lexemes_are_small() {
        assert_eq!(size_of::<Lexeme>(), 8);
    }
}
