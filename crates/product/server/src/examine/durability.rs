//! Whether PostgreSQL keeps what it acknowledges; if not, where that was set, since a setting is taken back only there.

use super::{Examined, Health};
use store::{Inspection, Setting};

/// What `ALTER SYSTEM` writes.
const BY_STATEMENT: &str = "postgresql.auto.conf";

pub(super) fn durability(seen: &Inspection) -> Vec<Examined> {
    let mut found = Vec::new();
    for setting in &seen.unsafe_settings {
        let Setting { name, value, .. } = setting;
        let what =
            format!("PostgreSQL runs with `{name} = {value}`: what was acknowledged is lost when its machine crashes");
        found.push(Examined::wrong("durability", Health::Ill, what, on(setting)));
    }
    if let Some(setting) = &seen.unwaited {
        let Setting { name, value, .. } = setting;
        let what = format!(
            "with `{name} = {value}` no standby is waited for, though some are named: should one take over, what was acknowledged last is lost"
        );
        found.push(Examined::wrong("standby", Health::Doubtful, what, on(setting)));
    }
    if seen.asynchronous_standbys > 0 {
        let what = format!(
            "{} standby follows asynchronously: should it take over, what was acknowledged last is lost",
            seen.asynchronous_standbys
        );
        let fix =
            "name it in `synchronous_standby_names`; or take over only once it has caught up, and expect `recovering`";
        found.push(Examined::wrong("standby", Health::Doubtful, what, fix));
    }
    found
}

/// How to switch it on, by where PostgreSQL says that it was set (`pg_settings`).
fn on(Setting { name, source, file, .. }: &Setting) -> String {
    // What a session begins with, it keeps.
    let anew = "then start the server again";
    let own = "set it to `on` there, and call `pg_reload_conf()`";
    let system = format!("call `ALTER SYSTEM RESET {name}`, then `pg_reload_conf()`");
    match source.as_str() {
        "configuration file" if file.is_empty() => format!(
            "a superuser finds its file as `sourcefile` in `pg_settings`: if that is `{BY_STATEMENT}`, {system}; else {own}"
        ),
        "configuration file" if file.ends_with(BY_STATEMENT) => system,
        "configuration file" => format!("it stands in `{file}`: {own}"),
        "command line" => format!("PostgreSQL is started with it: take `{name}` out of its command line"),
        "database" => format!("it is set for the database: call `ALTER DATABASE … RESET {name}`, {anew}"),
        "user" => format!("it is set for the server's role: call `ALTER ROLE … RESET {name}`, {anew}"),
        "database user" => format!(
            "it is set for the server's role in this database: call `ALTER ROLE … IN DATABASE … RESET {name}`, {anew}"
        ),
        "client" => format!("take it out of `options` in the address of the database, {anew}"),
        other => format!("set it to `on`; `pg_settings` says of it: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_taken_back_where_it_was_set() {
        let fix = |source: &str, file: &str| {
            let (name, value) = ("fsync".to_owned(), "off".to_owned());
            on(&Setting { name, value, source: source.to_owned(), file: file.to_owned() })
        };
        for (source, file, wanted) in [
            ("configuration file", "/d/postgresql.auto.conf", "`ALTER SYSTEM RESET fsync`"),
            ("configuration file", "/d/postgresql.conf", "`/d/postgresql.conf`"),
            ("configuration file", "", "`sourcefile`"),
            ("command line", "", "command line"),
            ("database", "", "`ALTER DATABASE … RESET fsync`"),
            ("user", "", "`ALTER ROLE … RESET fsync`"),
            ("database user", "", "`ALTER ROLE … IN DATABASE … RESET fsync`"),
            ("client", "", "`options`"),
        ] {
            assert!(fix(source, file).contains(wanted), "{source}: {}", fix(source, file));
        }
        assert!(!fix("configuration file", "/d/postgresql.conf").contains("ALTER"));
    }

    #[test]
    fn a_standby_that_is_not_waited_for_is_said() {
        let mut seen = Inspection::default();
        seen.unwaited = Some(Setting { value: "local".to_owned(), ..Setting::default() });
        let found = durability(&seen);
        assert!(matches!(found[..], [Examined { check: "standby", health: Health::Doubtful, .. }]), "{found:?}");
    }
}
