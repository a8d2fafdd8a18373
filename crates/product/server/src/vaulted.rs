//! What broker and catalog ask of the vault: values in the place of placeholders, their traces out of answers, and the
//! versions that an approval names.

use crate::nodes;
use async_trait::async_trait;
use authority::Instance;
use broker::{Grant, Scrub, Secrets};
use bytes::Bytes;
use catalog::SecretVersions;
use gateway::Lease;
use http::{HeaderValue, request};
use model::{Env, Manifest, Problem, SecretId};
use std::{collections::BTreeMap, sync::Arc};
use vault::{Destination, Scrubber, Vault};

pub(crate) struct ByVault {
    pub(crate) vault: Arc<Vault>,
    /// Without it, no secret is released and no call sent.
    pub(crate) lease: Arc<Lease>,
}

struct Scrubbing(Scrubber);

#[async_trait]
impl Secrets for ByVault {
    async fn attach(
        &self,
        instance: &Instance,
        grant: &Grant,
        parts: &mut request::Parts,
    ) -> Result<Option<Box<dyn Scrub>>, Problem> {
        let to = Destination { host: &grant.host, port: grant.port, tls: grant.tls, secret: grant.secret.as_deref() };
        // Before a use is on the record that cannot take place.
        self.may_leave()?;
        let attached = self.vault.attach(instance, &to, parts).await?;
        Ok(attached.map(|attached| Box::new(Scrubbing(attached.scrubber)) as Box<dyn Scrub>))
    }

    fn may_leave(&self) -> Result<(), Problem> {
        nodes::released(&self.lease)
    }
}

#[async_trait]
impl SecretVersions for ByVault {
    async fn versions(&self, manifest: &Manifest, env: Env) -> Result<BTreeMap<SecretId, u64>, Problem> {
        self.vault.versions_now(manifest, env).await.map_err(|error| Problem::from(&error))
    }
}

impl Scrub for Scrubbing {
    fn header(&mut self, value: &HeaderValue) -> HeaderValue {
        self.0.header(value)
    }

    fn chunk(&mut self, chunk: Bytes) -> Bytes {
        self.0.chunk(chunk)
    }

    fn end(&mut self) -> Bytes {
        self.0.end()
    }

    fn hits(&self) -> u64 {
        self.0.hits()
    }
}
