//! TLS: versions, renewal of the certificate, both HTTP versions offered.

use super::*;
use crate::server::tls::Certificate;
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::ring, version,
};
use rustls_pki_types::{CertificateDer, ServerName};
use std::io::{Read, Write};

/// Writes a new certificate and its key.
fn issue(files: &TlsFiles) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&files.cert, made.cert.pem()).expect("written");
    std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
    made.cert.der().clone()
}

fn files(dir: &tempfile::TempDir) -> TlsFiles {
    TlsFiles { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem") }
}

/// One request over TLS: the version, the protocol and the answer, or why there is none.
fn ask(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
    alpn: &[u8],
) -> std::io::Result<(Option<ProtocolVersion>, Option<Vec<u8>>, String)> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).map_err(std::io::Error::other)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .map_err(std::io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let name = ServerName::try_from("localhost").map_err(std::io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
    let stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut stream = StreamOwned::new(connection, stream);
    let mut text = String::new();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    if alpn == b"http/1.1" {
        let _ = stream.read_to_string(&mut text);
    }
    Ok((stream.conn.protocol_version(), stream.conn.alpn_protocol().map(<[u8]>::to_vec), text))
}

#[actix_web::test]
async fn both_versions_and_both_protocols_are_served() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = files(&dir);
    let trusted = issue(&files);
    let server = Server::with(Setup { tls: Some(files), ..Setup::default() }).await;
    let address = server.address;
    let answers = actix_web::web::block(move || {
        [
            ask(address, &trusted, &version::TLS13, b"http/1.1"),
            ask(address, &trusted, &version::TLS12, b"http/1.1"),
            ask(address, &trusted, &version::TLS13, b"h2"),
        ]
    });
    let [newest, older, h2] = answers.await.expect("no panic").map(|answer| answer.expect("an answer"));
    assert_eq!(newest.0, Some(ProtocolVersion::TLSv1_3));
    assert!(newest.2.starts_with("HTTP/1.1 200"), "{}", newest.2);
    assert_eq!(older.0, Some(ProtocolVersion::TLSv1_2));
    assert!(older.2.starts_with("HTTP/1.1 200"), "{}", older.2);
    assert_eq!(h2.1.as_deref(), Some(&b"h2"[..]));
}

#[test]
fn a_renewed_certificate_is_used_and_a_bad_one_is_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = files(&dir);
    let first = issue(&files);
    let certificate = Certificate::load(files.clone()).expect("good files");
    let serves = || certificate.current_chain()[0].clone();
    assert_eq!(serves(), first);
    let second = issue(&files);
    certificate.reload(true);
    assert_eq!(serves(), second);
    std::fs::write(&files.cert, "nonsense").expect("written");
    certificate.reload(true);
    assert_eq!(serves(), second);
    // A certificate without its key, as in the middle of a renewal.
    let third = issue(&files);
    let key = std::fs::read(&files.key).expect("read");
    issue(&files);
    std::fs::write(&files.key, key).expect("written");
    certificate.reload(true);
    assert_eq!(serves(), second);
    assert_ne!(second, third);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = files(&dir);
    let error = Certificate::load(files.clone()).expect_err("no files").to_string();
    assert!(error.contains("cert.pem"), "{error}");
    issue(&files);
    std::fs::write(&files.key, "nonsense").expect("written");
    let error = Certificate::load(files).expect_err("no key").to_string();
    assert!(error.contains("key.pem"), "{error}");
}
