//! The tables of identity, in the order in which they came.

use store::Migration;

pub const MIGRATIONS: &[Migration] = &[
    Migration {
        room: "identity",
        number: 1,
        name: "people, links, sessions, codes, accounts",
        sql: include_str!("migrations/0001_start.sql"),
    },
    Migration {
        room: "identity",
        number: 2,
        name: "passkeys, who vouched for whom",
        sql: include_str!("migrations/0002_passkeys.sql"),
    },
    Migration {
        room: "identity",
        number: 3,
        name: "command lines, roles asked for, people of a provider",
        sql: include_str!("migrations/0003_logins.sql"),
    },
    Migration {
        room: "identity",
        number: 4,
        name: "who vouched for an account at the provider",
        sql: include_str!("migrations/0004_connections.sql"),
    },
    Migration {
        room: "identity",
        number: 5,
        name: "how people sign in",
        sql: include_str!("migrations/0005_sign_in.sql"),
    },
    Migration {
        room: "identity",
        number: 6,
        name: "forms that wait for their person",
        sql: include_str!("migrations/0006_forms.sql"),
    },
    Migration {
        room: "identity",
        number: 7,
        name: "the credentials that a session with an app was made under",
        sql: include_str!("migrations/0007_credentials.sql"),
    },
];
