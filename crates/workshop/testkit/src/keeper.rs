//! An app that keeps something in many collections; and all that apps keep, as the database has it behind the product's back.

use crate::{DATABASE, archive, manifest, sql};
use rusqlite::OpenFlags;
use serde_json::Value;
use std::path::Path;
use tokio_postgres::NoTls;

/// The archive of an app that keeps a record in each of so many collections, for so long, whenever something is posted.
#[must_use]
pub fn keeper(name: &str, retain: &str, collections: usize) -> bytes::Bytes {
    let each = |line: &dyn Fn(usize) -> String| (0..collections).map(line).collect::<String>();
    let declared =
        each(&|n| format!("[data.notes{n}]\nretain = \"{retain}\"\nfields.text = {{ class = \"internal\" }}\n"));
    let inserted = each(&|n| format!("await env.data.notes{n}.insert({{ text: \"kept\" }});\n"));
    let code = format!(
        "export default {{ async fetch(request, env) {{\nif (request.method === \"POST\") {{\n{inserted}}}\nreturn new Response(\"kept\");\n}} }};"
    );
    // What is inserted one by one takes more than a request is given unless said.
    let limits = "limits = { cpu = \"2s\" }\n";
    archive(&[("bailiwick.toml", &manifest(name, &format!("{limits}{declared}"))), ("app.js", &code)])
}

/// What apps keep, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    pub collections: i64,
    pub records: i64,
    /// Lines of the index: one for each field of each record.
    pub index: i64,
    /// Records as usage has them.
    pub used: i64,
    /// Their bytes as usage has them.
    pub used_bytes: i64,
}

/// What apps keep in SQLite in this data folder, or at this address.
///
/// # Panics
/// When the database cannot be read.
pub async fn kept_by_apps(data: &Path, url: Option<&str>) -> Kept {
    let [collections, records, index, used, used_bytes]: [i64; 5] = match url {
        None => {
            // Whoever could write would bring the log in, in the place of a server that was killed.
            let file = rusqlite::Connection::open_with_flags(data.join(DATABASE[0]), OpenFlags::SQLITE_OPEN_READ_ONLY)
                .expect("the file is there");
            file.query_row(sql::KEPT, [], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]))
                .expect("it is counted")
        }
        Some(url) => {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the database answers");
            let driver = tokio::spawn(connection);
            let row = client.query_one(sql::KEPT, &[]).await.expect("it is counted");
            drop(client);
            driver.await.expect("the driver ends").expect("cleanly");
            [row.get(0), row.get(1), row.get(2), row.get(3), row.get(4)]
        }
    };
    Kept { collections, records, index, used, used_bytes }
}

impl Kept {
    /// Fails unless rows, index and usage say the same, and whatever was written and is not there is what the record says
    /// was deleted since its time was over. Each record has one field.
    ///
    /// # Panics
    /// When they do not.
    pub fn adds_up(&self, recorded: &[Value]) {
        let (mut written, mut expired) = (0, 0);
        for event in recorded {
            match event["action"].as_str().unwrap_or_default() {
                "data.write" => written += 1,
                "data.expire" => expired += event["detail"]["records"].as_i64().expect("how many"),
                _ => {}
            }
        }
        assert_eq!((self.index, self.used), (self.records, self.records), "{self:?}");
        assert_eq!(self.records, written - expired, "{written} written, {expired} deleted: {self:?}");
        assert_eq!(self.used_bytes == 0, self.records == 0, "{self:?}");
    }
}
