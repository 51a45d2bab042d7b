//! `headwater serve`: a node, until it is told to stop.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use headwater_server::{Config, Node, StopSignals, TlsConfig};
use tracing_subscriber::EnvFilter;

use crate::target::data_directory;

/// How a node is started.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen [default: 127.0.0.1:4566]; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// A configuration file, in TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Speak TLS with this certificate (PEM; those that lead to its authority may follow it)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM, no passphrase)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// For development, on loopback only: test credentials, and POST /_headwater/dev/reset
    #[arg(long)]
    dev: bool,
    /// Write the log as JSON lines
    #[arg(long)]
    log_json: bool,
}

/// Runs the node. Standard output gets one line, the endpoint, once it answers; the
/// log goes to standard error, at the level `HEADWATER_LOG` says.
pub async fn run(serve: Serve, data: Option<PathBuf>) -> anyhow::Result<()> {
    start_log(serve.log_json);
    let mut config = match &serve.config {
        Some(path) => Config::from_file(path)?,
        None => Config::default(),
    };
    if let Some(listen) = serve.listen {
        config.listen = listen;
    }
    if let Some((cert, key)) = serve.tls_cert.zip(serve.tls_key) {
        let name = config.tls.take().and_then(|tls| tls.name);
        config.tls = Some(TlsConfig { cert, key, name });
    }
    config.dev |= serve.dev;
    let data = match data.or(config.data.take()) {
        Some(named) => named,
        None => data_directory(None)?,
    };
    config.data = Some(data.clone());
    let mut stop = StopSignals::take().context("taking over signals")?;
    let node = tokio::select! {
        node = Node::start(config) => node?,
        // Nobody has had an answer.
        () = stop.asked() => return Ok(()),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "data     {}", data.display())?;
    writeln!(out, "endpoint {}", node.endpoint())?;
    if out.is_terminal() {
        writeln!(out, "\nIn another shell: eval \"$(headwater env)\"")?;
    }
    out.flush().context("writing to standard output")?;
    drop(out);
    node.run(stop).await
}

fn start_log(is_json: bool) {
    let filter = EnvFilter::try_from_env("HEADWATER_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if is_json {
        log.json().init();
    } else {
        log.with_ansi(std::io::stderr().is_terminal()).init();
    }
}
