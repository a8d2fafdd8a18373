//! The same folder gives the same digest on any machine; one changed byte or name gives another.

use bytes::Bytes;
use catalog::Unpacked;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, SystemTime},
};

const FILES: [(&str, &str); 4] = [
    ("bailiwick.toml", "[app]\r\n"),
    ("app.js", "export default {};\n"),
    ("public/b.css", "b{}"),
    ("public/a.css", ""),
];

fn folder(order: impl Iterator<Item = &'static (&'static str, &'static str)>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in order {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn digest(dir: &Path) -> String {
    Unpacked::from_folder(dir).unwrap().digest().to_string()
}

#[test]
fn dates_order_modes_and_what_editors_leave_do_not_enter() {
    let one = folder(FILES.iter());
    let other = folder(FILES.iter().rev());
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    for (name, _) in FILES {
        let path = other.path().join(name);
        fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for (name, text) in [
        (".git/HEAD", "ref"),
        (".DS_Store", "x"),
        (".env", "X=1"),
        ("node_modules/x/index.js", "x"),
        ("Thumbs.db", "x"),
        ("public/desktop.ini", "x"),
    ] {
        let path = other.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::create_dir(other.path().join("empty")).unwrap();
    assert_eq!(digest(one.path()), digest(other.path()));
    assert_eq!(Unpacked::from_folder(one.path()).unwrap().pack(), Unpacked::from_folder(other.path()).unwrap().pack());
    // What it is, so that no change of the code changes it unseen: approvals stand on it.
    assert_eq!(digest(one.path()), "sha256:cb6f2c5e710917fb1cb7ca761409f90e045591b37b0a640d07e0fb044c1ba5a1");
}

#[test]
fn one_byte_one_name_one_line_end_is_another() {
    let whole: Vec<(String, Bytes)> =
        FILES.iter().map(|(name, text)| ((*name).to_owned(), Bytes::from_static(text.as_bytes()))).collect();
    let digest = |files: &[(String, Bytes)]| Unpacked::of(files.to_vec()).unwrap().digest();
    let before = digest(&whole);
    let mut seen = vec![before];
    type Files = Vec<(String, Bytes)>;
    let mut also = |change: &dyn Fn(&mut Files)| {
        let mut files = whole.clone();
        change(&mut files);
        let after = digest(&files);
        assert!(!seen.contains(&after));
        seen.push(after);
    };
    also(&|files| files[0].1 = Bytes::from_static(b"[app]\n"));
    also(&|files| files[1].1 = Bytes::from_static(b"export default {}; "));
    also(&|files| files[1].0 = "App.js".to_owned());
    also(&|files| drop(files.pop()));
    also(&|files| files.push(("x".to_owned(), Bytes::new())));
    // The same bytes, cut elsewhere.
    also(&|files| {
        files[2] = ("public/b.css".to_owned(), Bytes::from_static(b"b{"));
        files[3] = ("public/c.css".to_owned(), Bytes::from_static(b"}"));
    });
}

#[test]
fn a_folder_that_is_none_and_links_in_it_are_refused() {
    let dir = folder(FILES.iter());
    assert_eq!(Unpacked::from_folder(&dir.path().join("gone")).unwrap_err().code, "bundle.unreadable");
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("public/passwd")).unwrap();
    assert_eq!(Unpacked::from_folder(dir.path()).unwrap_err().code, "bundle.entry");
    let file = Unpacked::from_folder(&dir.path().join("bailiwick.toml")).unwrap_err();
    assert_eq!(file.code, "bundle.no_folder");
    // A folder that is no app's is told so, whatever else is in it.
    let other = tempfile::tempdir().unwrap();
    assert_eq!(Unpacked::from_folder(other.path()).unwrap_err().code, "bundle.no_app");
    std::os::unix::fs::symlink("/etc/passwd", other.path().join("passwd")).unwrap();
    assert_eq!(Unpacked::from_folder(other.path()).unwrap_err().code, "bundle.no_app");
    let odd = folder(FILES.iter());
    let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"a\xff.js");
    fs::write(odd.path().join(name), "x").unwrap();
    assert_eq!(Unpacked::from_folder(odd.path()).unwrap_err().code, "bundle.entry");
}
