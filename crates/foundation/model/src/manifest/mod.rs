//! The manifest, `bailiwick.toml`: every line of authority that an app has, as a value that only the parser makes.

mod access;
mod app;
mod bytes;
mod canonical;
mod change;
mod connect;
mod difference;
mod host;
mod kept;
mod keys;
mod lookalike;
mod measure;
mod mend;
mod name;
mod parse;
mod path;
mod report;
mod runtime;
mod section;
mod sentences;
mod syntax;
mod tier;
mod value;

pub use app::EXPIRES_AHEAD_DAYS_MAX;
pub use bytes::MANIFEST_BYTES_MAX;
pub use change::{Change, ChangeKind};
pub use kept::RETAIN;
pub use name::{is_app_name, is_group_name};
pub use parse::Parsed;
pub use path::{PATH_BYTES_MAX, PathRefusal, PatternRefusal, normalise_path};
pub use runtime::{CPU, MEMORY_BYTES, PARALLEL, STORAGE_BYTES, TIME};
pub use sentences::{Sentence, SurfaceName};
pub use tier::{LOW_TIER_RETAIN_MAX, TierReason};

use crate::{Class, Group};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A manifest without problems. Maps keep the names as the builder wrote them, sorted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    pub app: App,
    pub runtime: Runtime,
    pub access: Access,
    /// By variable name: `env.NAME` is the placeholder.
    pub secrets: BTreeMap<String, SecretUse>,
    /// By the builder's name for the destination.
    pub connect: BTreeMap<String, Connect>,
    /// By collection name.
    pub data: BTreeMap<String, Collection>,
    pub jobs: BTreeMap<String, Job>,
    pub browser: Browser,
    pub limits: RequestLimits,
}

impl Manifest {
    /// Every group that it names but the team: of a person's groups, the app learns of these alone.
    #[must_use]
    pub fn groups(&self) -> BTreeSet<Group> {
        let access = self.access.groups.iter().chain(self.access.roles.values().flatten());
        access.chain(self.data.values().flat_map(|kept| &kept.export)).cloned().collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct App {
    pub name: String,
    pub team: Group,
    pub purpose: String,
    /// The last day on which the app serves, UTC.
    pub expires: jiff::civil::Date,
    pub class: Class,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    Wasm,
    Static,
    External,
}

impl Profile {
    pub const ALL: [Self; 3] = [Self::Wasm, Self::Static, Self::External];

    /// The word as the manifest spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Static => "static",
            Self::External => "external",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Runtime {
    pub profile: Profile,
    /// Path inside the folder, `/`-separated, normalised.
    pub main: String,
    pub assets: Option<String>,
    pub limits: SandboxLimits,
}

/// What one instance may use; `docs/builders.md` states the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SandboxLimits {
    pub memory_bytes: u64,
    /// CPU time of one request.
    pub cpu: Duration,
    /// Wall-clock time of one request.
    pub time: Duration,
    /// Requests that run at once.
    pub parallel: u32,
    /// Bytes of data that the app may keep.
    pub storage_bytes: u64,
}

impl Default for SandboxLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            cpu: Duration::from_millis(50),
            time: Duration::from_secs(10),
            parallel: 16,
            storage_bytes: 100 << 20,
        }
    }
}

/// Who may use the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Access {
    pub everyone: bool,
    pub groups: Vec<Group>,
    /// Role name → groups that have it.
    pub roles: BTreeMap<String, Vec<Group>>,
    /// Path patterns that need a second factor.
    pub mfa: Vec<PathPattern>,
    /// Path patterns open to strangers.
    pub public: Vec<PathPattern>,
    /// Networks that the app may be used from; any, when there are none.
    pub addresses: Vec<ipnet::IpNet>,
}

/// `/v1/rooms/**`: `*` is one segment, `**` (last) is any rest; matched against the decoded, normalised path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct PathPattern(pub(crate) String);

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretUse {
    /// `team/name`.
    pub id: crate::SecretId,
    /// 1-based line in the manifest, for messages.
    pub line: u32,
}

/// One granted destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Connect {
    /// Lower-case ASCII host name (IDNA A-labels) or an address literal, IPv6 in brackets as in a URL.
    pub host: String,
    pub port: u16,
    pub tls: bool,
    /// Upper-case.
    pub methods: Vec<String>,
    pub paths: Vec<PathPattern>,
    /// Variable name of the secret that may be attached here.
    pub secret: Option<String>,
    pub why: String,
    pub line: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Collection {
    pub retain: Duration,
    /// Whose people may take the whole collection out, with a second factor; nobody when empty.
    pub export: Vec<Group>,
    pub fields: BTreeMap<String, Field>,
    pub line: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    pub class: Class,
    /// The JSON type that values must have; any when absent.
    #[serde(rename = "type")]
    pub kind: Option<FieldType>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    Text,
    Number,
    Boolean,
    Date,
    List,
    Object,
}

impl FieldType {
    pub const ALL: [Self; 6] = [Self::Text, Self::Number, Self::Boolean, Self::Date, Self::List, Self::Object];

    /// The word as the manifest spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::List => "list",
            Self::Object => "object",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    /// Five-field cron expression, as written (checked for shape; `catalog` does the arithmetic).
    pub schedule: String,
    /// IANA time zone, `UTC` by default.
    pub zone: String,
    pub line: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Browser {
    /// Hosts that the app's pages may reach besides the app itself, with `:port` unless it is 443.
    pub hosts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestLimits {
    pub requests: Vec<RateLimit>,
    /// The most that one `list` may return.
    pub rows: u32,
}

/// `60/min per user`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RateLimit {
    pub count: u32,
    pub per: Duration,
    pub by: LimitBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitBy {
    User,
    Address,
    App,
    Route,
}

/// `list` returns at most this many rows unless the manifest says less.
pub const ROWS_DEFAULT: u32 = 500;
