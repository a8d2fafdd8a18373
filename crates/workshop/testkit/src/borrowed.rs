//! What a test takes from its surroundings: packages by their lock file, a port, the files of a database.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

/// The files of a SQLite database in a data folder.
pub const DATABASE: [&str; 3] = ["bailiwick.db", "bailiwick.db-wal", "bailiwick.db-shm"];

/// Installs the packages of a folder beside this crate's sources, once, by its lock file; gives where they are. `within`
/// is the build's own folder for tests (`CARGO_TARGET_TMPDIR`), `sign` what is there once they are.
#[must_use]
pub fn installed(within: &str, name: &str, sign: &str) -> PathBuf {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (source, folder) = (Path::new(env!("CARGO_MANIFEST_DIR")).join(name), Path::new(within).join(name));
    std::fs::create_dir_all(&folder).unwrap();
    for file in std::fs::read_dir(source).unwrap().map(Result::unwrap).filter(|file| file.path().is_file()) {
        std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    if !folder.join("node_modules").join(sign).exists() {
        let npm = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"];
        let done = Command::new("npm").args(npm).current_dir(&folder).output().expect("`npm` is there");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    folder
}

/// A port that nobody listens at.
#[must_use]
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Puts the SQLite database of one data folder in the place of another's, whose server is stopped.
pub fn copy_database(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in DATABASE {
        drop(std::fs::remove_file(to.join(file)));
        if from.join(file).exists() {
            std::fs::copy(from.join(file), to.join(file)).unwrap();
        }
    }
}
