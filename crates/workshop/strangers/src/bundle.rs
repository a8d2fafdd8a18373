//! What a builder uploads: the manifest, the archive, the files that are searched.

use bytes::Bytes;
use catalog::{Unpacked, Upload};
use jiff::civil::date;
use model::{Finding, Manifest, Severity};

/// A word that somebody can read: none is empty, none holds a character that a terminal would obey.
fn readable(finding: &Finding, lines: usize) {
    for text in [&finding.code, &finding.what, &finding.why, &finding.fix] {
        assert!(!text.is_empty(), "{finding:?}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{finding:?}");
    }
    assert!(finding.line.is_none_or(|line| line >= 1 && line as usize <= lines + 1), "{finding:?}");
}

/// It parses, to the same meaning each time, or says what is wrong and where.
pub(crate) fn manifest(bytes: &[u8]) {
    let today = date(2026, 11, 23);
    let lines = bytes.split(|byte| *byte == b'\n').count();
    match Manifest::parse(bytes, today) {
        Ok(parsed) => {
            parsed.warnings.iter().for_each(|warning| readable(warning, lines));
            assert!(parsed.warnings.iter().all(|warning| warning.severity != Severity::Block));
            let again = Manifest::parse(bytes, today).expect("the same bytes");
            assert_eq!(parsed.manifest.canonical_json(), again.manifest.canonical_json());
            let later = Manifest::reread(bytes).expect("what was approved is read again");
            assert_eq!(parsed.manifest.canonical_json(), later.manifest.canonical_json());
            assert!(!parsed.manifest.sentences().is_empty() || parsed.manifest.connect.is_empty());
        }
        Err(findings) => {
            assert!(findings.iter().any(|finding| finding.severity == Severity::Block), "{findings:?}");
            findings.iter().for_each(|finding| readable(finding, lines));
        }
    }
}

/// As it is, and as the content of an archive that is well compressed, which chance would hardly make.
pub(crate) fn archive(bytes: &[u8]) {
    for upload in [bytes.to_vec(), zstd::encode_all(bytes, 1).expect("memory can be written")] {
        let Ok(unpacked) = Upload::new(upload.into()).and_then(Upload::unpack) else { continue };
        for (name, _) in unpacked.files() {
            assert!(!name.starts_with('/') && !name.contains('\\') && !name.contains('\0'), "{name:?}");
            assert!(name.split('/').all(|part| !part.is_empty() && part != "." && part != ".."), "{name:?}");
            assert!(name.len() <= 200, "{name:?}");
        }
        let packed = unpacked.pack().expect("what came out goes in");
        let again = Upload::new(packed).and_then(Upload::unpack).expect("what we pack is an archive");
        assert_eq!(unpacked.digest(), again.digest());
        let files = unpacked.files().map(|(name, bytes)| (name.to_owned(), Bytes::clone(bytes)));
        assert_eq!(Unpacked::of(files).expect("harmless names").digest(), again.digest());
    }
}

/// Findings name lines that there are, and never show more than four characters of what was found.
pub(crate) fn scan(bytes: &[u8]) {
    let lines = bytes.split(|byte| *byte == b'\n').count();
    for finding in scan::scan_bytes("app.js", bytes) {
        assert!(!finding.what.is_empty() && !finding.fix.is_empty(), "{finding:?}");
        assert!(
            finding.line.is_none_or(|line| line >= 1 && line as usize <= lines.max(bytes.len()) + 1),
            "{finding:?}"
        );
    }
}
