//! Fills in the examples of `rules/secrets.toml`: `{hex:32}` becomes 32 hexadecimal digits.
//! What is not a fill stays as it is.

/// The example as a file would hold it.
pub(crate) fn filled(example: &str) -> String {
    let mut out = String::new();
    let mut rest = example;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}').and_then(|(marker, rest)| Some((fill(marker)?, rest))) {
            Some((text, after)) => {
                out.push_str(&text);
                rest = after;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out + rest
}

fn fill(marker: &str) -> Option<String> {
    let (alphabet, count) = marker.split_once(':')?;
    let alphabet = match alphabet {
        "digit" => "0123456789",
        "hex" => "0123456789abcdef",
        "upper" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        "bech32" => "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
        "alpha" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "alnum" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        "base64" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "url64" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        _ => return None,
    };
    let count: usize = count.parse().ok()?;
    // 27 shares no factor with the size of any alphabet: the fill goes through all of it before it repeats.
    alphabet.chars().cycle().skip(3).step_by(27).take(count).collect::<String>().into()
}
