//! A newer server with another engine: what was made ready for the old one is made ready again, from its bundle, so
//! that an upgrade stops no app.
//!
//! Nothing else of a release changes: bundle, manifest, grants and approvals are what they were. Refuses nothing; a
//! release that this engine does not take stays as it is, and the server's log says why.

use crate::{
    Catalog, Error, Unpacked, Upload, apps,
    gates::build,
    releases::{self, engine_of, sql},
};
use authority::{Act, AppRef, AppState, Ask, Caller, Permit, Rule, Target, change, rules};
use model::{AppId, Problem, ReleaseNumber, TenantId, manifest::SurfaceName};
use sandbox::{Image, Sandbox};
use std::sync::Arc;
use store::{Blob, left_to_feed, params};

/// Put an image for this server's engine in the place of another's.
#[derive(Debug, Clone)]
pub struct RebuildRelease {
    pub tenant: TenantId,
    pub app: AppRef,
    pub release: ReleaseNumber,
}

impl Act for RebuildRelease {
    const RULE: &'static Rule = &rules::RELEASE_REBUILD;
    fn target(&self) -> Target {
        Target::within(self.tenant.clone(), &self.app, format!("app/{}", self.app.id))
    }
}

impl Catalog {
    /// Makes ready again what was made for another engine, what serves first; says how many.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn rebuild(&self, caller: &Caller, sandbox: &Arc<Sandbox>) -> Result<usize, Error> {
        let rows = self.store.read(sql::OTHER_ENGINE, params![&self.tenant, sandbox::engine_id()]).await?;
        let mut waiting = Vec::new();
        for row in &rows {
            let Ok(env) = row.text(1)?.parse() else { continue };
            let app = AppRef { id: AppId::new(row.text(0)?), env };
            let release = ReleaseNumber(u32::try_from(row.int(2)?).unwrap_or_default());
            let act = RebuildRelease { tenant: self.tenant.clone(), app, release };
            waiting.push((!self.serves(&act), act, row.text(3)?.to_owned()));
        }
        waiting.sort_by_key(|(idle, ..)| *idle);
        let mut done = 0;
        for (_, act, bundle) in waiting {
            match self.image_of(&act, &bundle, sandbox).await? {
                Ok(image) => {
                    let kept = self.store.blobs(&self.tenant).keep(image.to_bytes().to_vec()).await?;
                    self.store
                        .again(|| async {
                            let permit = self.authority.permit(caller, act.clone()).await?;
                            self.replace_image(permit, &image, &kept).await
                        })
                        .await?;
                    done += 1;
                }
                Err(problem) => {
                    tracing::error!(app = %act.app.id, release = %act.release, %problem, "a release does not load any more");
                }
            }
        }
        Ok(done)
    }

    fn serves(&self, act: &RebuildRelease) -> bool {
        let apps = self.apps.all();
        let env = apps.get(&act.app.id).and_then(|app| app.envs.get(&act.app.env));
        env.is_some_and(|env| {
            env.state == AppState::Live && env.live.as_ref().is_some_and(|live| live.release == act.release)
        })
    }

    /// What the release's bundle is on this engine; why not, when it does not load here.
    async fn image_of(
        &self,
        act: &RebuildRelease,
        bundle: &str,
        sandbox: &Arc<Sandbox>,
    ) -> Result<Result<Image, Problem>, Error> {
        let known = self.known_release(&act.app.id, act.release).await?.ok_or(Error::Manifest)?;
        let bundle = bundle.parse().map_err(|_| Error::Manifest)?;
        let bytes = self.store.blobs(&self.tenant).get(&bundle).await?.ok_or(Error::Manifest)?;
        let unpacked = tokio::task::spawn_blocking(move || Upload::new(bytes.into()).and_then(Upload::unpack)).await;
        let unpacked: Unpacked = match unpacked.map_err(|_| Problem::internal())? {
            Ok(unpacked) => unpacked,
            Err(problem) => return Ok(Err(problem)),
        };
        Ok(build(&known.manifest, &unpacked, sandbox).await.map(|(image, _)| image).map_err(|finding| {
            Problem::new(model::ProblemKind::Unprocessable, finding.code, finding.what, finding.why, finding.fix)
        }))
    }

    async fn replace_image(&self, permit: Permit<RebuildRelease>, image: &Image, kept: &Blob) -> Result<(), Error> {
        let (act, mut tx) = self.store.write(permit).await?;
        let (tenant, app, now) = (tx.tenant().clone(), act.app, tx.now());
        let digest = tx.put_blob(kept).await?.to_string();
        let row = params![&tenant, &app.id, act.release.0, digest.as_str(), engine_of(image)];
        tx.execute(sql::REBUILT, row).await?;
        let release = releases::one(&mut tx, &app.id, act.release).await?.ok_or(Error::Manifest)?;
        let serving = tx.query_one(apps::sql::DEPLOYMENT, params![&tenant, &app.id, app.env.as_str()]).await?;
        if let Some(row) = serving
            && apps::state(row.text(0)?) == AppState::Live
            && row.opt_int(1)? == Some(i64::from(act.release.0))
        {
            let name = self.name_of(&app.id).ok_or(Error::Manifest)?;
            let ask = Ask {
                app: &app,
                name: &name,
                release: release.number,
                manifest: &release.manifest,
                image: release.image.as_deref(),
                assets: release.assets.as_deref(),
                credential_epoch: row.uint(2)?,
                at: now,
            };
            // The one that runs the code. To open the others anew would give what nobody agreed to since.
            for surface in self.surfaces.iter().filter(|surface| surface.name() == SurfaceName::Gateway) {
                surface.open(&mut tx, &ask).await?;
            }
            tx.feed(change::APP, change::app_key(&app));
        }
        tx.commit(serde_json::json!({ "release": act.release, "engine": engine_of(image) }), None).await?;
        left_to_feed(self.refresh_surfaces(&app).await);
        Ok(())
    }
}
