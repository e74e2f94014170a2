//! Names of several parts: `database.schema.table`, with quoted parts, and dots within a part as `\.` (the naming page,
//! "Escaping"). Called by code that prepends parts to a name.

/// Splits a name into its parts, unchanged; `None` if a quote is not closed.
pub(super) fn parts(name: &str) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quote, mut escaped) = (Vec::new(), 0, None, false);
    for (at, c) in name.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (None, '\\') => escaped = true,
            (None, '"' | '`') => quote = Some(c),
            (None, '[') if at == start => quote = Some(']'),
            (None, '.') => {
                parts.push(name.get(start..at)?);
                start = at + 1;
            }
            (Some(closing), c) if c == closing => quote = None,
            (None | Some(_), _) => {}
        }
    }
    parts.push(name.get(start..)?);
    quote.is_none().then_some(parts)
}

/// Renders `part` as a part of a name; `None` if it cannot be written as one.
pub(super) fn escaped(part: &str) -> Option<String> {
    if part.is_empty() || part.contains(['\\', '"', '`', '[', ']']) {
        return None;
    }
    Some(part.replace('.', "\\."))
}

/// Whether a rendered part equals `plain`.
pub(super) fn is_called(part: &str, plain: &str, any_case: bool) -> bool {
    let inner = part
        .strip_prefix(['"', '`', '['])
        .and_then(|part| part.strip_suffix(['"', '`', ']']));
    let part = inner.map_or_else(|| part.replace("\\.", "."), str::to_owned);
    match any_case {
        true => part.eq_ignore_ascii_case(plain),
        false => part == plain,
    }
}
