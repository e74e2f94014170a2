//! Laws of edits: the text stays JSON, what was touched is as asked, all else is there byte for byte.

use openlineage::{Edits, Json, MAX_DEPTH};

/// The first bytes choose the edits, the rest is any JSON text.
pub(crate) fn edits(bytes: &[u8]) {
    let Some((choice, text)) = bytes.split_first_chunk::<4>() else {
        return;
    };
    let Some(text) = std::str::from_utf8(text).ok() else {
        return;
    };
    let Ok(root) = Json::parse(text) else { return };
    if depth(text) > MAX_DEPTH {
        return;
    }
    let chosen = u32::from_le_bytes(*choice);
    let mut edits = Edits::new(text);
    let expected = edited(root, &mut edits, chosen, 0);
    let none = edits.is_empty();
    let after = edits.apply();
    let read = Json::parse(&after).expect("an edited text is JSON");
    assert_eq!(compact(read), expected);
    if none {
        assert_eq!(after, text);
    }
}

fn depth(text: &str) -> usize {
    text.bytes()
        .filter(|byte| matches!(byte, b'[' | b'{'))
        .count()
}

/// Whether the part of that size at that level is chosen.
fn hit(chosen: u32, size: usize, level: u32) -> bool {
    chosen.rotate_left(level * 5).wrapping_mul(0x9E37_79B9) >> (size % 29) & 1 == 1
}

/// Edits `value`, and gives the compact text that has to come of it.
fn edited(value: Json<'_>, edits: &mut Edits<'_>, chosen: u32, level: u32) -> String {
    let size = value.text().len();
    match value.kind() {
        "object" => {
            let members = value.members();
            let gone = |key: &str| hit(chosen, key.len() * 7 + 3, level);
            let kept = |key: Json<'_>| !key.string().is_some_and(|key| gone(&key));
            let doomed = members.iter().filter(|member| !kept(member.key)).count();
            let grows = doomed == 0 && hit(chosen, size, level);
            if doomed > 0 {
                edits.remove_members(value, gone);
            }
            let all = doomed == members.len();
            let mut parts: Vec<String> = Vec::new();
            for member in members.iter().filter(|member| kept(member.key)) {
                // What goes as a whole is not edited inside.
                let inner = edited(member.value, edits, chosen, level + 1);
                parts.push(format!("{}:{inner}", member.key.text()));
            }
            assert!(!all || parts.is_empty());
            if grows {
                edits.add_members(
                    value,
                    &[("new \"one\"", "[ ]".to_owned()), ("é", "1.0".to_owned())],
                );
                parts.extend([r#""new \"one\"":[]"#.to_owned(), r#""é":1.0"#.to_owned()]);
            }
            format!("{{{}}}", parts.join(","))
        }
        "array" => {
            let gone = |item: Json<'_>| hit(chosen, item.text().len() * 3 + 1, level);
            edits.remove_items(value, gone);
            let mut parts = Vec::new();
            for item in value.items().into_iter().filter(|item| !gone(*item)) {
                parts.push(edited(item, edits, chosen, level + 1));
            }
            format!("[{}]", parts.join(","))
        }
        _ if hit(chosen, size, level) => {
            edits.replace_string(value, "a\u{0}\\\u{ffff}");
            "\"a\\u0000\\\\\u{ffff}\"".to_owned()
        }
        _ => value.text().to_owned(),
    }
}

fn compact(value: Json<'_>) -> String {
    match value.kind() {
        "object" => {
            let parts: Vec<String> = value
                .members()
                .iter()
                .map(|member| format!("{}:{}", member.key.text(), compact(member.value)))
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        "array" => {
            let parts: Vec<String> = value.items().into_iter().map(compact).collect();
            format!("[{}]", parts.join(","))
        }
        _ => value.text().to_owned(),
    }
}
