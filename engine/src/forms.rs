//! Splits a `multipart/form-data` body (RFC 7578) at its boundary: for each part name, file name, type and where its
//! bytes lie. Refuses a body whose parts are not closed or carry no name; contents are not looked at.
use rquickjs::{Array, Ctx, Exception, Result, TypedArray};

use crate::text::copy_bytes;

struct Part {
    name: String,
    file: Option<String>,
    kind: Option<String>,
    start: usize,
    end: usize,
}

fn find(bytes: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(what.len())
        .position(|window| window == what)
        .map(|at| at + from)
}

/// A parameter of `Content-Disposition`, with the escapes that browsers write undone.
fn parameter(header: &str, name: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once(';') {
        let after = after.trim_start();
        let Some((key, value)) = after.split_once('=') else {
            break;
        };
        if let Some(quoted) = value.strip_prefix('"') {
            let end = quoted.find('"')?;
            if key.trim().eq_ignore_ascii_case(name) {
                let text = quoted.get(..end)?;
                return Some(
                    text.replace("%22", "\"")
                        .replace("%0D", "\r")
                        .replace("%0A", "\n"),
                );
            }
            rest = quoted.get(end + 1..)?;
        } else {
            let token = value.split(';').next().unwrap_or_default();
            if key.trim().eq_ignore_ascii_case(name) {
                return Some(token.trim().to_owned());
            }
            rest = value;
        }
    }
    None
}

fn part(head: &str, start: usize, end: usize) -> Option<Part> {
    let (mut name, mut file, mut kind) = (None, None, None);
    for line in head.split("\r\n") {
        let Some((header, value)) = line.split_once(':') else {
            continue;
        };
        if header.trim().eq_ignore_ascii_case("content-disposition") {
            if !value
                .trim_start()
                .to_ascii_lowercase()
                .starts_with("form-data")
            {
                return None;
            }
            (name, file) = (parameter(value, "name"), parameter(value, "filename"));
        } else if header.trim().eq_ignore_ascii_case("content-type") {
            kind = Some(value.trim().to_owned());
        }
    }
    Some(Part {
        name: name?,
        file,
        kind,
        start,
        end,
    })
}

fn parts(bytes: &[u8], boundary: &str) -> Option<Vec<Part>> {
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let mut list = Vec::new();
    // The first delimiter may stand at the very beginning, without a line break before it.
    let first = delimiter.get(2..)?;
    let mut at = if bytes.starts_with(first) {
        first.len()
    } else {
        find(bytes, &delimiter, 0)? + delimiter.len()
    };
    loop {
        let rest = bytes.get(at..)?;
        if rest.starts_with(b"--") {
            return Some(list);
        }
        let line = find(bytes, b"\r\n", at)?;
        // A part without headers has its blank line at once.
        let (head, start) = match find(bytes, b"\r\n\r\n", line) {
            Some(blank) if blank > line => (bytes.get(line + 2..blank)?, blank + 4),
            _ => return None,
        };
        let end = find(bytes, &delimiter, start.saturating_sub(2))?;
        list.push(part(&String::from_utf8_lossy(head), start, end.max(start))?);
        at = end + delimiter.len();
    }
}

/// For each part: name, file name or null, type or null, start, end.
pub(crate) fn split<'js>(
    ctx: Ctx<'js>,
    body: TypedArray<'js, u8>,
    boundary: String,
) -> Result<Array<'js>> {
    let bytes = copy_bytes(&body);
    let Some(parts) = parts(&bytes, &boundary) else {
        return Err(Exception::throw_type(
            &ctx,
            "the body is not valid multipart/form-data",
        ));
    };
    let list = Array::new(ctx.clone())?;
    for (index, part) in parts.into_iter().enumerate() {
        let row = Array::new(ctx.clone())?;
        row.set(0, part.name)?;
        row.set(1, part.file)?;
        row.set(2, part.kind)?;
        row.set(3, part.start as u32)?;
        row.set(4, part.end as u32)?;
        list.set(index, row)?;
    }
    Ok(list)
}
