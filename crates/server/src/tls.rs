//! TLS, where a certificate is configured, and on lines that leave. The files of a certificate can
//! be read again while the server runs: new connections get the new one, those that are open go
//! on. A pair of files that does not work leaves the old one in use.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::config::Config;
use crate::error::Error;

pub(crate) struct Tls {
    cert: PathBuf,
    key: PathBuf,
    now: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// `None`: no certificate is configured.
    pub(crate) fn open(config: &Config) -> Result<Option<Arc<Self>>, Error> {
        let (Some(cert), Some(key)) = (config.tls_cert.clone(), config.tls_key.clone()) else {
            return Ok(None);
        };
        let now = RwLock::new(read(&cert, &key)?);
        Ok(Some(Arc::new(Self { cert, key, now })))
    }

    /// Reads the files again. `Err`: they do not work, and nothing has changed.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        let fresh = read(&self.cert, &self.key)?;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&now))
    }
}

fn read(cert: &PathBuf, key: &PathBuf) -> Result<Arc<ServerConfig>, Error> {
    let wrong = |setting: &str, path: &PathBuf, why: String| {
        Error::Config(format!("{}: {why} (setting `{setting}`)", path.display()))
    };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(cert).and_then(|certificates| certificates.collect());
    let chain = chain.map_err(|error| wrong("tls_cert", cert, error.to_string()))?;
    let secret = PrivateKeyDer::from_pem_file(key);
    let secret = secret.map_err(|error| wrong("tls_key", key, error.to_string()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, secret);
    let mut config = config.map_err(|error| wrong("tls_cert", cert, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// TCP, or TLS over TCP.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// The operating system's roots; `SSL_CERT_FILE` names others.
static OUTGOING: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
});

/// Secures a line to `host`, a name or an address, which must have a certificate for it.
pub(crate) async fn to(host: &str, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| io::Error::other("no name for a certificate"))?;
    TlsConnector::from(Arc::clone(&OUTGOING)).connect(name, tcp).await
}
