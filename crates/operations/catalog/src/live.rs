//! `Approved → Live`: one transaction writes the environment's row and the rows of every surface's `open`.

use crate::{Approved, Catalog, Deployed, Error, Status, apps, decide::ApprovedBy, waivers::Exceptions};
use authority::{AppRef, Ask, change};
use model::{EventId, Timestamp, manifest::Manifest};
use store::{Tx, left_to_feed, params};

/// A release that serves, once the transaction it was made in is committed.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) app: AppRef,
    pub(crate) document: Deployed,
    pub(crate) by: ApprovedBy,
    pub(crate) exceptions: Exceptions,
}

impl Catalog {
    pub(crate) async fn go_live(&self, tx: &mut Tx, approved: Approved) -> Result<Live, Error> {
        let Approved { decided, by } = approved;
        let (tenant, now) = (tx.tenant().clone(), tx.now());
        let (app, release) = (&decided.app, &decided.release);
        let row = params![
            &tenant,
            &app.id,
            app.env.as_str(),
            "live",
            release.number.0,
            decided.credential_epoch,
            expires_at(&release.manifest),
            now,
        ];
        tx.execute(apps::sql::PUT_DEPLOYMENT, row).await?;
        let manifest = self.given(&release.manifest);
        let ask = Ask {
            app,
            name: &decided.name,
            release: release.number,
            manifest: &manifest,
            image: release.image.as_deref(),
            assets: release.assets.as_deref(),
            credential_epoch: decided.credential_epoch,
            at: now,
        };
        for surface in &self.surfaces {
            surface.open(tx, &ask).await?;
        }
        tx.feed(change::APP, change::app_key(app));
        let document = Deployed {
            app: Some(decided.name.to_string()),
            app_id: Some(app.id.clone()),
            env: app.env,
            release: Some(release.number),
            digest: Some(release.digest.clone()),
            tier: Some(release.tier),
            status: Status::Live,
            url: Some(self.url(&decided.name, app.env)),
            findings: release.findings.clone(),
            request: None,
            event: None,
            approval: None,
            problem: None,
        };
        Ok(Live { app: decided.app, document, by, exceptions: decided.exceptions })
    }

    /// After the commit: this node serves it before the answer is given.
    pub(crate) async fn serve(&self, live: Live, event: EventId) -> Deployed {
        left_to_feed(self.load_app(&live.app.id).await);
        left_to_feed(self.refresh_surfaces(&live.app).await);
        let mut document = live.document;
        left_to_feed(self.tell_waivers(&mut document.findings).await);
        Deployed { event: Some(event), ..document }
    }
}

/// The first moment after the manifest's last day.
pub(crate) fn expires_at(manifest: &Manifest) -> Timestamp {
    let after = manifest.app.expires.tomorrow().unwrap_or(manifest.app.expires);
    after
        .to_zoned(jiff::tz::TimeZone::UTC)
        .map_or(Timestamp::from_ms(i64::MAX), |zoned| Timestamp::from(zoned.timestamp()))
}
