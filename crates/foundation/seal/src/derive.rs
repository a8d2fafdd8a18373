//! Key derivation: HKDF-SHA-256 (RFC 5869) with length-prefixed info. Private to the crate.
//!
//! Refuses output longer than 32 bytes: each use derives a key of its own instead.

use crate::context::push;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use std::fmt;
use zeroize::Zeroizing;

/// Salt of every extraction (RFC 5869, section 3.1); a change of the key hierarchy changes it.
const DERIVATION_DOMAIN: &[u8] = b"bailiwick keys 1";

/// 32 secret bytes from which further keys are derived; wiped when dropped.
#[derive(Clone)]
pub(crate) struct KeyMaterial(Zeroizing<[u8; 32]>);

struct OutputLength(usize);

impl KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}

impl KeyMaterial {
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Derives `N` (at most 32) bytes for the purpose that `info` spells out part by part.
    pub(crate) fn derive<const N: usize>(&self, info: &[&[u8]]) -> Zeroizing<[u8; N]> {
        const { assert!(N <= 32, "one block of HKDF-SHA-256 is all that is ever asked for") };
        let mut encoded = Vec::new();
        for part in info {
            push(&mut encoded, part);
        }
        let mut output = Zeroizing::new([0u8; N]);
        expand(&Salt::new(HKDF_SHA256, DERIVATION_DOMAIN).extract(self.bytes()), &encoded, output.as_mut_slice());
        output
    }

    pub(crate) fn child(&self, info: &[&[u8]]) -> Self {
        Self(self.derive(info))
    }
}

/// HKDF-Expand. Fails only for more than 255 blocks, which no caller can ask for.
fn expand(prk: &Prk, info: &[u8], output: &mut [u8]) {
    let parts = [info];
    let filled = prk.expand(&parts, OutputLength(output.len())).and_then(|okm| okm.fill(output));
    if filled.is_err() {
        // A key left at zero would seal nothing: no process may go on with it.
        std::process::abort();
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5869, appendix A: test cases 1 to 3 (SHA-256).
    #[test]
    fn rfc_5869_vectors() {
        let long = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
        let cases = [
            (
                vec![0x0b; 22],
                long(0x00, 0x0c),
                long(0xf0, 0xf9),
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
            ),
            (
                long(0x00, 0x4f),
                long(0x60, 0xaf),
                long(0xb0, 0xff),
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
            ),
            (
                vec![0x0b; 22],
                vec![],
                vec![],
                "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
            ),
        ];
        for (secret, salt, info, expected) in cases {
            let expected = hex::decode(expected).unwrap();
            let mut output = vec![0u8; expected.len()];
            expand(&Salt::new(HKDF_SHA256, &salt).extract(&secret), &info, &mut output);
            assert_eq!(output, expected);
        }
    }

    #[test]
    fn parts_of_info_cannot_slide_into_each_other() {
        let key = KeyMaterial::new([7; 32]);
        let one = key.derive::<32>(&[b"tenant", b"ab"]);
        let other = key.derive::<32>(&[b"tenanta", b"b"]);
        let joined = key.derive::<32>(&[b"tenantab"]);
        assert_ne!(one, other);
        assert_ne!(one, joined);
    }

    #[test]
    fn debug_shows_no_bytes() {
        assert_eq!(format!("{:?}", KeyMaterial::new([0xab; 32])), "KeyMaterial(…)");
    }
}
