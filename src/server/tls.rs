//! TLS 1.2 and 1.3 with certificates that can be renewed while serving.
//!
//! In: PEM files. Out: a configuration for the listener whose certificate is read again on SIGHUP and when the files
//! change. A new certificate that cannot be used is logged and the old one kept.

use rustls::{
    ServerConfig,
    crypto::ring,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

/// PEM files of a certificate chain and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The certificate that is used now.
#[derive(Debug)]
pub(super) struct Certificate {
    files: TlsFiles,
    current: RwLock<(Arc<CertifiedKey>, [Option<SystemTime>; 2])>,
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).0))
    }
}

impl Certificate {
    /// Reads the files.
    pub fn load(files: TlsFiles) -> io::Result<Arc<Self>> {
        let stamps = stamps(&files);
        let current = RwLock::new((Arc::new(read(&files)?), stamps));
        Ok(Arc::new(Self { files, current }))
    }

    /// The listener's configuration. The HTTP library adds the protocol names.
    pub fn config(self: &Arc<Self>) -> io::Result<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(io::Error::other)?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(self) as _;
        Ok(builder.with_no_client_auth().with_cert_resolver(resolver))
    }

    /// The chain that is shown now.
    #[cfg(test)]
    pub fn current_chain(&self) -> Vec<CertificateDer<'static>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).0.cert.clone()
    }

    /// Reads the files again if they changed, or in any case.
    pub fn reload(&self, in_any_case: bool) {
        let stamps = stamps(&self.files);
        if !in_any_case && self.current.read().unwrap_or_else(PoisonError::into_inner).1 == stamps {
            return;
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.1 = stamps;
        match read(&self.files) {
            Ok(key) => {
                current.0 = Arc::new(key);
                tracing::info!("serving with the certificate that was read again");
            }
            Err(error) => tracing::error!("keeping the old certificate: {error}"),
        }
    }
}

fn stamps(files: &TlsFiles) -> [Option<SystemTime>; 2] {
    [&files.cert, &files.key].map(|path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok())
}

fn read(files: &TlsFiles) -> io::Result<CertifiedKey> {
    let wrong = |what: &str, path: &Path, why: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("cannot use TLS {what} {}: {why}", path.display()))
    };
    let bad_cert = |why: &dyn std::fmt::Display| wrong("certificate", &files.cert, why);
    let bad_key = |why: &dyn std::fmt::Display| wrong("key", &files.key, why);
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect).map_err(|error| bad_cert(&error))?;
    if chain.is_empty() {
        return Err(bad_cert(&"it holds no certificate in PEM form"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| bad_key(&error))?;
    let pair = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| bad_key(&error))?;
    Ok(pair)
}
