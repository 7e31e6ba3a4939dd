//! Opening the data folder: the store, the archive with its keys, the sandbox, and the rooms that join them.

use std::collections::HashMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use consign_archive::{Archive, MasterKey, ObjectStore, age_identities, generate_tenant_keys, holds_files, open_store, sweep};
use consign_export::{Exporter, Pace, Places, Shelf, StopSign};
use consign_ingest::Importer;
use consign_model::access::platform;
use consign_model::audit::Actor;
use consign_model::{TenantId, TenantKeys};
use consign_sandbox::{CacheKey, CodeCache, Compile, CompileChild, Sandbox, SandboxConfig};
use consign_service::tenants::{Opened, Opener, Opening, TenantError};
use consign_store::{Embedded, Store};
use zeroize::Zeroizing;

use crate::args::Cli;
use crate::output::Failure;

/// The environment variable that holds the master key itself.
const MASTER_KEY: &str = "CONSIGN_MASTER_KEY";

/// The argument by which this program is asked to be the process that compiles modules.
pub const COMPILE_CHILD: &str = "sandbox-compile";

/// Of compiled modules that are kept: some hundred with an interpreter in them.
const CACHE_BYTES: u64 = 4 << 30;

/// Modules are compiled by this program itself, in a process of its own.
pub fn compile_child() -> Compile {
    // On Linux by the name that leads to this very program, also where an upgrade has put another file in its place meanwhile.
    let linux = cfg!(target_os = "linux").then(|| PathBuf::from("/proc/self/exe"));
    match linux.map_or_else(std::env::current_exe, Ok) {
        Ok(program) => Compile::Child(CompileChild { program, arguments: vec![COMPILE_CHILD.into()] }),
        Err(error) => {
            tracing::warn!(%error, "this program's own file can't be found, so modules are compiled in this process");
            Compile::Here
        }
    }
}

/// Where and for whom.
#[derive(Debug, Clone)]
pub struct Place {
    /// The data folder.
    pub folder: PathBuf,
    /// The file with the master key, where one is named.
    pub master_key_file: Option<PathBuf>,
    /// The tenant.
    pub tenant: TenantId,
    /// Who gives the command, as they call themselves.
    pub by: Option<String>,
}

impl Place {
    /// As the command line says.
    pub fn of(cli: &Cli) -> Result<Self, Failure> {
        let folder = match &cli.data {
            Some(folder) => folder.clone(),
            None => home()?.join("consign"),
        };
        let tenant = match &cli.tenant {
            Some(tenant) => tenant.clone(),
            None => "default".parse()?,
        };
        Ok(Self { folder, master_key_file: cli.master_key_file.clone(), tenant, by: cli.by.clone() })
    }
}

/// Where a user's data lies by custom.
pub fn home() -> Result<PathBuf, Failure> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = from("XDG_DATA_HOME").or_else(|| from("HOME").map(|home| home.join(".local/share")));
    folder.ok_or_else(|| Failure::new("there is no HOME to keep data in: name a folder with --data"))
}

/// An open data folder, with whatever tenants it has.
pub struct Installation {
    place: Place,
    store: Arc<dyn Store>,
    objects: Arc<dyn ObjectStore>,
    master: Arc<MasterKey>,
    shelf: Arc<Shelf>,
    places: Arc<Places>,
    /// Each tenant's archive, once: whoever deletes a file knows of all who use it.
    archives: Mutex<HashMap<TenantId, Arc<Archive>>>,
    /// The file with the master key, where we had to make one.
    made: Option<PathBuf>,
}

/// Ready when the store writes nothing more until the folder is opened anew, with the reason.
pub type StoreFailure = Pin<Box<dyn Future<Output = String> + Send>>;

/// A tenant's part of it.
pub struct TenantData {
    /// On the way in.
    pub importer: Importer,
    /// On the way out.
    pub exporter: Exporter,
    /// The tenant's keys, the private ones sealed.
    pub keys: TenantKeys,
    /// Whether they were made just now.
    pub is_new: bool,
}

/// An open data folder, for one tenant.
pub struct Data {
    /// On the way in.
    pub importer: Importer,
    /// On the way out.
    pub exporter: Exporter,
    /// The tenant's keys, the private ones sealed.
    pub keys: TenantKeys,
    master: Arc<MasterKey>,
    /// Whether keys were made just now.
    pub new: Option<NewKeys>,
    /// Ready when the store writes nothing more until the folder is opened anew, with the reason.
    pub store_failure: StoreFailure,
}

/// What was made when a data folder was first opened.
pub struct NewKeys {
    /// The file with the master key, where we had to make one.
    pub master_key_file: Option<PathBuf>,
}

impl Data {
    /// Opens the folder, and makes what is missing: folder, master key, keys of the tenant.
    pub async fn open(place: &Place) -> Result<Self, Failure> {
        if place.tenant == platform() {
            return Err(Failure::new(format!("'{}' is the name of the installation itself: name another tenant", place.tenant)));
        }
        Self::open_for(place).await
    }

    /// The same for the installation itself: who may do what in it.
    pub async fn open_platform(place: &Place) -> Result<Self, Failure> {
        Self::open_for(&Place { tenant: platform(), ..place.clone() }).await
    }

    async fn open_for(place: &Place) -> Result<Self, Failure> {
        let (installation, store_failure) = Installation::open(place).await?;
        let TenantData { importer, exporter, keys, is_new } = installation.tenant(&place.tenant).await?;
        let new = is_new.then_some(NewKeys { master_key_file: installation.made });
        Ok(Self { importer, exporter, keys, master: installation.master, new, store_failure })
    }

    /// The private keys that open the tenant's files, a line each, as age has them.
    pub fn identities(&self) -> Result<Zeroizing<String>, Failure> {
        Ok(age_identities(&self.keys, &self.master)?)
    }
}

impl Installation {
    /// Opens the folder, and makes what is missing: folder and master key.
    pub async fn open(place: &Place) -> Result<(Self, StoreFailure), Failure> {
        let Place { folder, tenant, .. } = place;
        // Manifests name chats and people: nobody else on this machine needs to read them.
        for folder in [folder, &folder.join("manifests"), &folder.join("modules")] {
            make_private(folder).map_err(|error| {
                Failure::new(format!(
                    "the data folder {} cannot be made: {error}; mend that and try again, or name another with --data",
                    folder.display()
                ))
            })?;
        }
        let (store_folder, archive_folder) = (folder.join("store"), folder.join("archive").display().to_string());
        let objects = open_store(&archive_folder)?;
        // Before an empty store stands where the right one would be put back.
        if !store_folder.exists() && holds_files(objects.as_ref(), None).await? {
            return Err(orphaned(place));
        }
        let embedded = Embedded::open(&store_folder)?;
        // The store is locked from here on, so whatever a write has left half-done is nobody's any more.
        if embedded.is_recovered() {
            let removed = sweep(&archive_folder)?;
            tracing::debug!(removed, "files that were not written to their end were removed");
        }
        let failure: StoreFailure = Box::pin(embedded.failure());
        let store: Arc<dyn Store> = Arc::new(embedded);
        // Before a key is made that can't open them.
        if store.tenant_keys(tenant).await?.is_none() && holds_files(objects.as_ref(), Some(tenant)).await? {
            return Err(orphaned(place));
        }
        let has_tenants = !store.tenants(None, 1).await?.is_empty();
        let (master, made) = master_key(place, has_tenants)?;
        let cache = CodeCache { dir: folder.join("cache"), key: CacheKey(*master.derive_key("consign module cache")), most_bytes: CACHE_BYTES };
        let sandbox = Sandbox::new(SandboxConfig { cache: Some(cache), compile: compile_child(), ..SandboxConfig::default() })?;
        let shelf = Arc::new(Shelf::new(&folder.join("modules"), Arc::new(sandbox)));
        Ok((
            Self { place: place.clone(), store, objects, master: Arc::new(master), shelf, places: Arc::default(), archives: Mutex::default(), made },
            failure,
        ))
    }

    /// A tenant's part, with keys that are made where it is new.
    pub async fn tenant(&self, tenant: &TenantId) -> Result<TenantData, Failure> {
        self.tenant_by(tenant, self.person()).await
    }

    /// Whoever has started the process.
    fn person(&self) -> Actor {
        crate::who::person(self.place.by.as_deref())
    }

    async fn tenant_by(&self, tenant: &TenantId, actor: Actor) -> Result<TenantData, Failure> {
        let known = self.store.tenant_keys(tenant).await?;
        if known.is_none() && holds_files(self.objects.as_ref(), Some(tenant)).await? {
            return Err(orphaned(&Place { tenant: tenant.clone(), ..self.place.clone() }));
        }
        let (is_new, keys) = match known {
            Some(keys) => (false, keys),
            None => (true, generate_tenant_keys(&self.master)?),
        };
        let archive = self.archive_of(tenant, &keys)?;
        let (author, maker) = (archive.author(self.person()), archive.author(actor));
        // The store is locked, so nobody else has made the tenant meanwhile. One that is there stays as it is; only its audit log begins, where it has none yet.
        self.store.create_tenant(tenant, &keys, &maker).await?;
        let writer = archive.writer().clone();
        let exporter = Exporter {
            tenant: tenant.clone(),
            store: Arc::clone(&self.store),
            archive,
            shelf: Arc::clone(&self.shelf),
            data: self.place.folder.clone(),
            pace: Pace::default(),
            places: Arc::clone(&self.places),
            stop: StopSign::default(),
            author: author.clone(),
        };
        let importer = Importer { tenant: tenant.clone(), store: Arc::clone(&self.store), archive: writer, author };
        Ok(TenantData { importer, exporter, keys, is_new })
    }

    /// A tenant's archive, opened the first time.
    fn archive_of(&self, tenant: &TenantId, keys: &TenantKeys) -> Result<Arc<Archive>, Failure> {
        let mut archives = self.archives.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(archive) = archives.get(tenant) {
            return Ok(Arc::clone(archive));
        }
        let archive = Arc::new(Archive::open(Arc::clone(&self.objects), tenant.clone(), keys, &self.master)?);
        archives.insert(tenant.clone(), Arc::clone(&archive));
        Ok(archive)
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The file with the master key, where we had to make one.
    pub fn made(&self) -> Option<&Path> {
        self.made.as_deref()
    }
}

impl Opener for Installation {
    fn forget(&self, tenant: &TenantId) {
        self.archives.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }

    fn open<'a>(&'a self, tenant: &'a TenantId, maker: Option<&'a Actor>) -> Opening<'a> {
        Box::pin(async move {
            let opened = self.tenant_by(tenant, maker.cloned().unwrap_or_else(|| self.person())).await;
            let TenantData { importer, exporter, .. } =
                opened.map_err(|failure| TenantError::Open { tenant: tenant.clone(), cause: failure.text().to_owned() })?;
            Ok(Opened { importer, exporter })
        })
    }
}

/// A folder that only its owner may look into; one that is there stays as it is.
pub fn make_private(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// An archive without the store that belongs to it. With keys made anew its files would open no more, and everything would be stored twice.
fn orphaned(place: &Place) -> Failure {
    let (folder, tenant) = (place.folder.display(), &place.tenant);
    Failure::new(format!(
        "{folder}/archive has conversation files, and {folder}/store is missing or knows no tenant {tenant}, whose keys they need: put the store back \
         that belongs to them, or restore it from a backup. To begin anew, move {folder}/archive away as well, or name another folder with --data"
    ))
}

/// The master key: from the file that is named, the environment, or the data folder. Made only where there is no tenant yet whose keys it would
/// have to open.
fn master_key(place: &Place, has_tenant: bool) -> Result<(MasterKey, Option<PathBuf>), Failure> {
    if let Some(file) = &place.master_key_file {
        return Ok((MasterKey::from_file(file)?, None));
    }
    if let Ok(text) = std::env::var(MASTER_KEY) {
        return Ok((MasterKey::from_text(&text)?, None));
    }
    let file = place.folder.join("master.key");
    // What a killed process left of making one: half a key, or a second name of the key.
    let beside = file.with_extension("key.new");
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Failure::new(format!(
                "{}, which may hold the master key, cannot be removed: {error}; mend that, then try again",
                beside.display()
            )));
        }
        _ => {}
    }
    if file.exists() {
        return Ok((MasterKey::from_file(&file)?, None));
    }
    if has_tenant {
        return Err(Failure::new(format!(
            "the data folder {} has a tenant, and there is no master key to open it: give it in {MASTER_KEY} or with --master-key-file",
            place.folder.display()
        )));
    }
    let master = MasterKey::generate()?;
    write_secret(&file, &beside, &master.to_text())
        .map_err(|error| Failure::new(format!("the master key {} cannot be written: {error}; mend that, then try again", file.display())))?;
    Ok((master, Some(file)))
}

/// A file that only its owner may read: whole and on the disk when this returns, or not there. The other path is for what is not whole yet.
pub fn write_secret(path: &Path, beside: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    // Fails where somebody else has made one meanwhile: theirs is the key.
    std::fs::hard_link(beside, path)?;
    std::fs::remove_file(beside)?;
    match path.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
