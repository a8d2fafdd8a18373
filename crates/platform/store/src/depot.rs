//! A depot: named objects in a folder or in any S3-compatible store, for bundles, tiles of the log, and backups.
//!
//! Refuses to wait for ever (each try and all tries together end), to say in any text what it signs with, and to fill the
//! disk that a folder lies on.

mod folder;

use crate::{Cause, RESERVE_BYTES};
use folder::Folder;
pub use folder::Unfinished;
use futures_util::TryStreamExt;
use model::{Problem, ProblemKind, Timestamp};
use object_store::{
    BackoffConfig, Certificate, ClientOptions, GetOptions, GetRange, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, RetryConfig, aws::AmazonS3Builder, buffered::BufWriter, local::LocalFileSystem, path::Path as Name,
};
use seal::Zeroizing;
use std::{
    fmt, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

const CONNECT: Duration = Duration::from_secs(3);
/// Without a byte from there. It counts while a part goes up, and while a store puts parts together, so it is no shorter
/// than a part takes on a line of 5 Mbit/s.
const SILENCE: Duration = Duration::from_secs(15);
/// One request as a whole: the largest bundle over a slow line.
const REQUEST: Duration = Duration::from_secs(60);
const RETRIES: usize = 3;
/// After this, nothing is tried again.
const RETRY_FOR: Duration = Duration::from_secs(20);
/// Past this, an object goes up in parts. S3 takes 10,000 of them: 78 GiB.
const PART_BYTES: usize = 8 << 20;
/// Parts on their way at once. Several would share the line, and none would arrive within `SILENCE`.
const PARTS_AT_ONCE: usize = 1;
/// What a folder leaves free on its disk, since the record may lie there too: what was read and is not written yet must not
/// bring it below the reserve.
const SPARE_BYTES: u64 = RESERVE_BYTES * 4;
/// A file comes down in ranges of this size, each within `REQUEST`: however large it is, a line of 280 KB a second does.
const RANGE_BYTES: u64 = 16 << 20;
/// One range is asked for so often: what broke off within an answer is not tried again by whoever asks for it.
const RANGE_TRIES: usize = 3;

/// What a look begins to bring, and does not.
const LOOK: &str = "look";

/// Where objects lie.
#[derive(Debug, Clone)]
pub enum DepotPlace {
    Folder(PathBuf),
    S3(S3Place),
}

/// A bucket, or a part of it.
#[derive(Clone)]
pub struct S3Place {
    pub bucket: String,
    /// Stands before every name; may be empty.
    pub prefix: String,
    /// Of AWS itself, if not said. Speaks plain HTTP if it begins with `http://`.
    pub endpoint: Option<String>,
    pub region: String,
    pub key_id: Zeroizing<String>,
    pub secret: Zeroizing<String>,
    /// Certificates (DER) trusted beside the public roots.
    pub ca: Vec<Vec<u8>>,
}

impl fmt::Debug for S3Place {
    /// Without what it signs with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Place").field("bucket", &self.bucket).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Why an object could not be kept or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DepotError {
    #[error("`{place}` does not accept the keys that were given, or they may not do this")]
    Denied { place: Arc<str> },
    #[error("there is no such bucket or folder as `{place}`")]
    Absent { place: Arc<str> },
    #[error("`{place}` does not answer, or not as it should")]
    Unreachable { place: Arc<str>, source: Cause },
    #[error("the disk of `{place}` is all but full, and what is left is kept for the record")]
    Full { place: Arc<str> },
    #[error("what is copied to or from `{place}` could not be read or written on this machine")]
    Here { place: Arc<str>, source: Cause },
    #[error("what lies in `{place}` is not what was put there")]
    Altered { place: Arc<str> },
    #[error("content lies outside the database, and no place for it is configured")]
    Unconfigured,
}

impl DepotError {
    /// What a person is told. The source is for the operator's log.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (code, fix) = match self {
            Self::Denied { .. } => ("depot.denied", "check key, secret and rights: read, write, list and delete"),
            Self::Absent { .. } => ("depot.absent", "make it, or correct its name in the configuration"),
            Self::Unreachable { .. } => {
                ("depot.unreachable", "try again in a moment; `bailiwick doctor` looks whether it answers")
            }
            Self::Full { .. } => ("depot.full", "make room there, or let `to` or `blobs` name another disk"),
            Self::Here { .. } => {
                ("depot.here", "look whether its disk is full, and at the end of the server's log; then try again")
            }
            Self::Altered { .. } => ("depot.altered", "find out who changed it, and put it back from a copy"),
            Self::Unconfigured => ("depot.unconfigured", "put `[storage] blobs` back into the configuration"),
        };
        let what = match self {
            Self::Here { .. } | Self::Full { .. } => "a bundle or a backup could not be copied",
            Self::Denied { .. }
            | Self::Absent { .. }
            | Self::Unreachable { .. }
            | Self::Altered { .. }
            | Self::Unconfigured => "the place where bundles or backups lie cannot be used at the moment",
        };
        Problem::new(ProblemKind::Unavailable, code, what, self.to_string(), fix)
    }
}

/// One object, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub name: String,
    pub size_bytes: u64,
    pub at: Timestamp,
}

/// Puts and gets objects.
#[derive(Clone)]
pub struct Depot {
    objects: Arc<dyn ObjectStore>,
    prefix: Name,
    place: Arc<str>,
    folder: Option<Folder>,
}

impl fmt::Debug for Depot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Depot").field("place", &self.place).finish_non_exhaustive()
    }
}

impl fmt::Display for Depot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

impl Depot {
    /// Nothing is asked of it yet. A folder is made if it is not there.
    ///
    /// # Errors
    /// `DepotError::Unreachable` for a folder that cannot be made, or an address that is none.
    pub fn open(place: &DepotPlace) -> Result<Self, DepotError> {
        match place {
            DepotPlace::Folder(folder) => {
                let place: Arc<str> = folder.display().to_string().into();
                let failed = |source: Cause| DepotError::Unreachable { place: Arc::clone(&place), source };
                std::fs::create_dir_all(folder).map_err(|error| failed(Arc::new(error)))?;
                let objects = LocalFileSystem::new_with_prefix(folder).map_err(|error| failed(Arc::new(error)))?;
                let folder = Some(Folder { path: folder.clone(), spare_bytes: SPARE_BYTES });
                Ok(Self { objects: Arc::new(objects.with_fsync(true)), prefix: Name::default(), place, folder })
            }
            DepotPlace::S3(s3) => Self::s3(s3),
        }
    }

    fn s3(s3: &S3Place) -> Result<Self, DepotError> {
        let place: Arc<str> = format!("s3://{}/{}", s3.bucket, s3.prefix).trim_end_matches('/').into();
        let failed = |error: object_store::Error| DepotError::Unreachable {
            place: Arc::clone(&place),
            source: Arc::new(error) as Cause,
        };
        let mut options = ClientOptions::new()
            .with_connect_timeout(CONNECT)
            .with_read_timeout(SILENCE)
            .with_timeout(REQUEST)
            .with_allow_http(s3.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")));
        for der in &s3.ca {
            options = options.with_root_certificate(Certificate::from_der(der).map_err(failed)?);
        }
        let backoff = BackoffConfig { init_backoff: Duration::from_millis(100), ..BackoffConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&s3.bucket)
            .with_region(&s3.region)
            .with_access_key_id(s3.key_id.as_str())
            .with_secret_access_key(s3.secret.as_str())
            .with_retry(RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRY_FOR })
            .with_client_options(options);
        if let Some(endpoint) = &s3.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let objects = builder.build().map_err(failed)?;
        Ok(Self { objects: Arc::new(objects), prefix: Name::from(s3.prefix.as_str()), place, folder: None })
    }

    fn name(&self, name: &str) -> Name {
        self.prefix.parts().chain(Name::from(name).parts()).collect()
    }

    fn failed(&self, error: object_store::Error) -> DepotError {
        let place = Arc::clone(&self.place);
        let denied =
            matches!(error, object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. });
        if denied {
            DepotError::Denied { place }
        } else if matches!(error, object_store::Error::NotFound { .. }) {
            DepotError::Absent { place }
        } else {
            DepotError::Unreachable { place, source: Arc::new(error) }
        }
    }

    /// This end of a copy failed: no place outside is to blame.
    fn failed_here(&self, error: io::Error) -> DepotError {
        DepotError::Here { place: Arc::clone(&self.place), source: Arc::new(error) }
    }

    fn failed_io(&self, error: io::Error) -> DepotError {
        match error.downcast::<object_store::Error>() {
            Ok(error) => self.failed(error),
            Err(error) => DepotError::Unreachable { place: Arc::clone(&self.place), source: Arc::new(error) },
        }
    }

    /// Durable when this returns. An object of this name is replaced, as a whole.
    ///
    /// # Errors
    /// When it was not kept.
    pub async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), DepotError> {
        if bytes.len() > PART_BYTES {
            return self.put_from(name, bytes.as_slice()).await.map(drop);
        }
        let put = self.objects.put(&self.name(name), bytes.into()).await;
        put.map(drop).map_err(|error| self.failed(error))
    }

    /// The same, of any size, as it comes.
    ///
    /// # Errors
    /// As `put`, `Here` when reading fails, and `Full` before a folder takes the last of its disk; nothing stands under
    /// the name then.
    pub async fn put_from<R: AsyncRead + Unpin>(&self, name: &str, mut from: R) -> Result<u64, DepotError> {
        let to = BufWriter::with_capacity(Arc::clone(&self.objects), self.name(name), PART_BYTES);
        let mut to = to.with_max_concurrency(PARTS_AT_ONCE);
        match self.copy(&mut from, &mut to).await {
            // It clears away its own parts when it fails, and panics when it is aborted after that.
            Ok(bytes) => to.shutdown().await.map(|()| bytes).map_err(|error| self.failed_io(error)),
            Err(error) => {
                if let Err(left) = to.abort().await {
                    tracing::warn!(error = %left, "parts of an object were left in the depot");
                }
                Err(error)
            }
        }
    }

    async fn copy<R: AsyncRead + Unpin>(&self, from: &mut R, to: &mut BufWriter) -> Result<u64, DepotError> {
        let mut piece = vec![0; 1 << 20];
        let mut bytes = 0;
        loop {
            let read = from.read(&mut piece).await.map_err(|error| self.failed_here(error))?;
            if read == 0 {
                // Waits for the part that is on its way: the last goes behind it, not beside it.
                let nothing = to.write(&[]).await;
                return nothing.map(|_| bytes).map_err(|error| self.failed_io(error));
            }
            self.check_room()?;
            bytes += read as u64;
            let put = to.write_all(piece.get(..read).unwrap_or_default()).await;
            put.map_err(|error| self.failed_io(error))?;
        }
    }

    fn check_room(&self) -> Result<(), DepotError> {
        match self.folder.as_ref().map_or(Ok(true), Folder::has_room) {
            Ok(true) => Ok(()),
            Ok(false) => Err(DepotError::Full { place: Arc::clone(&self.place) }),
            Err(error) => Err(self.failed_io(error)),
        }
    }

    /// `None`: there is none of this name.
    ///
    /// # Errors
    /// When it could not be asked for, or did not come as a whole.
    pub async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, DepotError> {
        let read = async { self.objects.get(&self.name(name)).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The same, into a file. Whether there was one.
    ///
    /// # Errors
    /// As `get`; `Here` when the file cannot be written; when the object was replaced while it was read.
    pub async fn get_file(&self, name: &str, to: &Path) -> Result<bool, DepotError> {
        let found = match self.objects.head(&self.name(name)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(self.failed(error)),
        };
        let mut file = tokio::fs::File::create(to).await.map_err(|error| self.failed_here(error))?;
        let mut from = 0;
        while from < found.size {
            let until = from.saturating_add(RANGE_BYTES).min(found.size);
            let piece = self.range(&found, from..until).await?;
            file.write_all(&piece).await.map_err(|error| self.failed_here(error))?;
            from = until;
        }
        file.sync_all().await.map_err(|error| self.failed_here(error))?;
        Ok(true)
    }

    /// A part of the very object that was found.
    async fn range(&self, found: &ObjectMeta, range: Range<u64>) -> Result<Vec<u8>, DepotError> {
        let mut tries = 1;
        loop {
            let options = GetOptions {
                range: Some(GetRange::Bounded(range.clone())),
                if_match: found.e_tag.clone(),
                ..GetOptions::default()
            };
            let read = async {
                let part = self.objects.get_opts(&found.location, options).await?;
                // Not every store looks at the condition.
                let same = part.meta.e_tag == found.e_tag && part.range == range;
                Ok((same, Vec::from(part.bytes().await?)))
            };
            match read.await {
                Ok((true, piece)) if piece.len() as u64 == range.end - range.start => return Ok(piece),
                Ok(_) => return Err(self.replaced()),
                Err(object_store::Error::Precondition { .. }) => return Err(self.replaced()),
                Err(error) if tries >= RANGE_TRIES => return Err(self.failed(error)),
                Err(_) => tries += 1,
            }
        }
    }

    fn replaced(&self) -> DepotError {
        self.failed_io(io::Error::other("the object was replaced while it was read"))
    }

    /// What lies there, by name.
    ///
    /// # Errors
    /// When it could not be asked for.
    pub async fn list(&self) -> Result<Vec<Stored>, DepotError> {
        let prefix = (!self.prefix.as_ref().is_empty()).then_some(&self.prefix);
        let found: Vec<_> = self.objects.list(prefix).try_collect().await.map_err(|error| self.failed(error))?;
        let mut stored: Vec<Stored> = found
            .into_iter()
            .filter_map(|object| {
                let parts: Vec<_> = object.location.prefix_match(&self.prefix)?.collect();
                let name = parts.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join("/");
                let at = Timestamp::from_ms(object.last_modified.timestamp_millis());
                Some(Stored { name, size_bytes: object.size, at })
            })
            .collect();
        stored.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(stored)
    }

    /// What was begun in a folder, and is not there: some of it may still be on its way. A bucket does not list it; a rule
    /// of its own clears it away.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, DepotError> {
        let found = self.folder.as_ref().map_or_else(|| Ok(Vec::new()), Folder::unfinished);
        found.map_err(|error| self.failed_io(error))
    }

    /// Gives it up.
    ///
    /// # Errors
    /// When it is not known to be gone.
    pub fn discard(&self, unfinished: &Unfinished) -> Result<(), DepotError> {
        unfinished.discard().map_err(|error| self.failed_io(error))
    }

    /// It is no error that there was none.
    ///
    /// # Errors
    /// When it is not known to be gone.
    pub async fn delete(&self, name: &str) -> Result<(), DepotError> {
        match self.objects.delete(&self.name(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Whether it answers, and takes the keys: to list what there is, and to bring something. What is begun is given up
    /// before it has a byte, so nothing comes to stand under a name.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self) -> Result<(), DepotError> {
        let prefix = (!self.prefix.as_ref().is_empty()).then_some(&self.prefix);
        let looked = async {
            self.objects.list(prefix).try_next().await?;
            self.objects.put_multipart(&self.name(LOOK)).await?.abort().await
        };
        looked.await.map_err(|error| self.failed(error))
    }

    pub(crate) fn altered(&self) -> DepotError {
        DepotError::Altered { place: Arc::clone(&self.place) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    impl AsyncRead for Broken {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            std::task::Poll::Ready(Err(io::Error::other("the source broke")))
        }
    }

    #[tokio::test]
    async fn what_fails_on_this_machine_is_not_said_of_the_place() {
        let folder = tempfile::tempdir().unwrap();
        let depot = Depot::open(&DepotPlace::Folder(folder.path().join("depot"))).unwrap();
        let broken = depot.put_from("a", Broken).await.unwrap_err();
        assert!(matches!(broken, DepotError::Here { .. }), "{broken:?}");
        assert_eq!(broken.problem().code, "depot.here");
        assert_eq!(depot.get("a").await.unwrap(), None, "nothing stands under the name");
        depot.put("b", b"kept".to_vec()).await.unwrap();
        let unwritable = depot.get_file("b", &folder.path().join("absent/file")).await.unwrap_err();
        assert!(matches!(unwritable, DepotError::Here { .. }), "{unwritable:?}");
        assert!(depot.get_file("b", &folder.path().join("file")).await.unwrap());
        // A full disk, as this machine's kernel has one.
        let full = depot.get_file("b", Path::new("/dev/full")).await.unwrap_err();
        assert!(matches!(full, DepotError::Here { .. }), "{full:?}");
    }

    #[tokio::test]
    async fn a_folder_leaves_room_on_its_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut depot = Depot::open(&DepotPlace::Folder(folder.path().to_owned())).unwrap();
        depot.put_from("small", &b"while there is room"[..]).await.unwrap();
        depot.folder.as_mut().unwrap().spare_bytes = u64::MAX;
        let full = depot.put_from("a", &b"more"[..]).await.unwrap_err();
        assert_eq!((full.problem().code.as_str(), full.problem().status()), ("depot.full", 503));
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["small"], "nothing is left of it");
    }
}
