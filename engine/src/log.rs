//! Writes log entries to standard error: one line each, byte 0x1e, then JSON, then a line feed.
//! Refuses nothing; text that is too long is cut by who writes it, in the prelude.
use serde_json::json;
use wasip2::cli::stderr;

/// The most that one write of the host's stream takes.
const CHUNK_BYTES: usize = 4096;

/// One entry. `at` is `file:line:column` of the app's own code, empty where unknown.
pub(crate) fn write(level: &str, text: &str, at: &str) {
    let mut entry = json!({ "level": level, "text": text });
    if let (false, Some(fields)) = (at.is_empty(), entry.as_object_mut()) {
        fields.insert("at".into(), at.into());
    }
    let line = format!("\u{1e}{entry}\n");
    let out = stderr::get_stderr();
    for chunk in line.as_bytes().chunks(CHUNK_BYTES) {
        if out.blocking_write_and_flush(chunk).is_err() {
            return;
        }
    }
}
