//! The export as a file: its exact form, and what is found in sound ones.

use crate::fixture::{Log, erase_event, key, other_key, pinned, verify};
use ledger::{Checked, Error, KeyTrust, Options, StoredEntry};
use std::{io, time::Instant};

/// A change here makes older exports unreadable: it needs a new version in the first line.
#[test]
fn the_form_is_frozen() {
    let mut log = Log::of(2);
    log.append(vec![b"two\nlines".to_vec(), Vec::new()]);
    log.erase(&[1]);
    let file = String::from_utf8(log.export()).unwrap();
    assert_eq!(file, include_str!("golden.export"));
    assert!(verify(file.as_bytes()).ok);
}

#[test]
fn sound_exports_of_any_size_verify() {
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 513] {
        let log = Log::of(size);
        let verdict = verify(&log.export());
        assert!(verdict.ok, "{size}: {}", verdict.what);
        assert_eq!((verdict.size, verdict.root), (size, Some(log.edge.root())));
        assert_eq!((verdict.checked, verdict.key), (Checked::Export, KeyTrust::Pinned));
        assert_eq!(verdict.log, Some(key().verifier().to_string()));
    }
}

#[test]
fn without_a_key_the_verdict_says_so() {
    let verdict = ledger::verify_export(Log::of(3).export().as_slice(), &Options::default()).unwrap();
    assert!(verdict.ok && verdict.key == KeyTrust::Unpinned && verdict.what.contains("--key"));
    let foreign = Options { key: Some(other_key().verifier().clone()), ..Options::default() };
    let verdict = ledger::verify_export(Log::of(3).export().as_slice(), &foreign).unwrap();
    assert!(!verdict.ok && verdict.key == KeyTrust::Pinned && verdict.first_bad.is_none());
}

#[test]
fn erased_bodies_pass_only_with_their_event() {
    let mut log = Log::of(300);
    log.erase(&[0, 255, 256]);
    log.erase(&[10]);
    let verdict = verify(&log.export());
    assert!(verdict.ok && verdict.erased == 4, "{}", verdict.what);

    log.entries[20] = StoredEntry::Gone;
    assert_eq!(verify(&log.export()).first_bad, Some(20));
    log.entries[9] = StoredEntry::Gone;
    assert_eq!(verify(&log.export()).first_bad, Some(9));
    log.append(vec![erase_event(&[9, 20, 21])]);
    assert!(verify(&log.export()).ok, "a body that is still there breaks nothing");
}

#[test]
fn since_is_demanded() {
    let log = Log::of(300);
    let file = log.export();
    let since = |log: &Log| Options { since: Some(log.checkpoint().note().to_owned()), ..pinned() };
    for size in [0, 1, 256, 299, 300] {
        assert!(ledger::verify_export(file.as_slice(), &since(&Log::of(size))).unwrap().ok);
    }
    let cut = ledger::verify_export(file.as_slice(), &since(&Log::of(310))).unwrap();
    assert_eq!((cut.ok, cut.first_bad), (false, Some(300)));
    let mut other = Log::of(4);
    other.append(vec![b"other".to_vec()]);
    let anew = ledger::verify_export(file.as_slice(), &since(&other)).unwrap();
    assert!(!anew.ok && anew.what.contains("written anew"));
    let changed = log.checkpoint().note().replacen("\n300\n", "\n9\n", 1);
    let unsigned = Options { since: Some(changed), ..pinned() };
    let unsigned = ledger::verify_export(file.as_slice(), &unsigned).unwrap();
    assert!(!unsigned.ok && unsigned.what.contains("is not signed by"), "{}", unsigned.what);
}

#[test]
fn incomplete_logs_are_not_exported() {
    let mut log = Log::of(5);
    log.entries.pop();
    let refused = ledger::write_export(&mut Vec::new(), key().verifier(), &log.checkpoint(), &log).unwrap_err();
    assert!(matches!(refused, Error::Entry { index: 4, .. }), "{refused}");
    let log = Log::of(5);
    let refused = ledger::write_export(&mut Vec::new(), other_key().verifier(), &log.checkpoint(), &log).unwrap_err();
    assert!(matches!(refused, Error::NotSigned { .. }), "{refused}");
}

#[test]
fn an_unreadable_file_is_an_error_not_a_verdict() {
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk"))
        }
    }
    let read = ledger::verify_export(io::BufReader::new(Broken), &pinned());
    assert!(matches!(read, Err(Error::Read(_))));
}

/// A length or a line that would fill memory is refused by its size, not read.
#[test]
fn nothing_in_the_file_makes_verification_take_memory() {
    struct Endless(usize);
    impl io::Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0 += into.len();
            assert!(self.0 < 1_000_000, "reads on and on");
            into.fill(b'x');
            Ok(into.len())
        }
    }
    let verdict = ledger::verify_export(io::BufReader::new(Endless(0)), &pinned()).unwrap();
    assert!(!verdict.ok);
    let file = String::from_utf8(Log::of(3).export()).unwrap();
    let length = crate::fixture::body(1).len();
    let claimed = file.replacen(&format!(" {length}\n"), " 99999999999\n", 1);
    let endless = io::Read::chain(claimed.as_bytes(), Endless(0));
    let verdict = ledger::verify_export(io::BufReader::new(endless), &pinned()).unwrap();
    assert_eq!((verdict.ok, verdict.first_bad), (false, Some(0)), "{}", verdict.what);
}

/// How many entries a second is printed for whoever looks (`--nocapture`).
#[test]
fn a_larger_export_verifies() {
    let file = Log::of(4000).export();
    let start = Instant::now();
    assert!(verify(&file).ok);
    println!("{} entries/s", 4000.0 / start.elapsed().as_secs_f64());
}
