//! Archives from anyone: what is not an app's plain files is refused before anything looks into it.

use bytes::Bytes;
use catalog::{UPLOAD_MAX_BYTES, Unpacked, Upload};
use proptest::prelude::*;
use std::io::Write;
use tar::{Builder, EntryType, Header};

fn zstd(tar: &[u8]) -> Bytes {
    zstd::encode_all(tar, 3).unwrap().into()
}

fn code(archive: Bytes) -> String {
    match Upload::new(archive).and_then(Upload::unpack) {
        Ok(_) => "taken".to_owned(),
        Err(problem) => {
            assert!(!problem.what.is_empty() && !problem.why.is_empty() && !problem.fix.is_empty());
            assert!(!problem.what.chars().any(char::is_control), "{problem}");
            problem.code.clone()
        }
    }
}

/// A header as somebody bent it: the name's bytes go in unchecked.
fn header(name: &[u8], size: u64, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_entry_type(kind);
    header.set_cksum();
    header
}

fn tar_of(entries: &[(&[u8], EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (name, kind, bytes) in entries {
        tar.append(&header(name, bytes.len() as u64, *kind), *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn plain_files_come_through_whatever_made_the_archive() {
    let entries: [(&[u8], EntryType, &[u8]); 4] = [
        (b"public/", EntryType::Directory, b""),
        (b"./app.js", EntryType::Regular, b"export default {};\r\n"),
        (b"public/a.txt", EntryType::Continuous, b""),
        (b"bailiwick.toml", EntryType::Regular, b"x"),
    ];
    assert_eq!(code(zstd(&tar_of(&entries))), "bundle.entry", "only plain files");
    let unpacked = Upload::new(zstd(&tar_of(&entries[..2]))).unwrap().unpack().unwrap();
    assert_eq!(unpacked.get("app.js").unwrap(), &b"export default {};\r\n"[..]);
    let again = Upload::new(unpacked.pack().unwrap()).unwrap().unpack().unwrap();
    assert_eq!(again, unpacked);
}

#[test]
fn ways_out_links_and_devices_are_refused() {
    for name in [
        &b"../x"[..],
        b"/etc/passwd",
        b"a/../../x",
        b"a\\..\\x",
        b"C:x",
        b"\xff\xfe",
        b"a\nb",
        b"nul",
        b"\xe2\x80\xaea",
    ] {
        assert_eq!(code(zstd(&tar_of(&[(name, EntryType::Regular, b"x")]))), "bundle.entry", "{name:?}");
    }
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::GNUSparse,
        EntryType::new(b'Z'),
    ] {
        let mut tar = Builder::new(Vec::new());
        let mut header = header(b"app.js", 0, kind);
        header.set_link_name("/etc/passwd").unwrap();
        header.set_cksum();
        tar.append(&header, &b""[..]).unwrap();
        let found = code(zstd(&tar.into_inner().unwrap()));
        assert!(["bundle.entry", "bundle.archive"].contains(&found.as_str()), "{kind:?}: {found}");
    }
}

#[test]
fn one_name_is_one_file() {
    for names in [["a.js", "a.js"], ["a.js", "A.JS"], ["./a.js", "a.js"], ["lib", "lib/x.js"], ["lib/x.js", "LIB"]] {
        let entries = names.map(|name| (name.as_bytes(), EntryType::Regular, &b"x"[..]));
        assert_eq!(code(zstd(&tar_of(&entries))), "bundle.entry", "{names:?}");
    }
    let far = [(&b"lib/x.js"[..], EntryType::Regular, &b"x"[..]), (b"lib.js", EntryType::Regular, b"x")];
    assert_eq!(code(zstd(&tar_of(&far))), "taken");
}

#[test]
fn a_long_name_in_an_extension_is_judged_as_any_other() {
    let long = "d/".repeat(120) + "x";
    let mut tar = Builder::new(Vec::new());
    let mut plain = Header::new_gnu();
    plain.set_size(1);
    plain.set_cksum();
    tar.append_data(&mut plain, &long, &b"x"[..]).unwrap();
    assert_eq!(code(zstd(&tar.into_inner().unwrap())), "bundle.entry");
    // PAX: the header says `app.js`, the extension another place.
    let pax = b"25 path=../../etc/passwd\n";
    let tar = tar_of(&[(b"pax", EntryType::XHeader, &pax[..]), (b"app.js", EntryType::Regular, b"x")]);
    assert_eq!(code(zstd(&tar)), "bundle.entry");
}

#[test]
fn bombs_end_at_their_limit() {
    // 1 GiB of zeros in a few kilobytes.
    let mut bomb = zstd::Encoder::new(Vec::new(), 19).unwrap();
    bomb.write_all(header(b"app.js", 1 << 30, EntryType::Regular).as_bytes()).unwrap();
    let zeros = vec![0_u8; 1 << 20];
    for _ in 0..1024 {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    assert_eq!(code(bomb.into()), "bundle.size");
    // Many that are small enough one by one.
    let part = vec![0_u8; 9 << 20];
    let mut tar = Builder::new(Vec::new());
    for n in 0..8 {
        tar.append(&header(format!("{n}.bin").as_bytes(), part.len() as u64, EntryType::Regular), &part[..]).unwrap();
    }
    assert_eq!(code(zstd(&tar.into_inner().unwrap())), "bundle.size");
    // A window that would take more memory than the whole archive may.
    let mut wide = zstd::Encoder::new(Vec::new(), 19).unwrap();
    wide.window_log(27).unwrap();
    wide.write_all(&zeros).unwrap();
    assert_eq!(code(wide.finish().unwrap().into()), "bundle.archive");
    assert_eq!(Upload::new(vec![0; UPLOAD_MAX_BYTES + 1].into()).unwrap_err().code, "bundle.size");
}

#[test]
fn a_hundred_thousand_files_are_too_many() {
    let mut tar = Builder::new(Vec::new());
    for n in 0..100_000 {
        tar.append(&header(format!("f{n}").as_bytes(), 0, EntryType::Regular), &b""[..]).unwrap();
    }
    assert_eq!(code(zstd(&tar.into_inner().unwrap())), "bundle.files");
    let mut tar = Builder::new(Vec::new());
    for n in 0..100_000 {
        tar.append(&header(format!("d{n}/").as_bytes(), 0, EntryType::Directory), &b""[..]).unwrap();
    }
    let found = code(zstd(&tar.into_inner().unwrap()));
    assert_eq!(found, "bundle.files", "folders count too");
}

#[test]
fn what_is_cut_or_something_else_is_said_so() {
    let tar = tar_of(&[(b"app.js", EntryType::Regular, &[7; 5000])]);
    let whole = zstd(&tar);
    assert_eq!(code(whole.clone()), "taken");
    // The compressed stream is whole, the archive in it is not.
    assert_eq!(code(zstd(&tar[..512 + 700])), "bundle.archive");
    assert_eq!(code(whole.slice(..whole.len() / 2)), "bundle.archive");
    for bytes in [&b"hello"[..], b"PK\x03\x04", &tar] {
        assert_eq!(code(Bytes::copy_from_slice(bytes)), "bundle.archive");
    }
    assert_ne!(code(Bytes::new()), "taken");
    assert_eq!(code(zstd(&[0; 1024])), "bundle.empty", "nothing in it");
    let mut wrong = tar.clone();
    wrong[3] ^= 1;
    assert_eq!(code(zstd(&wrong)), "bundle.archive", "a header whose sum is wrong");
}

proptest! {
    #[test]
    fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..2000), at in any::<prop::sample::Index>()) {
        let _ = code(bytes.clone().into());
        let _ = code(zstd(&bytes));
        let mut tar = tar_of(&[(b"a/b.js", EntryType::Regular, b"hello"), (b"c", EntryType::Regular, b"x")]);
        let at = at.index(tar.len());
        tar[at] = tar[at].wrapping_add(1);
        if let Ok(unpacked) = Upload::new(zstd(&tar)).unwrap().unpack() {
            for (name, _) in unpacked.files() {
                prop_assert!(!name.starts_with('/') && !name.split('/').any(|part| part == ".."), "{}", name);
            }
        }
    }

    #[test]
    fn what_is_packed_comes_back(files in proptest::collection::btree_map("[a-y]{1,8}(/[a-y]{1,8}){0,3}\\.z", proptest::collection::vec(any::<u8>(), 0..300), 1..20)) {
        let files: Vec<(String, Bytes)> = files.into_iter().map(|(name, bytes)| (name, bytes.into())).collect();
        if let Ok(unpacked) = Unpacked::of(files) {
            let archive = unpacked.pack().unwrap();
            prop_assert_eq!(&archive, &unpacked.pack().unwrap());
            let back = Upload::new(archive).unwrap().unpack().unwrap();
            prop_assert_eq!(back.digest(), unpacked.digest());
            prop_assert_eq!(back, unpacked);
        }
    }
}
