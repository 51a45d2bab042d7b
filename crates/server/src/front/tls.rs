//! TLS: the certificate, read again when its files change, and handshakes within bounds.
//!
//! A renewed certificate is found by looking at the files: every [`LOOK_EVERY`], and at once on
//! SIGHUP. Connections that are open keep the one they were made with.
//!
//! **Invariants.** What is served is a chain and the key that belongs to it. A handshake never keeps
//! the listener from accepting; no more than [`HANDSHAKES_MAX`] are under way, and none takes longer
//! than [`HANDSHAKE_MAX`], its wait for a turn included.
//!
//! **Failure.** Files that cannot be used stop the node's start. Later they are an error of the
//! background task (`headwater status`), and the certificate before them stays.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use headwater_base::Clock;
use headwater_work::{Pass, Reconciler, Work};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::{Error as RustlsError, InconsistentKeys, ProtocolVersion};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsConfig;

/// How often the files are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// The most handshakes under way at once; more wait.
const HANDSHAKES_MAX: usize = 512;
/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a certificate is not served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}; check that it exists and that the node's user may read it")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The certificate's file holds none.
    #[error("{0} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    NoCertificate(PathBuf),
    /// The key's file holds none.
    #[error(
        "{0} holds no private key in PEM (-----BEGIN PRIVATE KEY-----); a key with a passphrase must be decrypted first"
    )]
    NoKey(PathBuf),
    /// A file is not what it should be.
    #[error("{path} is damaged or of an unknown kind: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Key and certificate do not belong together.
    #[error("the key in {key} is not that of the first certificate in {cert}")]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The TLS library takes none of our settings.
    #[error("TLS cannot be set up")]
    Setup(#[source] RustlsError),
}

/// Makes plain connections secure.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
    turns: Semaphore,
    clock: Clock,
}

impl Tls {
    /// With the certificate in these files.
    ///
    /// # Errors
    /// When they cannot be used; the message says which and why.
    pub(crate) fn open(config: &TlsConfig, clock: Clock) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let certificate = Arc::new(Certificate::open(config, provider.clone())?);
        let mut settings = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(certificate.clone());
        settings.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let turns = Semaphore::new(HANDSHAKES_MAX);
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(settings)), certificate, turns, clock })
    }

    /// What looks at the files.
    pub(crate) fn renewal(&self) -> Arc<dyn Reconciler> {
        Arc::new(Renewal(self.certificate.clone()))
    }

    /// The handshake.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let handshake = async {
            let _turn = self.turns.acquire().await.map_err(io::Error::other)?;
            self.acceptor.accept(stream).await
        };
        let done = self.clock.timeout(HANDSHAKE_MAX, handshake).await;
        done.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// The version that was agreed on, as policies name it.
pub(super) fn version(stream: &TlsStream<TcpStream>) -> &'static str {
    match stream.get_ref().1.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "1.3",
        // The library speaks no older one.
        _ => "1.2",
    }
}

/// The certificate in force.
struct Certificate {
    config: TlsConfig,
    provider: Arc<CryptoProvider>,
    served: Mutex<Served>,
}

struct Served {
    key: Arc<CertifiedKey>,
    /// Of what the files held.
    digest: [u8; 32],
}

impl Certificate {
    fn open(config: &TlsConfig, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let served = Mutex::new(Files::read(config)?.served(config, &provider)?);
        Ok(Self { config: config.clone(), provider, served })
    }

    /// Takes what the files hold now; says whether it is another certificate.
    fn renew(&self) -> Result<bool, TlsError> {
        let files = Files::read(&self.config)?;
        if files.digest() == self.served.lock().expect("no holder of this lock panics").digest {
            return Ok(false);
        }
        let served = files.served(&self.config, &self.provider)?;
        *self.served.lock().expect("no holder of this lock panics") = served;
        Ok(true)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("config", &self.config).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.served.lock().expect("no holder of this lock panics").key.clone())
    }
}

/// What the two files hold.
struct Files {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    fn read(config: &TlsConfig) -> Result<Self, TlsError> {
        Ok(Self { cert: read(&config.cert)?, key: read(&config.key)? })
    }

    fn digest(&self) -> [u8; 32] {
        let parts = Sha256::new_with_prefix(Sha256::digest(&self.cert));
        parts.chain_update(Sha256::digest(&self.key)).finalize().into()
    }

    fn served(&self, config: &TlsConfig, provider: &CryptoProvider) -> Result<Served, TlsError> {
        let chain = chain(&config.cert, &self.cert)?;
        let malformed = |path: &Path, reason: String| TlsError::Malformed { path: path.to_owned(), reason };
        let key = match PrivateKeyDer::from_pem_slice(&self.key) {
            Ok(key) => key,
            Err(pem::Error::NoItemsFound) => return Err(TlsError::NoKey(config.key.clone())),
            Err(error) => return Err(malformed(&config.key, error.to_string())),
        };
        let key = provider.key_provider.load_private_key(key);
        let key = key.map_err(|error| malformed(&config.key, error.to_string()))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            // A kind of key that cannot be compared would fail in the handshake.
            Ok(()) | Err(RustlsError::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(RustlsError::InconsistentKeys(_)) => {
                return Err(TlsError::Mismatch { cert: config.cert.clone(), key: config.key.clone() });
            }
            Err(error) => return Err(malformed(&config.cert, error.to_string())),
        }
        Ok(Served { key: Arc::new(certified), digest: self.digest() })
    }
}

fn chain(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(TlsError::NoCertificate(path.to_owned())),
        Ok(chain) => Ok(chain),
        Err(error) => Err(TlsError::Malformed { path: path.to_owned(), reason: error.to_string() }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    use std::io::Read;
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let reason = format!("it is larger than {FILE_BYTES_MAX} bytes");
        return Err(TlsError::Malformed { path: path.to_owned(), reason });
    }
    Ok(text)
}

/// Looks whether the files hold a renewed certificate.
struct Renewal(Arc<Certificate>);

#[async_trait]
impl Reconciler for Renewal {
    fn name(&self) -> String {
        "tls: take a renewed certificate".into()
    }

    async fn pass(&self) -> anyhow::Result<Pass> {
        let certificate = self.0.clone();
        if Work::blocking(move || certificate.renew()).await? {
            tracing::info!(cert = %self.0.config.cert.display(), "a renewed certificate is in force");
        }
        Ok(Pass::Done)
    }
}
