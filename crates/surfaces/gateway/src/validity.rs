//! From when to when a certificate counts: its `notBefore` and `notAfter` (RFC 5280, section 4.1), read from its bytes and
//! no further than that.
//!
//! Refuses bytes that are no certificate: nothing is said of them, and TLS itself does not take them.

use jiff::{civil::DateTime, tz::TimeZone};
use model::Timestamp;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, the version: absent in certificates of version 1.
const VERSION: u8 = 0xa0;

/// One element of DER: its tag, what it holds, what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let (digits, rest) = rest.split_at_checked(count).filter(|_| (1..=4).contains(&count))?;
        (digits.iter().fold(0_usize, |sum, digit| sum << 8 | usize::from(*digit)), rest)
    };
    let (held, rest) = rest.split_at_checked(length)?;
    Some((tag, held, rest))
}

fn within(bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    element(bytes).filter(|(tag, ..)| *tag == wanted).map(|(_, held, _)| held)
}

/// `notBefore` and `notAfter` of a certificate in DER.
#[must_use]
pub fn validity(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let signed = within(within(certificate, SEQUENCE)?, SEQUENCE)?;
    let (tag, _, rest) = element(signed)?;
    let after_serial = if tag == VERSION { element(rest)?.2 } else { rest };
    let after_algorithm = element(after_serial)?.2;
    let after_issuer = element(after_algorithm)?.2;
    let span = within(after_issuer, SEQUENCE)?;
    let (tag, before, rest) = element(span)?;
    let (after_tag, after, _) = element(rest)?;
    Some((moment(tag, before)?, moment(after_tag, after)?))
}

/// RFC 5280, section 4.1.2.5: years below 50 of a UTCTime are of this century.
fn moment(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
    let full = match (tag, digits.len()) {
        (UTC_TIME, 12) if digits < "50" => format!("20{digits}"),
        (UTC_TIME, 12) => format!("19{digits}"),
        (GENERALIZED_TIME, 14) => digits.to_owned(),
        _ => return None,
    };
    let at = DateTime::strptime("%Y%m%d%H%M%S", &full).ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(at.timestamp().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(from: (i32, u8), to: (i32, u8)) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["console.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from.0, from.1, 1);
        params.not_after = rcgen::date_time_ymd(to.0, to.1, 28);
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn its_dates_are_read_in_both_forms() {
        for (to, says) in [((2027, 2), "2027-02-28"), ((2049, 12), "2049-12-28"), ((2055, 1), "2055-01-28")] {
            let (since, ends) = validity(&made((2026, 11), to)).unwrap();
            assert_eq!((&since.to_string()[..10], &ends.to_string()[..10]), ("2026-11-01", says));
        }
    }

    #[test]
    fn no_bytes_make_it_fail() {
        let whole = made((2026, 11), (2027, 2));
        for end in 0..whole.len() {
            assert_eq!(validity(&whole[..end]), None);
        }
        for at in 0..200.min(whole.len()) {
            let mut broken = whole.clone();
            broken[at] ^= 0xff;
            let _ = validity(&broken);
        }
        assert_eq!(moment(UTC_TIME, b"261332000000Z"), None, "the 13th month");
    }
}
