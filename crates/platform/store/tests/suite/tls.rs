//! The way to PostgreSQL by TLS: a stand-in takes TLS off in front of the test cluster, which need not speak it itself.

use crate::support::{House, Kind};
use std::sync::Arc;
use store::{Database, Store};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// What a client says first when it wants TLS (PostgreSQL's protocol, SSLRequest).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Where a `postgres://` address leads.
fn host_of(url: &str) -> String {
    url.split_once("://").unwrap().1.split('/').next().unwrap().rsplit('@').next().unwrap().to_owned()
}

/// Listens under a certificate for `localhost`; gives its port, and the certificate as PEM.
async fn stand_in(behind: String) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::from(rustls_pki_types::PrivatePkcs8KeyDer::from(
        made.signing_key.serialize_der(),
    ));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut config = config;
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    let (listener, acceptor) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), TlsAcceptor::from(Arc::new(config)));
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let mut first = [0; 8];
                stream.read_exact(&mut first).await.ok()?;
                if first != SSL_REQUEST {
                    return None;
                }
                stream.write_all(b"S").await.ok()?;
                let mut secured = acceptor.accept(stream).await.ok()?;
                let mut server = TcpStream::connect(behind).await.ok()?;
                copy_bidirectional(&mut secured, &mut server).await.ok()
            });
        }
    });
    (port, made.cert.pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_by_tls_is_verified_whole() {
    let house = House::new(Kind::Postgres).await;
    let Database::Postgres { url } = &house.config.database else { unreachable!("asked for PostgreSQL") };
    let host = host_of(url);
    let (port, pem) = stand_in(host.clone()).await;
    let ca = house.dir.path().join("ca.pem");
    std::fs::write(&ca, pem).unwrap();
    let (ca, secured) = (ca.display(), url.replace(&host, &format!("localhost:{port}")));
    // What a node keeps beside the database is its own.
    let folder = house.dir.path().join("another");
    std::fs::create_dir(&folder).unwrap();
    let open = |url: String| {
        let mut config = house.config.clone();
        config.data_dir.clone_from(&folder);
        config.database = Database::Postgres { url };
        Store::open(config, house.authority.clone(), &[crate::support::NOTES])
    };
    let opened = open(format!("{secured}?sslmode=verify-full&sslrootcert={ca}")).await.unwrap();
    assert_eq!(opened.epoch(&model::TenantId::main()).await.unwrap(), 0);
    // Without its authority, under another name, and without TLS at all.
    assert!(open(format!("{secured}?sslmode=require")).await.is_err());
    let other = secured.replace("localhost", "127.0.0.1");
    assert!(open(format!("{other}?sslmode=verify-full&sslrootcert={ca}")).await.is_err());
    assert!(open(format!("{secured}?sslmode=disable")).await.is_err());
}
