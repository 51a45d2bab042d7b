//! Which node a client verb talks to, and as whom.
//!
//! In this order: what the command line says; the AWS variables of the environment; the node that
//! runs on the data directory, as its root user.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use headwater_base::Seams;
use headwater_server::RootCredentials;
use headwater_wire::client::{Client, Credentials, Trust};

use crate::Shared;
use crate::aws::Aws;

/// Where a node listens unless it is told otherwise.
pub const ENDPOINT_DEFAULT: &str = "http://127.0.0.1:4566";

/// The region when none is named.
pub const REGION_DEFAULT: &str = "eu-central-1";

/// How many connections a client verb keeps open.
const CONNECTIONS: usize = 16;

/// A node and the keys for it.
#[derive(Clone)]
pub struct Target {
    /// `http://host:port` or `https://host:port`.
    pub endpoint: String,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// The region requests are signed for.
    pub region: String,
    /// The access key.
    pub access_key: String,
    /// The secret.
    pub secret: String,
}

impl Target {
    /// The node that these arguments and this environment mean.
    pub fn find(shared: &Shared) -> anyhow::Result<Self> {
        let region = shared
            .region
            .clone()
            .or_else(|| variable("AWS_REGION"))
            .or_else(|| variable("AWS_DEFAULT_REGION"));
        let region = region.unwrap_or_else(|| REGION_DEFAULT.into());
        let data = data_directory(shared.data.clone())?;
        let is_data_named = shared.data.is_some();
        let named =
            shared.endpoint.clone().or_else(|| variable("AWS_ENDPOINT_URL").filter(|_| !is_data_named));
        let endpoint = match named {
            Some(endpoint) => endpoint,
            None => RootCredentials::endpoint(&data).unwrap_or_else(|| ENDPOINT_DEFAULT.into()),
        };
        let keys =
            variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY")).filter(|_| !is_data_named);
        let (access_key, secret) = match keys {
            Some(keys) => keys,
            None => root_credentials(&data)?,
        };
        let bundle = shared.ca_bundle.clone().or_else(|| variable("AWS_CA_BUNDLE").map(PathBuf::from));
        let trust = bundle.map_or(Trust::Machine, Trust::Bundle);
        Ok(Self { endpoint, trust, region, access_key, secret })
    }

    /// The root user of the node on a data directory.
    pub fn root_of(data: &Path, endpoint: &str) -> anyhow::Result<Self> {
        let (access_key, secret) = root_credentials(data)?;
        let (endpoint, region) = (endpoint.to_owned(), REGION_DEFAULT.into());
        Ok(Self { endpoint, trust: Trust::Machine, region, access_key, secret })
    }

    /// A client for it.
    pub fn aws(&self) -> anyhow::Result<Aws> {
        Ok(Aws::new(self.client(CONNECTIONS)?))
    }

    /// A client that keeps this many connections open.
    pub fn client(&self, connections: usize) -> anyhow::Result<Client> {
        let region = self.region.parse().context("the region")?;
        let credentials = Credentials { access_key: self.access_key.clone(), secret: self.secret.clone() };
        Ok(Client::trusting(&self.trust, &self.endpoint, region, credentials, connections, Seams::system())?)
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The data directory: the one named, or the platform's place for an application's data.
pub fn data_directory(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named);
    }
    if let Some(data) = variable("XDG_DATA_HOME") {
        return Ok(PathBuf::from(data).join("headwater"));
    }
    let Some(home) = variable("HOME") else { bail!("there is no home directory here: say --data DIR") };
    let folder = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
    Ok(PathBuf::from(home).join(folder).join("headwater"))
}

/// The keys the node made at its first start.
fn root_credentials(data: &Path) -> anyhow::Result<(String, String)> {
    let found =
        RootCredentials::read(data).with_context(|| format!("reading the keys in {}", data.display()))?;
    let found = found.with_context(|| {
        let data = data.display();
        format!(
            "no node has run on {data} yet: start one, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    })?;
    Ok((found.access_key, found.secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_keys_are_explained() {
        let data = tempfile::tempdir().unwrap();
        let error = root_credentials(data.path()).unwrap_err();
        assert!(format!("{error:#}").contains("AWS_ACCESS_KEY_ID"), "{error:#}");
    }
}
