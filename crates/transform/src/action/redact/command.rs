//! Secrets in command lines after an option whose name does not reveal them: `curl -u user:password`,
//! `mysql -pPASSWORD`, `redis-cli -a PASSWORD`.
//!
//! A table of commands, because the same letter has a different meaning in each. Called by `secrets.rs` for every string of an
//! event, and by the walk over its lists, in which a command can be split into words.

mod table;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::key::{NameHint, name_hint};
use super::mask::STARS;
use crate::action::pattern;
use table::{COMMANDS, Command, OptionValue};

/// Subcommands after which `-p` is a password.
const LOGINS: [&str; 3] = ["login", "users", "auth"];

/// A command and its position, with the quote before it.
static NAMES: LazyLock<Regex> = LazyLock::new(|| {
    let names: Vec<String> = (COMMANDS.iter())
        .flat_map(|command| command.names)
        .map(|name| regex::escape(name))
        .collect();
    pattern(&format!(
        r#"(?:^|[\s;&|(`/$=\[,]|(?P<quote>\\*["']))(?P<name>{})(?:\.exe)?(?P<after>\\*["']|[ \t]|\\\n)"#,
        names.join("|")
    ))
});

/// `sqlplus user/password@db` and similar, and Teradata's `.LOGON host/user,password`.
static LOGONS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r#"(?P<open>(?i:\b(?:sqlplus|sqlldr|rman|expdp|impdp|exp|imp|sql)\b[^\n;|&']{0,80}?[\s=]|\bconn(?:ect)?\s+|userid=)\\*"?[A-Za-z][A-Za-z0-9_$#]{0,60}/\\*"?)(?P<value>[^\s@"'\\]+)(?P<end>\\*"?@[\w/.(]|\s@[\w/.])"#,
        r#"|(?P<logon>(?i:\blogon\s+)[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100},)(?P<password>[^\s;"']+)"#,
    ))
});

/// Passwords recognised by the words before them: on a command's standard input, or as an argument without an
/// option.
static PLACES: LazyLock<Regex> = LazyLock::new(|| {
    let value = r#"(?P<quote>\\*["']?)(?P<value>[^\s"'|;&\\]+)"#;
    let before = concat!(
        r"(?P<open>(?i:\bconnect\s+to\s+\S{1,100}\s+user\s+\S{1,100}\s+using|\bpragma\s+(?:hex|re){0,2}key\s{0,4}=",
        r"|\bredis-cli\s[^\n;|]{0,80}?\bauth(?:\s+default)?|\bvault\s+login|\bconvertto-securestring",
        r"|\baws\s+ssm\s+put-parameter\s[^\n;|]{0,200}?--value|\baz\s+keyvault\s+secret\s+set\s[^\n;|]{0,200}?--value",
        r"|\baz\s[^\n;|]{0,200}?(?:-u|--admin-user)\s+\S{1,100}\s+-p|\bactivate-refresh-token\s+\S{1,100}",
        r"|\b(?:mc|mcli)\s+(?:alias\s+set|config\s+host\s+add)\s+\S{1,100}\s+\S{1,200}\s+\S{1,100}",
        r"|\b(?:isql|iusql)\s+\S{1,100}\s+[A-Za-z]\S{0,100}|\brclone\s+config\s+[^\n;|]{0,200}?(?:secret_access_key|pass|password|account_key)",
        r"|\bnet\s+use\s+\S{1,200}\s+/user:\S{1,100}|\b(?:kinit|passwd|configure)\s[^\n;|]{0,80}?<<<)\s{0,4})",
    );
    let input = r#"(?P<echo>\b(?:echo|printf)\s+(?:-n\s+)?)(?P<mark>\\*["']?)(?P<piped>[^\s"'|;&\\$][^\s"'|;&\\]*)(?P<end>\\*["']?\s{0,4}\|\s{0,4}(?:kinit|passwd|chpasswd|sudo\s+-S|[\w/-]{1,40}\s[^\n;|]{0,200}?--(?:password-)?stdin)\b)"#;
    pattern(&format!("{before}{value}|{input}"))
});

/// A text without any of these words contains none of them.
static PLACE_HINTS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\busing\s|\bpragma\s|redis-cli|vault login|convertto-sec|put-parameter|keyvault|\baz\s|refresh-token|\bmc\s|\bmcli\s|isql|rclone|net use|<<<|\becho\s|\bprintf\s",
    )
});

fn at_places(text: &str) -> Cow<'_, str> {
    if !text.contains(' ') || !PLACE_HINTS.is_match(text) {
        return Cow::Borrowed(text);
    }
    PLACES.replace_all(text, |found: &Captures<'_>| {
        let group = |name| found.name(name).map_or("", |group| group.as_str());
        let value = group("value");
        // An option is not a value, nor is a method of `vault login`.
        if value.starts_with(['-', '$'])
            || value.trim_end_matches('=').contains('=') && !group("open").contains("value")
        {
            return found
                .get(0)
                .map_or(String::new(), |all| all.as_str().to_owned());
        }
        format!(
            "{}{}{}{}{STARS}{}",
            group("open"),
            group("quote"),
            group("echo"),
            group("mark"),
            group("end")
        )
    })
}

/// Redacts `text`; borrowed if nothing changes.
pub(super) fn hidden(text: &str) -> Cow<'_, str> {
    match at_places(text) {
        Cow::Borrowed(text) => of_options(text),
        Cow::Owned(new) => Cow::Owned(of_options(&new).into_owned()),
    }
}

fn of_options(text: &str) -> Cow<'_, str> {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let mut from = 0;
    if text.contains(" -") || text.contains("'-") || text.contains("\"-") {
        while let Some(found) = NAMES.captures_at(text, from) {
            let (Some(name), Some(after)) = (found.name("name"), found.name("after")) else {
                break;
            };
            let quote = found.name("quote").map(|quote| quote.as_str());
            let rest = text.get(after.start()..).unwrap_or_default();
            let end = after.start() + line(rest, quote, after.as_str());
            let mut commands = of(name.as_str());
            let words = words(text, after.end().min(end)..end);
            let login = words.iter().any(|word| {
                text.get(word.clone())
                    .is_some_and(|word| LOGINS.contains(&word))
            });
            let mut words = words.iter().peekable();
            let mut before = "";
            while let Some(word) = words.next() {
                let option = text.get(word.clone()).unwrap_or_default();
                let edit = secret(&commands, login, option, word, text, words.peek().copied());
                edits.extend(edit);
                // A command that runs another: `docker exec db mysql -px`.
                let inner = of(option.rsplit('/').next().unwrap_or_default());
                if !inner.is_empty() && !before.starts_with('-') {
                    commands = [commands, inner].concat();
                    commands.dedup_by_key(|command| command.names);
                    commands.truncate(COMMANDS.len());
                }
                before = option;
            }
            from = end.max(after.end());
        }
    }
    let mut out = String::new();
    let mut done = 0;
    for (range, new) in edits {
        // A word that is the value of an option, read as an option itself.
        if range.start < done {
            continue;
        }
        out.push_str(text.get(done..range.start).unwrap_or_default());
        out.push_str(&new);
        done = range.end;
    }
    let logons = |text: &str| -> Option<String> {
        // Most texts with a slash are paths.
        if !text.contains('/') || !text.contains(['@', ',']) {
            return None;
        }
        match LOGONS.replace_all(text, "${open}${logon}***${end}") {
            Cow::Owned(new) => Some(new),
            Cow::Borrowed(_) => None,
        }
    };
    if done == 0 {
        return logons(text).map_or(Cow::Borrowed(text), Cow::Owned);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(logons(&out).unwrap_or(out))
}

/// Finds the end of a command: the quote that closes its string, or the start of the next command.
fn line(rest: &str, quote: Option<&str>, after: &str) -> usize {
    let list = after.contains(['"', '\'']);
    let mut open: Option<char> = None;
    let mut before = ' ';
    // The backslashes before a character, and before the quote that surrounds everything.
    let mut run = 0;
    let around = quote.map_or(0, |quote| quote.len() - 1);
    for (at, c) in rest.char_indices() {
        let ends = match (list, quote) {
            // `['curl', '-u', 'a:b']`
            (true, _) => matches!(c, ']' | '\n' | ';'),
            (false, Some(quote)) if quote.ends_with(c) && run <= around => true,
            (false, _) => open.is_none() && (matches!(c, ';' | '|') || c == '\n' && before != '\\'),
        };
        if ends {
            return at;
        }
        if !list && matches!(c, '"' | '\'') && (before != '\\' || quote.is_some()) {
            match open {
                Some(quote) if quote == c => open = None,
                None => open = Some(c),
                Some(_) => {}
            }
        }
        run = if c == '\\' { run + 1 } else { 0 };
        before = c;
    }
    rest.len()
}

/// Splits a line into words, with inner quotes but without those around a word.
fn words(text: &str, line: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start: Option<usize> = None;
    let mut open: Option<char> = None;
    let piece = text.get(line.clone()).unwrap_or_default();
    let mut push = |from: usize, to: usize| {
        let word = text.get(from..to).unwrap_or_default();
        let inner = word.trim_start_matches(['"', '\'', '\\']);
        let from = to - inner.len();
        let to = from + inner.trim_end_matches(['"', '\'', '\\']).len();
        if to > from {
            found.push(from..to);
        }
    };
    for (at, c) in piece.char_indices() {
        let at = line.start + at;
        match open {
            Some(quote) if c == quote => open = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => {
                start.get_or_insert(at);
                open = Some(c);
            }
            None if c.is_whitespace()
                || c == ',' && start.is_some_and(|from| quoted(text, from, at)) =>
            {
                if let Some(from) = start.take() {
                    push(from, at);
                }
            }
            None => {
                start.get_or_insert(at);
            }
        }
    }
    if let Some(from) = start {
        push(from, line.end);
    }
    found
}

/// Whether a word is a quoted item of a list, which ends at the comma.
fn quoted(text: &str, from: usize, to: usize) -> bool {
    let word = text.get(from..to).unwrap_or_default();
    word.len() > 1 && word.starts_with(['"', '\'']) && word.ends_with(['"', '\''])
}

fn of(name: &str) -> Vec<&'static Command> {
    let fits = |command: &&Command| command.names.contains(&name);
    COMMANDS.iter().filter(fits).collect()
}

fn secret(
    commands: &[&Command],
    login: bool,
    option: &str,
    word: &Range<usize>,
    text: &str,
    next: Option<&Range<usize>>,
) -> Option<(Range<usize>, String)> {
    let options = commands.iter().flat_map(|command| command.options);
    for (name, takes) in options.filter(|(_, takes)| login || *takes != OptionValue::Login) {
        let (mut value, attached) = match option.strip_prefix(name) {
            Some("") if *takes == OptionValue::Attached => continue,
            Some("") => (next?.clone(), false),
            Some(_) if *takes == OptionValue::Apart => continue,
            // `--user=a:b`; `-ua:b`, but not `-user`.
            Some(rest) if name.starts_with("--") || name.len() > 2 => {
                match rest.strip_prefix('=') {
                    Some(value) => (word.end - value.len()..word.end, true),
                    None => continue,
                }
            }
            Some(rest) => (word.end - rest.len()..word.end, true),
            // `-su a:b`: several one-letter options together.
            None if bundled(option, name) && *takes != OptionValue::Attached => {
                (next?.clone(), false)
            }
            None => continue,
        };
        let inner = text
            .get(value.clone())?
            .trim_start_matches(['"', '\'', '\\', '=']);
        value.start = value.end - inner.len();
        if inner.is_empty() || !attached && inner.starts_with('-') {
            continue;
        }
        return masked(*takes, inner).map(|new| (value, new));
    }
    None
}

fn bundled(option: &str, name: &str) -> bool {
    let letter = name.strip_prefix('-').filter(|letter| letter.len() == 1);
    let letters = option.strip_prefix('-');
    letter.zip(letters).is_some_and(|(letter, letters)| {
        letters.len() <= 6
            && letters.ends_with(letter)
            && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
    })
}

fn masked(takes: OptionValue, value: &str) -> Option<String> {
    let new = match takes {
        OptionValue::Secret | OptionValue::Attached | OptionValue::Apart | OptionValue::Login => {
            STARS.to_owned()
        }
        OptionValue::Pair(sign) => match value.split_once(sign) {
            // A key instead of the user.
            Some((_, "")) => format!("{STARS}{sign}"),
            Some((user, _)) => format!("{user}{sign}{STARS}"),
            None => return None,
        },
    };
    (new != value).then_some(new)
}

/// Returns the items of a list that are secrets, with their replacements: those after an option that names one, and those
/// of a command that is split into words.
pub(super) fn items(list: &[Cow<'_, str>]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let name = list
        .first()
        .map(|first| first.rsplit('/').next().unwrap_or_default());
    let commands = name.map(of).unwrap_or_default();
    let login = list.iter().any(|item| LOGINS.contains(&&**item));
    for (index, item) in list.iter().enumerate() {
        if !item.starts_with('-') {
            continue;
        }
        let next = list.get(index + 1).map_or("", |next| &**next);
        let follows = !next.is_empty() && !next.starts_with('-');
        if name_hint(item) != NameHint::Harmless && !item.contains(['=', ' ']) {
            if follows && next != STARS {
                found.push((index + 1, STARS.to_owned()));
            }
            continue;
        }
        let options = commands.iter().flat_map(|command| command.options);
        for (option, takes) in options.filter(|(_, takes)| login || *takes != OptionValue::Login) {
            let spaced = **item == **option || bundled(item, option);
            if spaced && follows && *takes != OptionValue::Attached {
                found.extend(masked(*takes, next).map(|new| (index + 1, new)));
                break;
            }
            let attached = item.strip_prefix(option).filter(|value| !value.is_empty());
            if !spaced
                && *takes != OptionValue::Apart
                && option.len() == 2
                && let Some(value) = attached
            {
                found.extend(masked(*takes, value).map(|new| (index, format!("{option}{new}"))));
                break;
            }
        }
    }
    found
}
