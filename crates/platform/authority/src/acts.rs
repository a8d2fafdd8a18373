//! Every act there is, with who may do it: the one table that `matrix.md` is generated from.
//!
//! An act that is not here does not exist. Policy (Rego) may refuse more than this table does, never less.

use crate::{Durability, EpochEffect};

/// The roles that built-in groups carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Builder,
    Reviewer,
    Operator,
    Auditor,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Builder, Self::Reviewer, Self::Operator, Self::Auditor];
}

/// Which people may do an act; any one line suffices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum May {
    /// Every signed-in person of the tenant.
    Everyone,
    Has(Role),
    /// A builder who is in the team that owns the target.
    BuilderInTeam,
    /// The people whom the app's live manifest lets in.
    AppUser,
}

/// Whether the local credential may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MachineMay {
    Yes,
    /// Only by `--break-glass`, shown as EXCEPTION for ever.
    BreakGlass,
    No,
}

/// Whether a person's session needs a second factor, not older than ten minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecondFactor {
    Fresh,
    No,
}

/// Whether an act may be done by an app, by the system's own jobs, by a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Others {
    Nobody,
    Apps,
    System,
    AppsAndSystem,
    Strangers,
}

/// One line of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The act's name: `noun.verb`, the `action` of its events.
    pub name: &'static str,
    /// What it does, for people.
    pub says: &'static str,
    pub durability: Durability,
    pub epoch: EpochEffect,
    pub people: &'static [May],
    pub second_factor: SecondFactor,
    pub machine: MachineMay,
    pub others: Others,
}

const OPERATOR: May = May::Has(Role::Operator);
const REVIEWER: May = May::Has(Role::Reviewer);
const AUDITOR: May = May::Has(Role::Auditor);

macro_rules! rules {
    ($($konst:ident = $name:literal $says:literal, $durability:ident $epoch:ident, [$($may:expr),*] $factor:ident, $machine:ident, $others:ident;)*) => {
        /// The lines of the table, by name.
        pub mod rules {
            use super::*;
            $(pub static $konst: Rule = Rule {
                name: $name,
                says: $says,
                durability: Durability::$durability,
                epoch: EpochEffect::$epoch,
                people: &[$($may),*],
                second_factor: SecondFactor::$factor,
                machine: MachineMay::$machine,
                others: Others::$others,
            };)*
        }

        /// The whole table, in the order in which it is written.
        pub static ACTS: &[&Rule] = &[$(&rules::$konst),*];
    };
}

rules! {
    // identity
    PERSON_ADD = "person.add" "add a person and make their one-time link", Act Raises, [OPERATOR] Fresh, Yes, Nobody;
    PERSON_GROUPS = "person.groups" "change the groups of a person", Act Raises, [OPERATOR] Fresh, Yes, Nobody;
    PERSON_DISABLE = "person.disable" "disable a person and end their sessions", Cut Raises, [OPERATOR] No, Yes, Nobody;
    PERSON_LIST = "person.list" "list people and groups", Access Keeps, [OPERATOR, REVIEWER, AUDITOR] No, Yes, Nobody;
    LINK_SPEND = "link.spend" "sign in with a one-time link", Act Keeps, [] No, No, Strangers;
    SESSION_LIST = "session.list" "see where one is signed in", Access Keeps, [May::Everyone] No, No, Nobody;
    SESSION_END = "session.end" "sign out", Cut Keeps, [May::Everyone] No, No, Nobody;
    SESSIONS_END = "session.end_others" "sign out everywhere else", Cut Keeps, [May::Everyone] No, No, Nobody;
    PASSKEY_FIRST = "passkey.first" "make one's first passkey", Act Keeps, [May::Everyone] No, No, Nobody;
    PASSKEY_ADD = "passkey.add" "make a further passkey", Act Keeps, [May::Everyone] Fresh, No, Nobody;
    PASSKEY_REMOVE = "passkey.remove" "remove a passkey of one's own", Act Keeps, [May::Everyone] Fresh, No, Nobody;
    PASSKEY_SIGN_IN = "passkey.sign_in" "sign in with a passkey", Act Keeps, [] No, No, Strangers;
    PASSKEY_CONFIRM = "passkey.confirm" "confirm with a passkey", Act Keeps, [May::Everyone] No, No, Nobody;
    PASSKEY_FORGET = "passkey.forget" "forget the passkeys of another host name", Act Keeps, [] No, No, System;
    LOGIN_CONFIRM = "login.confirm" "let a command line sign in as oneself", Act Keeps, [May::Everyone] Fresh, No, Nobody;
    LOGIN_CONFIRM_WEAK = "login.confirm_weak" "let a command line sign in as oneself without a second factor", Act Keeps, [May::Everyone] No, No, Nobody;
    LOGIN_TAKE = "login.take" "sign a command line in with a confirmed code", Act Keeps, [] No, No, Strangers;
    ROLE_ASK = "role.ask" "ask for a role until a date", Act Keeps, [May::Everyone] No, No, Nobody;
    ROLE_GRANT = "role.grant" "give a role that was asked for, until its date", Act Raises, [OPERATOR] Fresh, No, Nobody;
    ROLE_REFUSE = "role.refuse" "refuse a role that was asked for", Act Keeps, [OPERATOR] No, No, Nobody;
    ROLE_LAPSE = "role.lapse" "end a role on its date", Cut Raises, [] No, No, System;
    PROVIDER_CONNECT = "provider.connect" "connect single sign-on with one's account", Act Keeps, [May::Everyone] Fresh, No, Nobody;
    SIGN_IN_SEE = "sign_in.see" "see how people sign in", Access Keeps, [OPERATOR, AUDITOR] No, Yes, Nobody;
    PROVIDER_DRAFT = "provider.draft" "set single sign-on up, without switching it on", Act Keeps, [OPERATOR] Fresh, Yes, Nobody;
    PROVIDER_TRY = "provider.try" "try single sign-on before it is switched on", Act Keeps, [OPERATOR] Fresh, No, Nobody;
    PROVIDER_ON = "provider.on" "switch single sign-on on", Act Raises, [OPERATOR] Fresh, Yes, Nobody;
    PROVIDER_OFF = "provider.off" "switch single sign-on off, and end the sessions that began there", Cut Raises, [OPERATOR] Fresh, Yes, Nobody;
    LINKS_SWITCH = "links.switch" "switch one-time links on or off", Act Raises, [OPERATOR] Fresh, Yes, Nobody;
    OIDC_SIGN_IN = "oidc.sign_in" "sign in at the provider", Act Raises, [] No, No, Strangers;
    OIDC_LOGOUT = "oidc.logout" "end sessions when the provider says so", Cut Keeps, [] No, No, Strangers;
    APP_SIGN_IN = "app.sign_in" "sign in to an app", Act Keeps, [May::AppUser] No, No, Nobody;
    TOKEN_ISSUE = "token.issue" "get a short-lived token for an app", Use Keeps, [May::AppUser] No, No, Nobody;
    APP_TOKEN_ISSUE = "app_token.issue" "issue the app's own short-lived token", Use Keeps, [] No, No, Apps;

    // catalog
    APP_DEPLOY = "app.deploy" "deploy a release", Act Raises, [May::BuilderInTeam] No, Yes, Nobody;
    RELEASE_REBUILD = "release.rebuild" "make a release ready again, for the engine of a newer server", Act Keeps, [] No, No, System;
    RELEASE_APPROVE = "release.approve" "approve a request", Act Raises, [REVIEWER, OPERATOR] Fresh, BreakGlass, Nobody;
    RELEASE_REJECT = "release.reject" "send a request back", Act Keeps, [REVIEWER, OPERATOR] No, Yes, Nobody;
    RELEASE_ROLLBACK = "release.rollback" "serve an earlier release again", Act Raises, [May::BuilderInTeam, OPERATOR] No, Yes, Nobody;
    APP_REVOKE = "app.revoke" "switch an app off everywhere", Cut Raises, [May::BuilderInTeam, REVIEWER, OPERATOR] No, Yes, System;
    APP_REVOKE_DONE = "app.revoke.done" "record what a revoke cut", Cut Keeps, [] No, No, System;
    APP_RESTORE = "app.restore" "let a switched-off app serve again, with new credentials", Act Raises, [OPERATOR] Fresh, Yes, Nobody;
    APP_RETIRE = "app.retire" "end an app for good and delete its data", Act Raises, [May::BuilderInTeam, OPERATOR] Fresh, Yes, Nobody;
    APP_EXPIRE = "app.expire" "suspend an app on its date", Cut Raises, [] No, No, System;
    APP_REMOVE = "app.remove" "end an app at the end of its grace and delete its data", Act Raises, [] No, No, System;
    APP_LIST = "app.list" "list the apps", Access Keeps, [May::Everyone] No, Yes, Nobody;
    APP_SEE = "app.see" "see what an app may touch, holds and used", Access Keeps, [May::BuilderInTeam, REVIEWER, OPERATOR, AUDITOR] No, Yes, Nobody;
    RECEIPT_READ = "receipt.read" "read what a revoke cut", Access Keeps, [May::BuilderInTeam, REVIEWER, OPERATOR, AUDITOR] No, Yes, Nobody;
    APP_LOGS = "app.logs" "read an app's log", Use Keeps, [May::BuilderInTeam, OPERATOR] No, Yes, Nobody;
    APP_SOURCE = "app.source" "read the files of an app's release", Use Keeps, [May::BuilderInTeam] No, Yes, Nobody;
    APP_TRY = "app.try" "try files of an app with mock data before they are live", Use Keeps, [May::BuilderInTeam] No, No, Nobody;
    APP_SEND = "app.send" "send the files of an app", Access Keeps, [May::Has(Role::Builder)] No, Yes, Nobody;
    REQUEST_LIST = "request.list" "see what waits for a person", Access Keeps, [May::Has(Role::Builder), REVIEWER, OPERATOR, AUDITOR] No, Yes, Nobody;
    WAIVER_GRANT = "waiver.grant" "agree to an exception to one rule for one app, until a date", Act Raises, [REVIEWER, OPERATOR] Fresh, BreakGlass, Nobody;
    WAIVER_END = "waiver.end" "end a waiver before its date", Act Raises, [REVIEWER, OPERATOR] No, Yes, Nobody;
    WAIVER_LIST = "waiver.list" "see which waivers there are", Access Keeps, [May::Has(Role::Builder), REVIEWER, OPERATOR, AUDITOR] No, Yes, Nobody;
    JOB_RUN = "job.run" "run a scheduled job of an app", Act Keeps, [] No, No, System;
    JOB_DONE = "job.done" "record how a job ended", Act Keeps, [] No, No, System;

    // gateway
    APP_USE = "app.use" "send a request to an app", Access Keeps, [May::AppUser] No, No, AppsAndSystem;
    APP_USE_PUBLIC = "app.use_public" "send a request to a public path of an app", Access Keeps, [May::Everyone] No, No, Strangers;

    // vault
    SECRET_PUT = "secret.put" "store a secret's value", Act Raises, [OPERATOR] Fresh, Yes, Nobody;
    SECRET_LIST = "secret.list" "list secrets, never their values", Access Keeps, [May::Has(Role::Builder), REVIEWER, OPERATOR, AUDITOR] No, Yes, Nobody;
    SECRET_REVOKE = "secret.revoke" "make a secret unusable", Cut Raises, [OPERATOR, REVIEWER] No, Yes, Nobody;
    SECRET_USE = "secret.use" "attach a secret to a call", Use Keeps, [] No, No, Apps;

    // data
    DATA_READ = "data.read" "read records", Access Keeps, [] No, No, Apps;
    DATA_WRITE = "data.write" "write a record", Act Keeps, [] No, No, Apps;
    DATA_EXPORT = "data.export" "export a collection", Use Keeps, [] No, No, Apps;
    DATA_EXPIRE = "data.expire" "delete records past their retention", Act Keeps, [] No, No, System;

    // broker
    EGRESS_CALL = "egress.call" "call a destination outside", Access Keeps, [] No, No, Apps;

    // the record and the platform
    AUDIT_READ = "audit.read" "read the record", Use Keeps, [AUDITOR, OPERATOR] No, Yes, Nobody;
    AUDIT_EXPORT = "audit.export" "export the record", Use Keeps, [AUDITOR, OPERATOR] No, Yes, Nobody;
    QUERY_LIST = "query.list" "see kept searches of the record", Access Keeps, [AUDITOR, OPERATOR] No, Yes, Nobody;
    QUERY_SAVE = "query.save" "keep a search of the record under a name", Act Keeps, [AUDITOR, OPERATOR] No, Yes, Nobody;
    QUERY_FORGET = "query.forget" "forget a kept search", Act Keeps, [AUDITOR, OPERATOR] No, Yes, Nobody;
    NOTICE_LIST = "notice.list" "see what was sent to whom", Access Keeps, [OPERATOR, AUDITOR] No, Yes, Nobody;
    NOTICE_SEE = "notice.see" "see what one was warned of", Access Keeps, [May::Everyone] No, Yes, Nobody;
    NOTICE_ACK = "notice.ack" "take on what one was warned of", Act Keeps, [May::Everyone] No, Yes, Nobody;
    NOTICE_TEST = "notice.test" "send oneself a notice", Use Keeps, [OPERATOR] No, Yes, Nobody;
    EXPIRY_WARN = "expiry.warn" "warn that something ends", Act Keeps, [] No, No, System;
    ALARM_RAISE = "alarm.raise" "tell operators that something is wrong", Act Keeps, [] No, No, System;
    BACKUP_CREATE = "backup.create" "make a backup, encrypted to a recovery key", Use Keeps, [OPERATOR] Fresh, Yes, System;
    BACKUP_DONE = "backup.done" "record how a backup ended", Act Keeps, [] No, No, System;
    BACKUP_LIST = "backup.list" "list the backups that there are", Access Keeps, [OPERATOR, AUDITOR] No, Yes, Nobody;
    BACKUP_RESTORE = "backup.restore" "fill an empty database from a backup", Act Keeps, [] No, Yes, Nobody;
    BACKUP_DRILL = "backup.drill" "record how a rehearsed restore went", Act Keeps, [OPERATOR] No, Yes, Nobody;
    STORAGE_MOVE = "storage.move" "move bundles out of the database, to where they are configured to lie", Act Keeps, [] No, No, System;
    METRICS_READ = "metrics.read" "read what the server counts", Access Keeps, [AUDITOR, OPERATOR] No, Yes, Nobody;
    POLICY_READ = "policy.read" "read the policy", Access Keeps, [May::Everyone] No, Yes, Nobody;
    POLICY_EXPLAIN = "policy.explain" "ask what somebody may do, and why", Access Keeps, [OPERATOR, REVIEWER, AUDITOR] No, Yes, Nobody;
    PLATFORM_RECOVER = "platform.recover" "accept a database that does not continue the record, and say why", Act Raises, [OPERATOR] Fresh, Yes, Nobody;
}
