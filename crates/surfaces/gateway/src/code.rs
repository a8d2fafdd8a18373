//! An app's code: its image comes from the store and is made ready once, in the background after a deploy, or by the
//! first request that needs it.

use arc_swap::ArcSwapOption;
use model::TenantId;
use sandbox::{App, Image, Sandbox};
use std::sync::Arc;
use store::Store;
use tokio::sync::Mutex;

/// Why code cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodeError {
    #[error("the release has no code")]
    None,
    #[error("the release's image is not in the store")]
    Missing,
    #[error("the release's image could not be read")]
    Store(#[from] store::StoreError),
    #[error("the release's image could not be made ready")]
    Sandbox(#[from] sandbox::Error),
}

/// What runs, ready.
pub(crate) struct Ready {
    pub(crate) app: App,
    pub(crate) handlers: Vec<String>,
}

/// Where code comes from.
pub(crate) struct Loader {
    pub(crate) store: Arc<Store>,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) tenant: TenantId,
}

/// The code of one release. Clones are the same.
#[derive(Clone)]
pub(crate) struct Code(Arc<Inner>);

struct Inner {
    image: Option<seal::Digest>,
    parallel: u32,
    ready: ArcSwapOption<Ready>,
    loading: Mutex<()>,
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Code").field(&self.0.image).finish()
    }
}

impl Code {
    pub(crate) fn new(image: Option<seal::Digest>, parallel: u32) -> Self {
        Self(Arc::new(Inner { image, parallel, ready: ArcSwapOption::empty(), loading: Mutex::default() }))
    }

    /// Whether it runs as many instances as it may, and as many again wait. Who reads an answer slowly holds none.
    pub(crate) fn is_full(&self) -> bool {
        self.0.ready.load().as_ref().is_some_and(|ready| ready.app.is_full())
    }

    /// Whether another release runs the same, so that nothing needs to be made ready again.
    pub(crate) fn is_of(&self, image: Option<seal::Digest>, parallel: u32) -> bool {
        self.0.image == image && self.0.parallel == parallel
    }

    pub(crate) async fn ready(&self, loader: &Loader) -> Result<Arc<Ready>, CodeError> {
        if let Some(ready) = self.0.ready.load_full() {
            return Ok(ready);
        }
        let _loading = self.0.loading.lock().await;
        if let Some(ready) = self.0.ready.load_full() {
            return Ok(ready);
        }
        let digest = self.0.image.as_ref().ok_or(CodeError::None)?;
        let bytes = loader.store.blobs(&loader.tenant).get(digest).await?.ok_or(CodeError::Missing)?;
        let image = Image::from_bytes(bytes)?;
        let app = loader.sandbox.load(&image, self.0.parallel).await?;
        let ready = Arc::new(Ready { app, handlers: image.handlers().to_vec() });
        self.0.ready.store(Some(Arc::clone(&ready)));
        Ok(ready)
    }

    /// The compiled form is gone: the next request makes it again.
    pub(crate) fn forget(&self) {
        self.0.ready.store(None);
    }
}
