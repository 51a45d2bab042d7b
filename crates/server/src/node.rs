//! A running node: started from a configuration, stopped in order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use headwater_base::{AccountId, InvalidName, Seams};
use headwater_blob::disk::{self, BlobOptions};
use headwater_blob::memory::MemoryBlobs;
use headwater_blob::{BlobError, Blobs};
use headwater_identity::{User, Users, UsersError};
use headwater_objects::{Keyring, KeyringError, ObjectError};
use headwater_store::Store;
use headwater_store::embedded::{self, Backup, OpenError, StoreOptions};
use headwater_work::{Running, Work};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::backup::Backups;
use crate::cold;
use crate::config::{Config, ConfigError, TlsConfig};
use crate::front::{self, Door, Tls, TlsError};
use crate::root::{self, RootCredentials};
use crate::signals::StopSignals;
use crate::telemetry;
use crate::wiring::{self, Engines, FaceList, Ground};

/// How long started requests and passes may take after a stop was asked for.
const STOP_MAX: Duration = Duration::from_secs(15);

/// A running node. Dropping it does not stop it; [`Node::stop`] does.
#[derive(Debug)]
pub struct Node {
    addr: SocketAddr,
    endpoint: String,
    /// Asks for a look at the certificate's files, when there are any.
    renew: Option<Running>,
    root: RootCredentials,
    data: Option<PathBuf>,
    /// Requests, reconcilers, the listener.
    work: Work,
    /// The store's own loops, which end only after the store is closed.
    ground: Work,
    engines: Engines,
    faces: Faces,
}

/// Faces have no debug form.
struct Faces(FaceList);

impl std::fmt::Debug for Faces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|face| face.signing_name())).finish()
    }
}

/// Why a node did not start. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is not accepted.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificate cannot be served.
    #[error("cannot speak TLS")]
    Tls(#[from] TlsError),
    /// The users contradict one another.
    #[error("the configured users are not accepted")]
    Users(#[from] UsersError),
    /// The data directory cannot be made or read.
    #[error(
        "cannot use the data directory {path}; check that it exists and is yours, or choose another with --data"
    )]
    Data {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Another node runs on the same directory.
    #[error(
        "the data directory {0} is in use by another headwater; stop that one (its endpoint is in {0}/endpoint), or \
         choose another directory with --data"
    )]
    InUse(PathBuf),
    /// The store cannot be opened.
    #[error("cannot open the store")]
    Store(#[source] OpenError),
    /// The store cannot be read.
    #[error("cannot read the store")]
    Read(#[source] ObjectError),
    /// The place for bodies cannot be opened.
    #[error("cannot open the directory of blobs")]
    Blobs(#[source] BlobError),
    /// The keyring cannot be opened.
    #[error("cannot use the keyring; without it sealed objects cannot be read")]
    Keyring(#[source] KeyringError),
    /// The cold tier cannot be used.
    #[error("cannot use {path} as the cold tier")]
    Cold {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The operating system gives no more threads.
    #[error("cannot start the query engine's threads")]
    Threads(#[source] std::io::Error),
    /// The address is taken or not ours.
    #[error("cannot listen on {addr}; if another program has the port, choose another with --listen")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

impl Node {
    /// Starts a node with the machine's time and chance. When it returns, the node answers.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing keeps running then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, Seams::system()).await
    }

    /// The same with other time and chance.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_with(config: Config, seams: Seams) -> Result<Self, StartError> {
        config.check()?;
        let root = root_credentials(&config, &seams)?;
        let (users, objects) = (users(&config, &root)?, config.objects()?);
        let tls = open_tls(&config, &seams)?;
        // The port first: a node that cannot listen must not touch the store.
        let listening = |source| StartError::Listen { addr: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listening)?;
        let addr = listener.local_addr().map_err(listening)?;
        telemetry::recorder();
        let (work, ground) = (Work::new(seams.clone()), Work::new(seams.clone()));
        let (store, backup) = open_store(config.data.clone(), &seams, &ground).await?;
        let blobs = open_blobs(config.data.as_deref(), &seams).await?;
        let keyring = keyring(&config, &root, &seams).await?;
        warn_of_missing_keys(&*store, &keyring).await?;
        let cold = open_cold(&config, &seams).await?;
        let backups = config.data.clone().zip(backup);
        let backups = backups.map(|(data, backup)| Backups::new(data, backup, blobs.clone(), cold.clone()));
        let spill = config.data.clone().unwrap_or_else(std::env::temp_dir).join("spill");
        let (queries, limited_streams) = (config.queries, config.limited_streams.clone());
        let base = Ground {
            store,
            blobs,
            objects,
            keyring,
            cold,
            lifecycle_day: config.lifecycle_day()?,
            queries,
            spill,
            users,
            limited_streams,
            events: config.event_options(),
            seams: seams.clone(),
            work: work.clone(),
        };
        let house = wiring::build(base).map_err(StartError::Threads)?;
        let (faces, engines) = (Faces(house.faces.clone()), house.engines.clone());
        work.reconcile(Arc::new(telemetry::Upkeep), telemetry::UPKEEP_EVERY);
        let renew = tls.as_ref().map(|tls| work.reconcile(tls.renewal(), front::LOOK_EVERY));
        let door = Arc::new(Door::new(&config, house, backups, seams, work.clone()));
        // Noted before the first answer: who sees the node healthy finds its endpoint.
        let endpoint = endpoint(&config, addr);
        if let Some(data) = &config.data {
            let noted = root::note_endpoint(data, &endpoint);
            noted.map_err(|source| StartError::Data { path: data.clone(), source })?;
        }
        let listen = front::listen(listener, tls, door, config.connections_max);
        work.service("listener", listen.map(Ok).boxed());
        tracing::info!(%addr, tls = config.tls.is_some(), dev = config.dev, "listening");
        Ok(Self { addr, endpoint, renew, root, data: config.data, work, ground, engines, faces })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://host:port` or `https://host:port`, as a client on this machine reaches it.
    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    /// The node's own credentials.
    pub fn root(&self) -> &RootCredentials {
        &self.root
    }

    /// Its data directory, if it has one.
    pub fn data(&self) -> Option<&Path> {
        self.data.as_deref()
    }

    /// The faces it speaks.
    pub fn faces(&self) -> &FaceList {
        &self.faces.0
    }

    /// Its engines, for tools that run in the same process.
    pub fn engines(&self) -> &Engines {
        &self.engines
    }

    /// Runs until it is asked to stop or a service fails, then stops. With TLS, SIGHUP has it look
    /// for a renewed certificate; without, it ends the process as it always does.
    ///
    /// # Errors
    /// With the reason if the node stopped by itself.
    pub async fn run(self, mut stop: StopSignals) -> anyhow::Result<()> {
        tokio::select! {
            () = stop.asked() => {}
            () = self.work.stopping() => {}
            () = self.ground.stopping() => {}
            failed = renew_on_hangup(self.renew.as_ref()) => failed?,
        }
        let fatal = self.work.fatal().or_else(|| self.ground.fatal());
        self.stop().await;
        match fatal {
            Some(reason) => anyhow::bail!("the node stopped: {reason}"),
            None => Ok(()),
        }
    }

    /// Stops: no new requests, started ones end, then the store is closed.
    pub async fn stop(self) {
        self.work.shutdown(STOP_MAX).await;
        if let Err(error) = self.engines.store.close().await {
            tracing::error!(%error, "the store did not close cleanly; it will recover at the next start");
        }
        self.ground.shutdown(STOP_MAX).await;
    }
}

/// Has the certificate's files looked at whenever SIGHUP comes. Ends only with an error.
async fn renew_on_hangup(renew: Option<&Running>) -> std::io::Result<()> {
    let Some(renew) = renew else { return std::future::pending().await };
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        match hangup.recv().await {
            Some(()) => renew.signal.notify(),
            None => std::future::pending().await,
        }
    }
}

fn open_tls(config: &Config, seams: &Seams) -> Result<Option<Arc<Tls>>, StartError> {
    let opened = config.tls.as_ref().map(|tls| Tls::open(tls, seams.clock.clone()));
    Ok(opened.transpose()?.map(Arc::new))
}

fn root_credentials(config: &Config, seams: &Seams) -> Result<RootCredentials, StartError> {
    let Some(data) = &config.data else {
        return Ok(RootCredentials::generate(&seams.chance));
    };
    let failed = |source| StartError::Data { path: data.clone(), source };
    std::fs::create_dir_all(data).map_err(failed)?;
    RootCredentials::read_or_create(data, &seams.chance).map_err(failed)
}

fn users(config: &Config, root: &RootCredentials) -> Result<Users, StartError> {
    let mut all = config.identity_users()?;
    let account = root_account(root)?;
    all.push(User {
        access_key: root.access_key.clone(),
        secret: root.secret.clone(),
        account,
        name: "root".into(),
        canonical_id: None,
    });
    let users = Users::new(&all)?;
    Ok(if config.dev { users.with_dev() } else { users })
}

/// The node's keyring, with the keys that the configuration names.
async fn keyring(config: &Config, root: &RootCredentials, seams: &Seams) -> Result<Arc<Keyring>, StartError> {
    let named = config.named_keys(root_account(root)?)?;
    let (data, seams) = (config.data.clone(), seams.clone());
    let opened = Work::blocking(move || {
        let keyring = match data {
            Some(data) => Keyring::open(&data, seams)?,
            None => Keyring::in_memory(seams),
        };
        keyring.ensure(&named)?;
        Ok(keyring)
    });
    opened.await.map(Arc::new).map_err(StartError::Keyring)
}

/// Says which keys objects are sealed with and the keyring lacks. The node starts all the same:
/// everything else can be read.
async fn warn_of_missing_keys(store: &dyn Store, keyring: &Keyring) -> Result<(), StartError> {
    let used = headwater_objects::used_keys(store).await.map_err(StartError::Read)?;
    for id in used.into_iter().filter(|id| !keyring.holds(*id)) {
        tracing::error!(
            key = %id,
            "objects are sealed with a key that the keyring lacks and cannot be read; restore keyring.toml from a backup"
        );
    }
    Ok(())
}

fn root_account(root: &RootCredentials) -> Result<AccountId, ConfigError> {
    root.account.parse().map_err(|error: InvalidName| {
        ConfigError::Refused(format!("the root credentials are damaged: {error}"))
    })
}

async fn open_store(
    data: Option<PathBuf>,
    seams: &Seams,
    ground: &Work,
) -> Result<(Arc<dyn Store>, Option<Backup>), StartError> {
    let Some(data) = data else {
        return Ok((headwater_store::memory::open(seams.clone()), None));
    };
    let (dir, seams) = (data.join("store"), seams.clone());
    let opened = Work::blocking(move || embedded::open(&dir, StoreOptions::default(), seams)).await;
    let opened = opened.map_err(|error| match error {
        OpenError::InUse(_) => StartError::InUse(data.clone()),
        other => StartError::Store(other),
    })?;
    if opened.recovered.torn_tail_bytes > 0 {
        tracing::warn!(
            bytes = opened.recovered.torn_tail_bytes,
            "the torn end of an unacknowledged write was given up"
        );
    }
    for store_loop in opened.loops {
        ground
            .service(store_loop.name, store_loop.run.map(|ended| ended.map_err(anyhow::Error::from)).boxed());
    }
    Ok((opened.store, Some(opened.backup)))
}

async fn open_blobs(data: Option<&Path>, seams: &Seams) -> Result<Arc<dyn Blobs>, StartError> {
    match data {
        None => Ok(Arc::new(MemoryBlobs::new(seams.clone()))),
        Some(data) => disk::open(data.join("blobs"), BlobOptions::default(), seams.clone())
            .await
            .map_err(StartError::Blobs),
    }
}

/// The cold tier: the one that is configured, else the one that the data directory knows of.
async fn open_cold(config: &Config, seams: &Seams) -> Result<Option<Arc<dyn Blobs>>, StartError> {
    let Some(data) = config.data.clone() else {
        return Ok(None);
    };
    let unreadable = |source| StartError::Data { path: data.clone(), source };
    let Some(path) =
        config.cold.clone().map_or_else(|| cold::noted(&data), |path| Ok(Some(path))).map_err(unreadable)?
    else {
        return Ok(None);
    };
    cold::claim(&data, &path, &seams.chance)
        .map_err(|source| StartError::Cold { path: path.clone(), source })?;
    let bodies = disk::open(cold::bodies(&path), BlobOptions::default(), seams.clone()).await;
    bodies.map(Some).map_err(StartError::Blobs)
}

/// The URL a client on this machine uses.
fn endpoint(config: &Config, addr: SocketAddr) -> String {
    match &config.tls {
        None => format!("http://{}", reachable(addr)),
        Some(TlsConfig { name: Some(name), .. }) => format!("https://{name}:{}", addr.port()),
        Some(_) => format!("https://{}", reachable(addr)),
    }
}

/// The address a client on this machine uses: an unspecified one is reached over loopback.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let mut addr = addr;
    if addr.ip().is_unspecified() {
        addr.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    addr
}
