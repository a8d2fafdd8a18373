//! `[notify]`: how people are told. A mail server, and an address that notices are posted to, signed.
//!
//! Refuses to send a password or a notice in the open, and secrets that could be guessed. None of it is ever shown.

use super::{Reader, secret_file::secret_file};
use seal::{WebhookKey, Zeroizing};
use std::path::Path;
use url::Url;
use watch::{Address, Hook, Notify, Smtp, Wrapping};

const SMTP_FORM: &str = "`\"smtps://user:password@mail.corp.example:465\"`, or `\"file:PATH\"` of a file that holds it";
const HOOK_FORM: &str = "`\"https://hooks.corp.example/bailiwick\"`, or `\"file:PATH\"` of a file that holds it";
const HOOK_SECRET: &str = "notify.webhook_secret";
const MAKE_SECRET: &str = "make one with `printf 'whsec_%s' \"$(openssl rand -base64 32)\"`";
/// RFC 8314 and RFC 6409.
const SMTPS_PORT: u16 = 465;
const SUBMISSION_PORT: u16 = 587;

/// `console` is its address: mail comes from its host when nothing is said.
pub(super) fn notify(reader: &mut Reader, folder: &Path, console: &str) -> Notify {
    let from = from(reader, console);
    let password = secret(reader, folder, "notify.smtp_password");
    let smtp = text(reader, folder, "notify.smtp", SMTP_FORM);
    let smtp = smtp.zip(from).and_then(|(text, from)| smtp_of(reader, &text, password, from));
    let named = reader.values.contains_key(HOOK_SECRET);
    let key = secret(reader, folder, HOOK_SECRET);
    let webhook = text(reader, folder, "notify.webhook", HOOK_FORM);
    let webhook = webhook.and_then(|text| hook_of(reader, &text)).and_then(|url| match key {
        Some(text) => key_of(reader, &text).map(|key| Hook { url, key }),
        None => {
            let why = "without a secret, whoever receives a notice cannot tell that it came from here";
            if !named {
                reader.wrong(HOOK_SECRET, why, format!("{MAKE_SECRET}, and write `webhook_secret = \"file:PATH\"`"));
            }
            None
        }
    });
    Notify { smtp, webhook }
}

/// A value that may hold a secret: itself, or in a file.
fn text(reader: &mut Reader, folder: &Path, key: &str, form: &str) -> Option<Zeroizing<String>> {
    let text: Zeroizing<String> = Zeroizing::new(reader.take(key, form)?);
    match text.strip_prefix("file:") {
        Some(path) => secret_file(reader, folder, key, path),
        None => Some(text),
    }
}

/// A value that is a secret: in a file alone.
fn secret(reader: &mut Reader, folder: &Path, key: &str) -> Option<Zeroizing<String>> {
    let text: Zeroizing<String> = Zeroizing::new(reader.take(key, "`\"file:PATH\"`")?);
    let Some(path) = text.strip_prefix("file:") else {
        let fix = "put it into a file that only the server's user reads, and write `\"file:PATH\"`";
        reader.wrong(key, "a secret does not stand in the configuration", fix);
        return None;
    };
    secret_file(reader, folder, key, path)
}

fn from(reader: &mut Reader, console: &str) -> Option<Address> {
    let given: Option<String> = reader.take("notify.from", "`\"bailiwick@corp.example\"`");
    let Some(text) = given else {
        let host = Url::parse(console).ok().and_then(|url| url.domain().map(str::to_owned));
        return format!("bailiwick@{}", host.as_deref().unwrap_or("localhost")).parse().ok();
    };
    let parsed = text.parse().ok();
    if parsed.is_none() {
        let why = format!("`{text}` is not an address that mail can come from");
        reader.wrong("notify.from", why, "write `from = \"bailiwick@corp.example\"`");
    }
    parsed
}

/// Whether an address is of this machine alone.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

fn smtp_of(reader: &mut Reader, text: &str, password: Option<Zeroizing<String>>, from: Address) -> Option<Smtp> {
    let mut wrong = |why: &str, fix: &str| {
        reader.wrong("notify.smtp", why, fix);
        None
    };
    let Ok(url) = Url::parse(text) else { return wrong("it is not an address", &format!("write it as {SMTP_FORM}")) };
    let Some(host) = url.host_str().filter(|host| !host.is_empty()).map(str::to_owned) else {
        return wrong("it names no mail server", &format!("write it as {SMTP_FORM}"));
    };
    let (wrapping, standard) = match url.scheme() {
        "smtps" => (Wrapping::Tls, SMTPS_PORT),
        "smtp" if is_loopback(&host) => (Wrapping::Loopback, SUBMISSION_PORT),
        "smtp" => (Wrapping::StartTls, SUBMISSION_PORT),
        _ => {
            let fix = "`smtps://` is TLS from the first byte, `smtp://` is STARTTLS";
            return wrong("mail is sent by SMTP alone", fix);
        }
    };
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return wrong("it has more than a mail server's name and port", "write nothing behind the port");
    }
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().map(|text| text.into_owned());
    let (Ok(user), Ok(own)) = (decoded(url.username()), url.password().map(decoded).transpose()) else {
        return wrong("its user or password is not text (UTF-8)", "encode special characters by `%` and two digits");
    };
    let password = own.map(Zeroizing::new).or(password);
    let credentials = match (user.is_empty(), password) {
        (true, None) => None,
        (false, Some(password)) => Some((user, password)),
        (false, None) => return wrong("it has a user and no password", "name its file as `smtp_password`"),
        (true, Some(_)) => return wrong("it has a password and no user", "write `smtps://user@…`"),
    };
    Some(Smtp { host, port: url.port().unwrap_or(standard), wrapping, credentials, from })
}

fn hook_of(reader: &mut Reader, text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| url.host_str().is_some_and(|host| !host.is_empty()));
    let Some(url) = url else {
        reader.wrong("notify.webhook", "it is not an address", format!("write it as {HOOK_FORM}"));
        return None;
    };
    let loopback = url.host_str().is_some_and(is_loopback);
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        let why = "whoever is on the way could read what happens here";
        reader.wrong("notify.webhook", why, "give an `https://` address");
        return None;
    }
    Some(url)
}

fn key_of(reader: &mut Reader, text: &str) -> Option<WebhookKey> {
    let key = WebhookKey::parse(text);
    if key.is_none() {
        let why = "it is not `whsec_` and 24 to 64 bytes in base64, as Standard Webhooks write a secret";
        reader.wrong(HOOK_SECRET, why, MAKE_SECRET);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Overrides};
    use model::Problem;
    use std::os::unix::fs::PermissionsExt as _;

    fn read(lines: &str) -> Result<Notify, Vec<Problem>> {
        let folder = tempfile::tempdir().unwrap();
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for (name, text) in
            [("hook", secret), ("short", "whsec_AAAA"), ("pw", "p%w\n"), ("url", "smtps://a:b@m.example\n")]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
            let own = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(folder.path().join(name), own).unwrap();
        }
        let file = folder.path().join("config.toml");
        std::fs::write(&file, format!("[notify]\n{lines}\n")).unwrap();
        Config::read(&file, &Overrides::default()).map(|config| config.notify)
    }

    #[test]
    fn a_mail_server_in_each_form() {
        let smtp = |text: &str| read(text).unwrap().smtp.unwrap();
        let one = smtp("smtp = \"smtps://ana%40x:p%3Aw@mail.example:2465\"");
        assert_eq!((one.host.as_str(), one.port, one.wrapping), ("mail.example", 2465, Wrapping::Tls));
        let (user, password) = one.credentials.clone().unwrap();
        assert_eq!(
            (user.as_str(), password.as_str(), one.from.to_string().as_str()),
            ("ana@x", "p:w", "bailiwick@localhost")
        );
        assert!(!format!("{one:?}").contains("p:w"));
        assert_eq!(smtp("smtp = \"smtp://mail.example\"").wrapping, Wrapping::StartTls);
        assert_eq!(smtp("smtp = \"smtp://127.0.0.1:25\"").wrapping, Wrapping::Loopback);
        assert_eq!(smtp("smtp = \"smtp://[::1]:25\"").wrapping, Wrapping::Loopback);
        assert_eq!(smtp("smtp = \"file:url\"").port, 465);
        let from_file =
            smtp("smtp = \"smtps://ana@mail.example\"\nsmtp_password = \"file:pw\"\nfrom = \"x@y.example\"");
        assert_eq!(from_file.credentials.unwrap().1.as_str(), "p%w");
        assert!(!read("").unwrap().is_on());
    }

    #[test]
    fn mistakes_are_said_and_no_secret_is() {
        let at = |text: &str| {
            let problems = read(text).unwrap_err();
            assert!(problems.iter().all(|problem| !problem.to_string().contains("hush")), "{problems:#?}");
            problems.into_iter().filter_map(|problem| problem.at).collect::<Vec<_>>()
        };
        assert_eq!(at("smtp = \"mail.example\""), ["notify.smtp"]);
        assert_eq!(at("smtp = \"http://mail.example\""), ["notify.smtp"]);
        assert_eq!(at("smtp = \"smtps://ana:hush@mail.example/x\""), ["notify.smtp"]);
        assert_eq!(at("smtp = \"smtps://ana@mail.example\""), ["notify.smtp"]);
        assert_eq!(at("smtp = \"file:none\"\nfrom = \"nobody\""), ["notify.from", "notify.smtp"]);
        assert_eq!(at("smtp = 5\nsmtp_password = \"hush\""), ["notify.smtp_password", "notify.smtp"]);
        assert_eq!(at("webhook = \"http://h.example/hush\"\nwebhook_secret = \"file:hook\""), ["notify.webhook"]);
        assert_eq!(at("webhook = \"https://h.example/hush\""), ["notify.webhook_secret"]);
        assert_eq!(
            at("webhook = \"https://h.example/hush\"\nwebhook_secret = \"whsec_hush\""),
            ["notify.webhook_secret"]
        );
        assert_eq!(at("webhook = \"https://h.example\"\nwebhook_secret = \"file:short\""), ["notify.webhook_secret"]);
        let hook =
            read("webhook = \"https://h.example/hush\"\nwebhook_secret = \"file:hook\"").unwrap().webhook.unwrap();
        assert_eq!((hook.host().as_str(), format!("{hook:?}").contains("hush")), ("h.example", false));
    }
}
