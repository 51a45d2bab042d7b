//! Connections of the client: plain or over TLS, as the endpoint says.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::ClientError;

/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Whose certificates a client believes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The authorities this machine trusts.
    #[default]
    Machine,
    /// Those in a file in PEM, and nobody else.
    Bundle(PathBuf),
}

/// Opens connections to `http://` and, believing `trust`, to `https://`.
pub(super) fn connector(
    is_secure: bool,
    trust: &Trust,
) -> Result<HttpsConnector<HttpConnector>, ClientError> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_MAX));
    http.enforce_http(false);
    let invalid = |error: &dyn std::fmt::Display| ClientError::Invalid(format!("setting up TLS: {error}"));
    let provider = Arc::new(ring::default_provider());
    let builder = HttpsConnectorBuilder::new();
    let builder = match trust {
        Trust::Machine if is_secure => {
            builder.with_provider_and_native_roots(provider).map_err(|error| invalid(&error))?
        }
        // A plain connection believes nobody and asks nobody.
        Trust::Machine => builder.with_tls_config(believing(provider, RootCertStore::empty())?),
        Trust::Bundle(path) => builder.with_tls_config(believing(provider, authorities(path)?)?),
    };
    Ok(builder.https_or_http().enable_http1().wrap_connector(http))
}

fn believing(
    provider: Arc<rustls::crypto::CryptoProvider>,
    roots: RootCertStore,
) -> Result<ClientConfig, ClientError> {
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| ClientError::Invalid(format!("setting up TLS: {error}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn authorities(path: &Path) -> Result<RootCertStore, ClientError> {
    let invalid = |reason: &dyn std::fmt::Display| {
        ClientError::Invalid(format!("the certificates in {}: {reason}", path.display()))
    };
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(path).map_err(|error| invalid(&error))?;
    for certificate in found {
        let added = roots.add(certificate.map_err(|error| invalid(&error))?);
        added.map_err(|error| invalid(&error))?;
    }
    if roots.is_empty() { Err(invalid(&"there are none")) } else { Ok(roots) }
}

/// What is wrong with the other side's certificate, if that is why a connection failed.
pub(super) fn distrust(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(reason)) = error.downcast_ref() {
            return Some(format!("{reason:?}"));
        }
        // An error of I/O hides what it carries from `source`.
        let carried = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match carried {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distrust_is_found_however_deep_it_lies() {
        let distrusted = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let wrapped = std::io::Error::other(std::io::Error::other(distrusted));
        assert_eq!(distrust(&wrapped).as_deref(), Some("UnknownIssuer"));
        assert_eq!(distrust(&std::io::Error::other("refused")), None);
    }

    #[test]
    fn a_bundle_must_hold_certificates() {
        let refused = |text: &str| {
            let file = std::env::temp_dir().join(format!("headwater-bundle-{}", std::process::id()));
            std::fs::write(&file, text).unwrap();
            let refused = authorities(&file).unwrap_err().to_string();
            std::fs::remove_file(&file).unwrap();
            refused
        };
        assert!(refused("").ends_with("there are none"));
        assert!(
            refused("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
                .contains("the certificates in")
        );
        assert!(connector(true, &Trust::Bundle("/nowhere/bundle.pem".into())).is_err());
    }
}
