//! Whether people could be told: the mail server is greeted and let in to. The webhook is not asked, since a notice is all
//! that it understands; `bailiwick notices test` sends one.

use super::{Examined, Health};
use crate::Config;
use watch::Channels;

pub(super) async fn ways(config: &Config) -> Examined {
    if !config.notify.is_on() {
        let what = "nobody is told of anything: `[notify]` names no way";
        if config.grace.is_none() {
            return Examined::well("notices", what);
        }
        return Examined::wrong(
            "notices",
            Health::Doubtful,
            format!("{what}; so nothing is deleted of apps that nobody keeps, whatever `[apps] grace` says"),
            "name a mail server or a webhook in `[notify]`, or write `[apps] grace = \"never\"`",
        );
    }
    let channels = match Channels::new(&config.notify, &config.egress.ca) {
        Ok(channels) => channels,
        Err(problem) => return Examined::of("notices", &problem),
    };
    let webhook = channels.webhook.as_ref().map(|webhook| format!("the webhook at `{}`", webhook.host()));
    let Some(mail) = &channels.mail else {
        return Examined::well("notices", format!("they go to {}", webhook.unwrap_or_default()));
    };
    match mail.check().await {
        Ok(()) => {
            let more = webhook.map(|webhook| format!(", and to {webhook}")).unwrap_or_default();
            Examined::well("notices", format!("the mail server `{}` takes them{more}", mail.server))
        }
        Err(failed) => Examined::wrong(
            "notices",
            Health::Ill,
            format!("the mail server `{}` does not take them: {}", mail.server, failed.why),
            "check `[notify] smtp`: name, port, user and password; a certificate of your own goes into `[broker] ca`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Overrides;
    use std::path::Path;

    #[tokio::test]
    async fn a_grace_of_which_nobody_could_be_told_is_doubtful() {
        let health = async |text: &str| {
            let config = Config::read_text(text, Path::new("config.toml"), &Overrides::default()).unwrap();
            ways(&config).await.health
        };
        assert_eq!(health("").await, Health::Doubtful);
        assert_eq!(health("[apps]\ngrace = \"never\"\n").await, Health::Well);
    }
}
