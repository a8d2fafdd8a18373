//! The surface of identity: the app's service account, its tokens, and the sessions that people have with it.

use crate::{Identity, sessions};
use async_trait::async_trait;
use authority::{AppRef, Ask, Cut, CutState, Held, Planned, Surface, SurfaceError, SurfaceName, Used};
use model::{Manifest, Problem};
use store::Tx;

const NAME: SurfaceName = SurfaceName::Identity;

#[async_trait]
impl Surface<Tx> for Identity {
    fn name(&self) -> SurfaceName {
        NAME
    }

    fn plan(&self, manifest: &Manifest) -> Vec<Planned> {
        let sentence = format!(
            "has an account of its own, `app-{}-{}-prod`, and no person's or administrator's",
            manifest.app.team, manifest.app.name
        );
        vec![Planned { surface: NAME, sentence }]
    }

    async fn open(&self, tx: &mut Tx, ask: &Ask<'_>) -> Result<(), SurfaceError> {
        self.open_account(tx, ask).await.map_err(failed)
    }

    async fn held(&self, app: &AppRef) -> Result<Vec<Held>, SurfaceError> {
        let account = self.account(app).filter(|account| account.live);
        Ok(account
            .map(|account| Held { surface: NAME, item: account.name.clone(), why: None, until: None })
            .into_iter()
            .collect())
    }

    async fn used(&self, app: &AppRef) -> Result<Vec<Used>, SurfaceError> {
        let Some(account) = self.account(app) else { return Ok(vec![]) };
        let (count, last) = self.sessions_made_with(app).await.map_err(failed)?;
        Ok(vec![Used { surface: NAME, item: account.name.clone(), count, last, since: None }])
    }

    async fn cut(&self, app: &AppRef) -> Vec<Cut> {
        let was = self.accounts.cut(app, self.clock.now());
        let sessions = self.sessions.end_of_app(app);
        let Some(account) = was else { return vec![] };
        let line = |item: String, how: String| Cut {
            surface: NAME,
            item,
            state: CutState::Dead,
            dead_at: Some(self.clock.now()),
            dead_by: None,
            node: self.config.node.clone(),
            how,
        };
        vec![
            line(
                account.name.clone(),
                format!("account off; tokens of credential epoch {} refused", account.credential_epoch),
            ),
            line("sessions".to_owned(), ended(sessions)),
        ]
    }

    async fn cut_rows(&self, tx: &mut Tx, app: &AppRef) -> Result<(), SurfaceError> {
        self.cut_account(tx, app).await.map_err(failed)?;
        let now = self.clock.now();
        sessions::end_rows_of_app(tx, &self.config.tenant, app, now).await.map_err(failed)
    }

    async fn refresh(&self, _app: &AppRef) -> Result<(), SurfaceError> {
        self.load_accounts().await.map_err(failed)
    }

    async fn retire(&self, tx: &mut Tx, app: &AppRef) -> Result<Vec<String>, SurfaceError> {
        self.cut_rows(tx, app).await?;
        let name = self.account(app).map(|account| account.name.clone());
        Ok(name.map(|name| format!("account `{name}` closed; its name stays taken")).into_iter().collect())
    }
}

fn ended(sessions: usize) -> String {
    match sessions {
        0 => "nobody was signed in to the app".to_owned(),
        1 => "1 session of a person with the app ended".to_owned(),
        many => format!("{many} sessions of people with the app ended"),
    }
}

fn failed(error: crate::Error) -> SurfaceError {
    match error {
        crate::Error::Refused(problem) => SurfaceError::Refused(problem),
        crate::Error::Denied(denied) => SurfaceError::Refused(Problem::from(denied)),
        other @ (crate::Error::Store(_) | crate::Error::Seal(_) | crate::Error::State(_) | crate::Error::Token(_)) => {
            SurfaceError::Failed { surface: NAME, source: Box::new(other) }
        }
    }
}
