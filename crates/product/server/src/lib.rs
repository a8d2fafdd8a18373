//! The server: configuration, assembly of the rooms, the control API, the console's pages, and the jobs of the system.
//!
//! Rooms of one floor never meet but here: this crate gives each the few things that it asks of another.

mod api;
mod app_log;
mod assembly;
mod backup;
mod config;
mod cuts;
mod demo;
mod dev;
mod doors;
mod examine;
mod feed;
mod jobs;
mod listen;
mod logs;
mod metrics;
mod nodes;
mod page;
mod pages;
mod pieces;
mod policy;
mod queries;
mod ready;
mod recover;
mod reply;
mod sending;
mod settings;
mod sign_in;
mod sign_ins;
mod stand_in;
mod storage;
mod telemetry;
pub mod template;
mod turns;
mod up;
mod vaulted;
mod watched;
mod who;

pub use assembly::Bailiwick;
pub use backup::{
    BACKUP_PLACE, CONFIGURATION, Configuration, Contents, DATA, Drill, ENDING, Keep, Restore, Restored, Scratch,
    Unproven, contents, fetch_backup, stamp,
};
pub use config::{AskPassphrase, Asked, Config, Overrides, Root};
pub use dev::{DevOptions, Happened, Job, Kept, Mocked, Ready, dev};
pub use examine::{Examined, Health, Readiness, ReadyPart, configuration_file, configured_url, examine, root_to_put};
pub use logs::log_to_stderr;
pub use policy::{policy_files, shipped_policy};
pub use settings::{Settings, place};
pub use up::{Demo, Said, UpOptions, open_files, run};
