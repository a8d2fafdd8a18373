//! The gates, in this process: the same code as on the server, with compiled code kept between runs.
//!
//! What is kept is authenticated by a key of its own, readable by this person alone: it is executed as it stands.

use authority::{Authority, Policy};
use catalog::{CheckDocument, Mended, Mending, Unpacked, Verdict, Waivers};
use model::{Problem, ProblemKind, SystemClock, TenantId, Timestamp};
use sandbox::{Authenticator, Config, Maxima, Sandbox};
use seal::{Context, Purpose, PurposeKey, RootKey};
use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

const KEY_FILE: &str = "cache.key";
const CODE_FOLDER: &str = "code";
/// What a file of tests of policy ends in.
const TESTS: &str = "_test.rego";
/// For this person alone.
const FOLDER_MODE: u32 = 0o700;
const OTHERS_MAY_WRITE: u32 = 0o022;

/// A sandbox for checks.
pub(crate) struct Gate {
    sandbox: Arc<Sandbox>,
    /// With the rules that ship: every server has them, and what an organisation adds is at its own.
    authority: Authority,
    /// Holds the cache of a person without a home; goes with the process.
    _temporary: Option<TempDir>,
}

impl Gate {
    /// Starts the sandbox; `cache` is made if it is not there.
    ///
    /// # Errors
    /// A folder that cannot be written, or that belongs to someone else; a machine that cannot run instances.
    pub(crate) fn open(cache: Option<PathBuf>) -> Result<Self, Problem> {
        let (folder, temporary) = match cache {
            Some(folder) => (folder, None),
            None => {
                let folder = tempfile::tempdir().map_err(|_| no_cache(Path::new("/tmp")))?;
                (folder.path().to_owned(), Some(folder))
            }
        };
        let code = folder.join(CODE_FOLDER);
        private(&code)?;
        own(&folder)?;
        let key = key(&folder.join(KEY_FILE)).map_err(|_| no_cache(&folder))?;
        let config = Config { cache_dir: code, authenticator: Arc::new(CacheKey(key)), maxima: Maxima::default() };
        let sandbox = Sandbox::start(config).map_err(|_| no_sandbox())?;
        let authority = Authority::new(Arc::new(SystemClock), shipped());
        Ok(Self { sandbox, authority, _temporary: temporary })
    }

    /// Takes every fix that can be made by machine.
    ///
    /// # Errors
    /// Files that an app may not hold, once edited.
    pub(crate) async fn mend(&self, unpacked: Unpacked, now: Timestamp) -> Result<Mended, Problem> {
        // The builder's own machine runs the builder's own code.
        let mut mending = Mending::new(unpacked);
        while mending.round(&self.sandbox, now).await? {}
        Ok(mending.mended())
    }

    /// Runs every gate, then asks the policy that ships. Offline nothing is waived.
    pub(crate) async fn check(&self, unpacked: Unpacked, now: Timestamp) -> CheckDocument {
        match catalog::check(unpacked, &self.sandbox, &Waivers::default(), now).await {
            Ok(checked) => {
                let mut document = checked.document();
                if let Some(refusal) = checked.refused_by(&self.authority) {
                    document.verdict = Verdict::Block;
                    document.findings.push(refusal);
                }
                document
            }
            Err(document) => *document,
        }
    }
}

/// The shipped policy, without its tests.
fn shipped() -> Option<Policy> {
    let mut files = server::shipped_policy();
    files.retain(|(name, _)| !name.ends_with(TESTS));
    Policy::compile(&files).ok()
}

struct CacheKey(PurposeKey);

impl CacheKey {
    fn context(context: &str) -> Context {
        Context::table("check").row(context)
    }
}

impl Authenticator for CacheKey {
    fn tag(&self, context: &str, bytes: &[u8]) -> [u8; 32] {
        self.0.mac(&Self::context(context), bytes)
    }

    fn verify(&self, context: &str, bytes: &[u8], tag: &[u8]) -> bool {
        self.0.verify_mac(&Self::context(context), bytes, tag).is_ok()
    }
}

/// The key of this cache; a lost one makes a new one, and what was kept is compiled again.
fn key(path: &Path) -> Result<PurposeKey, seal::Error> {
    let root = match RootKey::load_file(path) {
        Ok(root) => root,
        Err(error) => {
            let made = RootKey::generate();
            match made.create_file(path) {
                Ok(()) => made,
                // Another run was quicker; or the file is there and cannot be used.
                Err(seal::Error::KeyFileExists { .. }) => RootKey::load_file(path).map_err(|_| error)?,
                Err(error) => return Err(error),
            }
        }
    };
    Ok(root.tenant(&TenantId::main()).purpose(Purpose::CodeCache))
}

/// Makes a folder for compiled code, if it is not there.
///
/// # Errors
/// One that cannot be made, or that others can write.
pub(crate) fn private(folder: &Path) -> Result<(), Problem> {
    fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(|_| no_cache(folder))?;
    own(folder)
}

/// Whoever can write there could have code executed.
fn own(folder: &Path) -> Result<(), Problem> {
    let metadata = fs::metadata(folder).map_err(|_| no_cache(folder))?;
    let mine = metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & OTHERS_MAY_WRITE == 0;
    if mine { Ok(()) } else { Err(no_cache(folder)) }
}

fn no_cache(folder: &Path) -> Problem {
    let folder = folder.display();
    Problem::new(
        ProblemKind::Internal,
        "check.cache",
        format!("`{folder}` cannot keep compiled code"),
        "the folder must be yours, and writable by you alone",
        format!("remove `{folder}`, or choose another place with `BAILIWICK_DATA`"),
    )
}

fn no_sandbox() -> Problem {
    Problem::new(
        ProblemKind::Internal,
        "check.sandbox",
        "the app's code could not be tried",
        "this machine does not give the sandbox what it needs: address space and threads",
        "look at the limits of this account with `ulimit -a`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_stays_and_tells_bytes_and_contexts_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEY_FILE);
        let tag = CacheKey(key(&path).unwrap()).tag("engine", b"code");
        let again = CacheKey(key(&path).unwrap());
        assert!(again.verify("engine", b"code", &tag));
        assert!(!again.verify("app", b"code", &tag));
        assert!(!again.verify("engine", b"codf", &tag));
    }

    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEY_FILE);
        key(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(key(&path).is_err());
    }

    #[test]
    fn a_folder_that_others_can_write_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(own(folder.path()).unwrap_err().code, "check.cache");
    }
}
