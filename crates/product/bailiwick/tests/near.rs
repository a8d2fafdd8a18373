//! On the server's own machine, nothing that others go by decides whether an app can be switched off: not the name, not a
//! proxy, not the dates of a certificate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use testkit::{Engine, Process, private_file};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
/// Reserved, so that no resolver knows it (RFC 6761).
const NAME: &str = "bailiwick.invalid";

/// A certificate that ended long ago, and its key.
fn ended(folder: &Path) -> (PathBuf, PathBuf) {
    let (cert, key) = (folder.join("tls.pem"), folder.join("tls.key"));
    let pair = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new([NAME.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 2, 1);
    std::fs::write(&cert, params.self_signed(&pair).unwrap().pem()).unwrap();
    private_file(&key, &pair.serialize_pem());
    (cert, key)
}

async fn json(server: &Process, arguments: &[&str], cert: &Path) -> (i32, Value) {
    let trusted = [("SSL_CERT_FILE", cert.to_owned())];
    let output = server.run_within(&[arguments, &["--json"]].concat(), &trusted).await;
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?} {output:?}"));
    (output.status.code().unwrap(), document)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_cannot_reach_is_switched_off_from_its_own_machine() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = ended(folder.path());
    let mut environment: Vec<(&'static str, PathBuf)> = vec![
        ("BAILIWICK_SERVER__PUBLIC_URL", format!("https://{NAME}").into()),
        ("BAILIWICK_SERVER__APPS_DOMAIN", "corp-apps.invalid".into()),
    ];
    // Behind a proxy that does TLS, then with TLS of its own.
    for own in [false, true] {
        if own {
            environment.push(("BAILIWICK_SERVER__TLS__CERT", cert.clone()));
            environment.push(("BAILIWICK_SERVER__TLS__KEY", key.clone()));
        }
        let server = Process::start_within(BINARY, Engine::Sqlite, "", "warn", &environment).await;
        assert!(server.run(&["new", "lunch"]).await.status.success());
        let (code, deployed) = json(&server, &["deploy", "lunch"], &cert).await;
        assert_eq!((code, &deployed["status"]), (0, &"live".into()), "{deployed}");
        let (code, receipt) = json(&server, &["revoke", "lunch", "--why", "it leaks"], &cert).await;
        assert_eq!((code, &receipt["recorded"]), (0, &true.into()), "{receipt}");

        // What others go by is looked at all the same.
        let (code, examined) = json(&server, &["doctor"], &cert).await;
        let address = examined["checks"].as_array().unwrap().iter().find(|line| line["check"] == "address");
        assert!(code == 1 && address.is_some_and(|line| line["state"] == "fail"), "{examined}");
        let server_is = examined["checks"].as_array().unwrap().iter().find(|line| line["check"] == "server");
        assert!(server_is.is_some_and(|line| line["state"] == "ok"), "{examined}");
        // Named, it is spoken to as it is named.
        let (code, answer) = json(&server, &["apps", "--server", &format!("https://{NAME}")], &cert).await;
        assert_eq!((code, &answer["problem"]["code"]), (1, &"server.unreachable".into()), "{answer}");
        if own {
            let there = format!("https://localhost:{}", server.port);
            let (code, answer) = json(&server, &["apps", "--server", &there], &cert).await;
            assert_eq!((code, &answer["problem"]["code"]), (1, &"server.untrusted".into()), "{answer}");
        }
    }
}
