//! What a test takes from its surroundings: packages by their lock file, a port, the files of a database, noise, a file
//! for a secret.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
};

/// The files of a SQLite database in a data folder.
pub const DATABASE: [&str; 3] = ["bailiwick.db", "bailiwick.db-wal", "bailiwick.db-shm"];

/// Below the ports that Linux gives to connections (`ip_local_port_range`), above those that programs are known by.
const PORTS: Range<u16> = 20_000..32_000;

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

/// A port that nobody listens at, and that nobody is given until whoever asked for it uses it: no other test of this
/// process, and none of the connections of this machine, whose own ports the system takes from above these.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two processes begin at different places.
    let begins = u16::try_from(std::process::id() % u32::from(PORTS.end - PORTS.start)).unwrap_or_default();
    loop {
        let port = PORTS.start + (begins + NEXT.fetch_add(1, Ordering::Relaxed)) % (PORTS.end - PORTS.start);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Writes a file that its owner alone can read, which is the only kind that a secret is taken from.
pub fn private_file(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// So many bytes that no archive makes smaller: the same each time (xorshift64).
#[must_use]
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    noise.take(bytes.div_ceil(8)).flatten().take(bytes).collect()
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
