//! Laws of redaction, for any text: twice is once, and a secret in the plainest form is gone.

use transform::{connection_secrets, sql_literals};

/// Any text.
pub(crate) fn texts(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let hidden = connection_secrets(text);
    assert_eq!(connection_secrets(&hidden), hidden, "twice is once");
    let sql = sql_literals(text);
    assert_eq!(sql_literals(&sql), sql, "twice is once");
    assert!(sql.len() <= text.len() + "[redacted]".len());
    // The text as a value of the plainest statement there is.
    if !text.contains(['\'', '\\']) {
        let whole = format!("select a from t where b = '{text}'");
        let redacted = sql_literals(&whole);
        let words = redacted == "select a from t where b = ?" || redacted == "[redacted]";
        assert!(words, "{redacted}");
    }
}
