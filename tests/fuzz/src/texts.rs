//! Laws of redaction, for any text: twice is once, and a secret in the plainest form is gone.

use transform::{connection_secrets, redact_text, sql_literals};

/// Any text.
pub(crate) fn texts(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let hidden = connection_secrets(text);
    assert_eq!(connection_secrets(&hidden), hidden, "twice is once");
    let sql = sql_literals(text);
    assert_eq!(sql_literals(&sql), sql, "twice is once");
    // A place that is hidden is of a character at least, and what is written instead is no longer than that.
    assert!(sql.len() <= (text.len() + 1) * "[redacted]".len());
    let shown = redact_text(text);
    assert_eq!(redact_text(&shown), shown, "twice is once");
    // The text as a value of the plainest statement there is.
    if !text.contains(['\'', '\\']) {
        let whole = format!("select a from t where b = '{text}'");
        let redacted = sql_literals(&whole);
        let words = ["?", "[redacted]"].map(|shown| format!("select a from t where b = {shown}"));
        let words = words.contains(&redacted);
        assert!(words, "{redacted}");
    }
}
