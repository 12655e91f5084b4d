//! TLS 1.2 and 1.3 with a certificate of one's own.

use crate::{
    app::{App, INGEST, Setup},
    http::{Conn, request},
    samples::numbered,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

/// A certificate for `localhost` and its key, as PEM files.
fn certificate(dir: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    fs::write(dir.join("cert.pem"), made.cert.pem()).expect("a file");
    fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
    made.cert.der().clone()
}

/// Speaks TLS on a plain port until the server is found to listen; gives the negotiated protocol and the answer's text.
fn ask(
    addr: SocketAddr,
    root: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
    alpn: &[&str],
    bytes: &[u8],
) -> std::io::Result<(Option<String>, String)> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("the certificate is one");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a known version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
    let socket = TcpStream::connect(addr)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(bytes)?;
    let negotiated = stream.conn.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    let mut answer = Vec::new();
    if negotiated.as_deref() == Some("h2") {
        return Ok((negotiated, String::new()));
    }
    // Some servers hang up without a closing notice; what was read counts.
    let _ = stream.read_to_end(&mut answer);
    Ok((negotiated, String::from_utf8_lossy(&answer).into_owned()))
}

#[test]
fn both_versions_of_tls_are_spoken_and_plain_text_is_not() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let root = certificate(home.path());
    let path = |name: &str| home.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    let mut app = Setup::default()
        .env("LIFELINE_TLS_CERT", &path("cert.pem"))
        .env("LIFELINE_TLS_KEY", &path("key.pem"))
        .prepare();
    app.start_unready();
    let bearer = format!("Bearer {INGEST}");
    let headers = [("Authorization", bearer.as_str()), ("Connection", "close")];
    for (n, version) in [(1, &TLS12), (2, &TLS13)] {
        let bytes = request("POST", "/v1/events", &headers, numbered("tls", n).as_bytes());
        let (_, answer) = ask(app.addr, &root, version, &["http/1.1"], &bytes).expect("TLS is spoken");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("\"accepted\":1"), "{answer}");
    }
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let (negotiated, _) = ask(app.addr, &root, &TLS13, &["h2", "http/1.1"], preface).expect("TLS is spoken");
    assert_eq!(negotiated.as_deref(), Some("h2"));
    // Plain text on a TLS port is hung up on, and nobody else notices.
    let mut plain = Conn::open(app.addr).expect("the server accepts connections");
    plain.set_patience(Duration::from_secs(10));
    let refused = plain.send(&request("GET", "/healthz", &[], b""));
    assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status >= 400));
    let (_, answer) = ask(app.addr, &root, &TLS13, &[], &request("GET", "/readyz", &[("Connection", "close")], b""))
        .expect("TLS is spoken");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(app.run(&["healthcheck"]).status.code(), Some(0), "a server with TLS can be asked, too");
    app.stop();
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_at_start() {
    let home = tempfile::tempdir().expect("a temporary directory");
    certificate(home.path());
    fs::write(home.path().join("other.pem"), "no key at all").expect("a file");
    let path = |name: &str| home.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    for (cert, key, word) in [
        ("cert.pem", "other.pem", "other.pem"),
        ("none.pem", "key.pem", "none.pem"),
        ("other.pem", "key.pem", "other.pem"),
    ] {
        let app: App =
            Setup::default().env("LIFELINE_TLS_CERT", &path(cert)).env("LIFELINE_TLS_KEY", &path(key)).prepare();
        let done = app.run(&["serve"]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{cert} {key}: {said}");
        assert!(said.contains(word), "{cert} {key}: {said}");
    }
}
