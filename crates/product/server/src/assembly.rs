//! The assembly: every room made, and given what it asks of the others.

use crate::{
    Config, Settings,
    api::{Exports, Readers, Seats},
    app_log::{AppLog, Writer},
    backup,
    dev::trial::Trials,
    doors::{AssetsInside, DataInside, SelfInside, WaysOut},
    jobs::Ended,
    nodes::Nodes,
    pages::Drafts,
    policy,
    ready::Ready,
    recover::Doubt,
    sign_in::{Fenced, Outside},
    sign_ins::{ByIdentity, Vouching},
    telemetry,
    turns::Turns,
    vaulted::ByVault,
    watched::Named,
};
use authority::{Authority, Surface};
use broker::Broker;
use catalog::{Addresses, Catalog, Surfaces};
use data::Data;
use gateway::{Gateway, Lease, Listening};
use identity::{Identity, MachineKey, MachineProof};
use model::{Clock, Problem, ProblemKind, TenantId};
use sandbox::Sandbox;
use seal::{Context, Purpose, PurposeKey, TenantKey};
use std::{error::Error, path::PathBuf, sync::Arc};
use store::{Depot, Store, StoreConfig, Tasks, Tx, forever};
use tokio::task::JoinSet;
use vault::Vault;
use watch::{Watch, watch_for_alarms};

/// A whole Bailiwick, running in this process.
pub struct Bailiwick {
    pub(crate) config: Config,
    pub(crate) tenant: TenantId,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<Store>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) data: Arc<Data>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) app_log: Arc<AppLog>,
    /// Who follows a log at this moment.
    pub(crate) readers: Arc<Readers>,
    /// Who downloads an export or a backup at this moment.
    pub(crate) downloads: Arc<Seats>,
    /// Whose files are held in memory at this moment, and whose are looked at.
    pub(crate) turns: Turns,
    pub(crate) machine: MachineProof,
    pub(crate) policy_files: policy::Files,
    /// Tells this Bailiwick's cookies from another's on the same loopback.
    pub(crate) instance: String,
    pub(crate) doubt: Doubt,
    pub(crate) ready: Ready,
    pub(crate) nodes: Nodes,
    pub(crate) exports: Exports,
    /// Drafts that somebody tries at this moment.
    pub(crate) trials: Trials,
    /// Files on their way from one look at them to the next.
    pub(crate) drafts: Drafts,
    pub(crate) listening: Listening,
    pub(crate) ended: Ended,
    /// The data folder, and where the configuration was read from.
    pub(crate) folder: PathBuf,
    pub(crate) config_file: PathBuf,
    /// Whose backups these are.
    pub(crate) maker: backup::Maker,
}

impl std::fmt::Debug for Bailiwick {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bailiwick").field("url", &self.config.public_url).finish_non_exhaustive()
    }
}

/// What runs beside the requests; dropping it stops it.
#[derive(Debug)]
pub struct Running {
    pub(crate) tasks: Tasks,
    pub(crate) jobs: JoinSet<()>,
    /// What runs of apps.
    pub(crate) gateway: Arc<Gateway>,
    /// What the lease is given back with.
    pub(crate) store: Arc<Store>,
    pub(crate) run: String,
}

/// Authenticates precompiled code, so that nothing else is ever mapped as code.
struct CodeTags(PurposeKey);

impl sandbox::Authenticator for CodeTags {
    fn tag(&self, context: &str, bytes: &[u8]) -> [u8; 32] {
        self.0.mac(&Context::table("code").row(context), bytes)
    }

    fn verify(&self, context: &str, bytes: &[u8], tag: &[u8]) -> bool {
        self.0.verify_mac(&Context::table("code").row(context), bytes, tag).is_ok()
    }
}

/// What apps ask of the platform, answered in process.
fn answers_inside(broker: &Broker, data: &Arc<Data>, gateway: &Arc<Gateway>) {
    broker.inside(data::HOST, Arc::new(DataInside(Arc::clone(data))));
    broker.inside("assets.bailiwick", Arc::new(AssetsInside(Arc::downgrade(gateway))));
    broker.inside("self.bailiwick", Arc::new(SelfInside));
}

/// A failure at start: the cause for the log, words for the operator.
fn cannot(what: &'static str, error: &(dyn Error + 'static)) -> Problem {
    tracing::error!(error, what, "the server cannot start");
    Problem::new(
        ProblemKind::Unavailable,
        "start.failed",
        format!("{what} could not be started"),
        error.to_string(),
        "`bailiwick doctor` looks for the cause",
    )
}

impl Bailiwick {
    /// Makes every room and reads what they keep in memory. The engine compiles in the background.
    ///
    /// # Errors
    /// Whatever keeps the server from starting, with what to do.
    pub async fn start(settings: Settings, clock: Arc<dyn Clock>) -> Result<(Arc<Self>, Running), Problem> {
        let ground = Ground::lay(settings, clock).await?;
        let (vault, data) = (ground.vault(), ground.data());
        let broker = ground.broker(&vault)?;
        let identity = ground.identity(&broker)?;
        let (app_log, writer) = ground.app_log();
        let gateway = ground.gateway(&identity, &vault, &broker, &app_log);
        answers_inside(&broker, &data, &gateway);
        let surfaces: Surfaces = vec![
            Arc::clone(&gateway) as Arc<dyn Surface<Tx>>,
            Arc::clone(&identity) as _,
            Arc::clone(&vault) as _,
            Arc::clone(&data) as _,
            Arc::clone(&broker) as _,
        ];
        let catalog = ground.catalog(surfaces, &vault, &identity);
        let machine = ground.machine()?;
        let watch = ground.watch(&identity, &catalog)?;
        let Ground {
            config,
            config_file,
            folder,
            tenant,
            clock,
            store,
            authority,
            sandbox,
            policy_files,
            instance,
            listening,
            maker,
            ..
        } = ground;
        let server = Arc::new(Self {
            config,
            tenant,
            clock,
            store,
            authority,
            sandbox,
            identity,
            vault,
            data,
            broker,
            gateway,
            catalog,
            watch,
            app_log,
            readers: Arc::default(),
            downloads: Seats::for_downloads(),
            turns: Turns::default(),
            machine,
            policy_files,
            instance,
            doubt: Doubt::default(),
            ready: Ready::default(),
            nodes: Nodes::default(),
            exports: Exports::default(),
            trials: Trials::default(),
            drafts: Drafts::default(),
            listening,
            ended: Ended::default(),
            folder,
            config_file,
            maker,
        });
        let running = server.run_beside(writer).await?;
        Ok((server, running))
    }

    async fn run_beside(self: &Arc<Self>, writer: Writer) -> Result<Running, Problem> {
        let position = self.store.feed_position(&self.tenant).await.map_err(|error| error.problem())?;
        self.note_newest().await?;
        self.load_all().await?;
        self.check_passkey_hosts().await?;
        self.check_ways_in().await?;
        self.doubt().await?;
        self.keep_cut().await;
        let mut jobs = JoinSet::new();
        jobs.spawn(self.follow(position));
        // Before there is a lease: whoever has one is heard at once, and others wait for what it has heard.
        let mut tasks = self.store.run_tasks();
        self.take_lease(position, &mut jobs).await?;
        // After it: whoever has none, because another process has this name, writes nothing into that one's record.
        self.record_start(&mut tasks).await;
        self.finish_receipts().await;
        self.sweep_trials();
        jobs.spawn(writer.run());
        if let Some(collector) = &self.config.otlp {
            let export = telemetry::export(collector, self.store.node(), &self.config.egress.ca);
            if let Some(export) = export.map_err(|error| cannot("the export of traces", &error))? {
                jobs.spawn(export);
            }
        }
        crate::jobs::start(self, &mut jobs);
        let (watch, parts) = (Arc::downgrade(&self.watch), Arc::downgrade(self));
        jobs.spawn(forever("alarms", move || watch_for_alarms(watch.clone(), parts.clone())));
        let (gateway, store) = (Arc::clone(&self.gateway), Arc::clone(&self.store));
        Ok(Running { tasks, jobs, gateway, store, run: self.nodes.run().to_owned() })
    }

    /// Every surface, for the suite that each of them must pass.
    #[doc(hidden)]
    #[must_use]
    pub fn surfaces(&self) -> &Surfaces {
        self.catalog.surfaces()
    }

    /// Where the console is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.config.public_url
    }
}

impl Running {
    /// Stops what runs beside the requests, and writes what is still held.
    pub async fn stop(mut self) {
        self.jobs.shutdown().await;
        // What had its time ends now, so that the record has it. And whoever switches something off waits for this node no
        // more, once its lease is given back.
        self.gateway.lease().cut_off();
        self.gateway.stop_running();
        drop(self.gateway);
        if let Err(error) = self.store.leave(&self.run).await {
            tracing::warn!(error = &error as &dyn Error, "this node's lease was not given back; it runs out");
        }
        drop(self.store);
        if let Err(error) = self.tasks.stop().await {
            tracing::error!(error = &error as &dyn Error, "the store did not stop cleanly");
        }
    }
}

/// What every room is made from.
struct Ground {
    config: Config,
    config_file: PathBuf,
    folder: PathBuf,
    tenant: TenantId,
    keys: TenantKey,
    maker: backup::Maker,
    clock: Arc<dyn Clock>,
    store: Arc<Store>,
    authority: Arc<Authority>,
    sandbox: Arc<Sandbox>,
    policy_files: policy::Files,
    node: String,
    instance: String,
    listening: Listening,
    lease: Arc<Lease>,
    ceiling: Option<catalog::Ceiling>,
}

impl Ground {
    /// The local credential.
    fn machine(&self) -> Result<MachineProof, Problem> {
        let key = MachineKey::load_or_create(&self.folder).map_err(|error| cannot("the local credential", &error))?;
        Ok(MachineProof::new(&key, self.config.public_url.clone()))
    }

    /// Opens policy, database and sandbox.
    async fn lay(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, Problem> {
        let Settings { data: folder, config, config_file, database, root, reserve_bytes, compiler, listening, within } =
            settings;
        let depot = config.content.as_ref().map(Depot::open).transpose().map_err(|error| error.problem())?;
        let tenant = TenantId::main();
        let (keys, maker) = (root.tenant(&tenant), backup::Maker::new(&root));
        let instance: String = root.id().chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        let policy_files = policy::policy_files(&folder).map_err(|error| cannot("the policy", &error))?;
        let bundle = policy::compile(&policy_files).map_err(|error| cannot("the policy", &error))?;
        let authority = Arc::new(Authority::new(Arc::clone(&clock), Some(bundle)));
        let node = config.node.clone().unwrap_or_else(node_name);
        let store_config = StoreConfig {
            database,
            clock: Arc::clone(&clock),
            root,
            node: node.clone(),
            data_dir: folder.clone(),
            log_host: config.control_host().to_owned(),
            reserve_bytes,
            depot,
        };
        let store =
            Store::open(store_config, Arc::clone(&authority) as _, &ROOMS).await.map_err(|error| error.problem())?;
        let sandbox = match within.sandbox {
            Some(sandbox) => sandbox,
            None => {
                let code = sandbox::Config {
                    cache_dir: folder.join("cache"),
                    authenticator: Arc::new(CodeTags(keys.purpose(Purpose::CodeCache))),
                    maxima: sandbox::Maxima::default(),
                };
                Sandbox::start_with(code, compiler).map_err(|error| cannot("the sandbox", &error))?
            }
        };
        let lease = Arc::default();
        Ok(Self {
            config,
            config_file,
            folder,
            tenant,
            keys,
            maker,
            clock,
            store,
            authority,
            sandbox,
            policy_files,
            node,
            instance,
            listening,
            lease,
            ceiling: within.ceiling,
        })
    }

    fn identity(&self, broker: &Arc<Broker>) -> Result<Arc<Identity>, Problem> {
        let provider = match &self.config.oidc {
            Some(provider) => {
                let outside = Outside::new(&self.config.egress.ca).map_err(|error| cannot("single sign-on", &error))?;
                Some((provider.clone(), Arc::new(outside) as _))
            }
            None => None,
        };
        let config = identity::Config {
            tenant: self.tenant.clone(),
            keys: self.keys.clone(),
            public_url: self.config.public_url.clone(),
            node: self.node.clone(),
            provider,
            reach: Arc::new(Fenced::new(broker, &self.config.egress.ca)),
            links: self.config.links,
        };
        let (store, authority, clock) = (Arc::clone(&self.store), Arc::clone(&self.authority), Arc::clone(&self.clock));
        Ok(Arc::new(Identity::new(store, authority, clock, config)))
    }

    fn vault(&self) -> Arc<Vault> {
        let config = vault::Config { tenant: self.tenant.clone(), keys: self.keys.clone(), node: self.node.clone() };
        Arc::new(Vault::new(Arc::clone(&self.store), Arc::clone(&self.authority), Arc::clone(&self.clock), config))
    }

    fn data(&self) -> Arc<Data> {
        let config = data::Config { tenant: self.tenant.clone(), keys: self.keys.clone(), node: self.node.clone() };
        Arc::new(Data::new(Arc::clone(&self.store), Arc::clone(&self.authority), Arc::clone(&self.clock), config))
    }

    fn app_log(&self) -> (Arc<AppLog>, Writer) {
        AppLog::new(Arc::clone(&self.store), Arc::clone(&self.clock), self.tenant.clone(), &self.keys)
    }

    fn by_vault(&self, vault: &Arc<Vault>) -> Arc<ByVault> {
        Arc::new(ByVault { vault: Arc::clone(vault), lease: Arc::clone(&self.lease) })
    }

    fn broker(&self, vault: &Arc<Vault>) -> Result<Arc<Broker>, Problem> {
        let dns = broker::Dns::from_system().map_err(|error| cannot("name resolution", &error))?;
        let rooms = broker::Rooms {
            tenant: self.tenant.clone(),
            authority: Arc::clone(&self.authority),
            store: Arc::clone(&self.store),
            secrets: self.by_vault(vault),
            dns: Arc::new(dns),
        };
        Broker::new(self.config.egress.clone(), rooms).map_err(|error| cannot("the broker", &error))
    }

    fn gateway(
        &self,
        identity: &Arc<Identity>,
        vault: &Arc<Vault>,
        broker: &Arc<Broker>,
        log: &Arc<AppLog>,
    ) -> Arc<Gateway> {
        let config = gateway::Config {
            tenant: self.tenant.clone(),
            apps_domain: self.config.apps_domain.clone(),
            control_url: self.config.public_url.clone(),
            scheme: self.config.scheme(),
            node: self.node.clone(),
            instance: self.instance.clone(),
            trusted_proxies: self.config.trusted_proxies.clone(),
            clients: self.config.clients.clone(),
            limits: gateway::Limits::default(),
        };
        let sign_ins = ByIdentity {
            identity: Arc::clone(identity),
            authority: Arc::clone(&self.authority),
            tenant: self.tenant.clone(),
        };
        let rooms = gateway::Rooms {
            store: Arc::clone(&self.store),
            authority: Arc::clone(&self.authority),
            clock: Arc::clone(&self.clock),
            sandbox: Arc::clone(&self.sandbox),
            sign_ins: Arc::new(sign_ins),
            doors: Arc::new(WaysOut {
                broker: Arc::clone(broker),
                vault: Arc::clone(vault),
                log: Arc::clone(log) as _,
                clock: Arc::clone(&self.clock),
            }),
            log: Arc::clone(log) as _,
            lease: Arc::clone(&self.lease),
        };
        Arc::new(Gateway::new(config, rooms))
    }

    fn catalog(&self, surfaces: Surfaces, vault: &Arc<Vault>, identity: &Arc<Identity>) -> Arc<Catalog> {
        let rooms = catalog::Rooms {
            store: Arc::clone(&self.store),
            authority: Arc::clone(&self.authority),
            clock: Arc::clone(&self.clock),
            surfaces,
            secrets: self.by_vault(vault),
            vouchers: Arc::new(Vouching(Arc::clone(identity))),
        };
        let scheme = self.config.scheme().as_str().to_owned();
        let addresses = Addresses { scheme, domain: self.config.apps_domain.clone() };
        let catalog = Catalog::new(rooms, self.tenant.clone(), addresses);
        Arc::new(catalog.below(self.ceiling).with_grace(self.config.grace))
    }

    fn watch(&self, identity: &Arc<Identity>, catalog: &Arc<Catalog>) -> Result<Arc<Watch>, Problem> {
        let names = Named { identity: Arc::clone(identity), catalog: Arc::clone(catalog) };
        let rooms = watch::Rooms {
            store: Arc::clone(&self.store),
            authority: Arc::clone(&self.authority),
            identity: Arc::clone(identity),
            clock: Arc::clone(&self.clock),
            names: Arc::new(names),
            certificates: self.config.tls.clone(),
        };
        let config = watch::Config {
            tenant: self.tenant.clone(),
            public_url: self.config.public_url.clone(),
            notify: self.config.notify.clone(),
            ca: self.config.egress.ca.clone(),
        };
        Ok(Arc::new(Watch::new(rooms, config)?))
    }
}

/// The tables of every room, in the order in which they are made.
pub(crate) const ROOMS: [&[store::Migration]; 8] = [
    identity::MIGRATIONS,
    vault::MIGRATIONS,
    data::MIGRATIONS,
    broker::MIGRATIONS,
    gateway::MIGRATIONS,
    catalog::MIGRATIONS,
    watch::MIGRATIONS,
    MIGRATIONS,
];

const MIGRATIONS: &[store::Migration] =
    &[store::Migration { room: "server", number: 1, name: "app logs", sql: include_str!("migrations/0001_start.sql") }];

/// This machine's name; nodes of one database need different ones.
fn node_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "node".to_owned(), |name| name.trim().to_owned())
}
