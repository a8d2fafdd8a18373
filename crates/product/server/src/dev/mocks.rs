//! What `mock/` of an app's folder says: answers of hosts (`NAME.json` for each `[connect.NAME]`), records to begin with
//! (`data/COLLECTION.json`), and where secrets attach (`secrets.json`). Every mistake is told, with its file.
//!
//! Refuses what no host can answer, and files that no line of the manifest would ever ask.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use model::{Finding, Manifest, Severity, manifest::Connect, manifest::PathPattern, manifest::normalise_path};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read as _,
    path::Path,
};

/// The folder in the app's own; never part of a release.
pub(crate) const FOLDER: &str = catalog::MOCK_FOLDER;
const DATA: &str = "data";
const SECRETS: &str = "secrets.json";
/// One file: more than a person writes by hand.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Records to begin with, of one collection.
pub(crate) const SEEDS_MAX: usize = 1_000;

/// What answers, and what to begin with.
#[derive(Debug, Default)]
pub(crate) struct Mocks {
    hosts: Vec<MockHost>,
    /// By collection.
    pub(crate) seeds: BTreeMap<String, Vec<Value>>,
    /// By variable: the position in which a secret attaches, where it is not the usual one.
    pub(crate) attach: BTreeMap<String, String>,
}

/// One `[connect.NAME]`, and what answers in its place.
#[derive(Debug)]
struct MockHost {
    connect: Connect,
    entries: Vec<Entry>,
    /// The file, when there is one.
    file: Option<String>,
}

#[derive(Debug)]
struct Entry {
    method: Method,
    pattern: PathPattern,
    answer: Answer,
}

/// What is sent back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An answer, and where it was written; nothing when it is the one that stands in for an unwritten one.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) answer: Answer,
    pub(crate) file: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Value,
}

const fn ok() -> u16 {
    200
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attached {
    attach: String,
}

impl Mocks {
    /// Reads the folder against a manifest; findings that block mean that none of it is used.
    pub(crate) fn read(folder: &Path, manifest: &Manifest) -> (Self, Vec<Finding>) {
        let mut reader = Reader { folder, findings: Vec::new() };
        let mocks = Self {
            hosts: manifest.connect.iter().map(|(name, connect)| reader.host(name, connect)).collect(),
            seeds: manifest.data.keys().filter_map(|name| Some((name.clone(), reader.seeds(name)?))).collect(),
            attach: reader.attach(manifest),
        };
        reader.unasked(manifest);
        (mocks, reader.findings)
    }

    /// The answer for a request that the manifest's lines let out.
    pub(crate) fn answer(&self, host: &str, method: &Method, path: &str) -> Found {
        let path = normalise_path(path).unwrap_or_else(|_| path.to_owned());
        let there = self.hosts.iter().filter(|mock| authority(&mock.connect) == host);
        for mock in there {
            let fits = |entry: &&Entry| entry.method == *method && entry.pattern.matches(&path);
            if let Some(entry) = mock.entries.iter().find(fits) {
                return Found { answer: entry.answer.clone(), file: mock.file.clone() };
            }
        }
        Found { answer: unwritten(), file: None }
    }

    /// The file that answers for a destination, if there is one.
    pub(crate) fn file(&self, line: u32) -> Option<&str> {
        self.hosts.iter().find(|mock| mock.connect.line == line)?.file.as_deref()
    }
}

/// Host and port as a `Host` header has them.
fn authority(connect: &Connect) -> String {
    let usual = if connect.tls { 443 } else { 80 };
    if connect.port == usual { connect.host.clone() } else { format!("{}:{}", connect.host, connect.port) }
}

/// The answer that stands in for one that nobody wrote: most clients take it for a yes.
fn unwritten() -> Answer {
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
    Answer { status: StatusCode::OK, headers, body: json!({ "ok": true, "mock": true }).to_string().into() }
}

struct Reader<'a> {
    folder: &'a Path,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn found(&mut self, severity: Severity, file: &str, line: Option<u32>, words: (&str, String, &str, &str)) {
        let (code, what, why, fix) = words;
        self.findings.push(Finding {
            code: code.to_owned(),
            severity,
            file: Some(file.to_owned()),
            line,
            column: None,
            what,
            why: why.to_owned(),
            fix: fix.to_owned(),
            edits: Vec::new(),
            waiver: None,
        });
    }

    /// The JSON of a file below the app's folder; nothing when it is not there, or cannot be read (which is told).
    fn json(&mut self, file: &str) -> Option<Value> {
        let path = self.folder.join(file);
        let mut text = String::new();
        match File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)) {
            Ok(bytes) if bytes as u64 <= FILE_BYTES_MAX => {}
            Ok(_) => {
                let words = ("mock.too_large", format!("`{file}` is larger than 1 MiB"));
                let (why, fix) = ("mocks are read at each save", "keep what the app needs to show, and no more");
                self.found(Severity::Block, file, None, (words.0, words.1, why, fix));
                return None;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(_) => {
                let what = format!("`{file}` cannot be read");
                let words = ("mock.unreadable", what, "it is no text, or not yours to read", "write it as JSON");
                self.found(Severity::Block, file, None, words);
                return None;
            }
        }
        match serde_json::from_str(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                let line = u32::try_from(error.line()).ok();
                let what = format!("`{file}` is not JSON");
                let why = error.to_string();
                self.found(Severity::Block, file, line, ("mock.syntax", what, &why, "mend the line that is named"));
                None
            }
        }
    }

    fn shape(&mut self, file: &str, what: String, why: &str, fix: &str) {
        self.found(Severity::Block, file, None, ("mock.shape", what, why, fix));
    }

    fn host(&mut self, name: &str, connect: &Connect) -> MockHost {
        let file = format!("{FOLDER}/{name}.json");
        let mut entries = Vec::new();
        let read = self.json(&file);
        let there = read.is_some();
        match read {
            None => {}
            Some(Value::Object(written)) => entries = self.entries(&file, name, connect, written),
            Some(_) => self.shape(
                &file,
                format!("`{file}` is not an object"),
                "each answer stands under its method and path",
                "write it as `{ \"GET /v1/rooms/**\": { \"status\": 200, \"body\": [] } }`",
            ),
        }
        MockHost { connect: connect.clone(), entries, file: there.then_some(file) }
    }

    fn entries(&mut self, file: &str, name: &str, connect: &Connect, written: Map<String, Value>) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (key, value) in written {
            match entry(&key, value) {
                Ok(entry) => {
                    let granted = connect.methods.iter().any(|method| method == entry.method.as_str());
                    if !granted {
                        let what = format!("`{key}` in `{file}` is never asked for");
                        let why = format!("`[connect.{name}]` does not grant `{}`", entry.method);
                        let fix = "add the method to the manifest, or take the answer out";
                        self.found(Severity::Warn, file, None, ("mock.unasked", what, &why, fix));
                    }
                    entries.push(entry);
                }
                Err(why) => self.shape(
                    file,
                    format!("`{key}` in `{file}` cannot be an answer"),
                    &why,
                    "write it as `\"POST /v1/rooms\": { \"status\": 201, \"headers\": {}, \"body\": {} }`",
                ),
            }
        }
        // What is written out goes before what is left open.
        entries.sort_by_key(|entry| (entry.pattern.as_str().contains('*'), usize::MAX - entry.pattern.as_str().len()));
        entries
    }

    fn seeds(&mut self, name: &str) -> Option<Vec<Value>> {
        let file = format!("{FOLDER}/{DATA}/{name}.json");
        match self.json(&file)? {
            Value::Array(records) if records.len() <= SEEDS_MAX => Some(records),
            Value::Array(_) => {
                let what = format!("`{file}` has more than {SEEDS_MAX} records");
                self.shape(&file, what, "they are inserted at each start", "keep what the app needs to show");
                None
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                let what = format!("`{file}` is not a list of records");
                self.shape(
                    &file,
                    what,
                    "a collection begins with records",
                    "write it as `[ { \"field\": \"value\" } ]`",
                );
                None
            }
        }
    }

    fn attach(&mut self, manifest: &Manifest) -> BTreeMap<String, String> {
        let file = format!("{FOLDER}/{SECRETS}");
        let Some(written) = self.json(&file) else { return BTreeMap::new() };
        let read: Result<BTreeMap<String, Attached>, _> = serde_json::from_value(written);
        let Ok(read) = read else {
            let what = format!("`{file}` cannot be used");
            let why = "it says for secrets of the manifest where they attach";
            self.shape(&file, what, why, "write it as `{ \"NAME\": { \"attach\": \"header:X-Api-Key\" } }`");
            return BTreeMap::new();
        };
        for name in read.keys().filter(|name| !manifest.secrets.contains_key(*name)) {
            let what = format!("`{name}` in `{file}` is no secret of this app");
            let words = ("mock.unasked", what, "the manifest has no such section", "add it under `[secrets]`");
            self.findings.push(Finding {
                code: words.0.to_owned(),
                severity: Severity::Warn,
                file: Some(file.clone()),
                line: None,
                column: None,
                what: words.1,
                why: words.2.to_owned(),
                fix: words.3.to_owned(),
                edits: Vec::new(),
                waiver: None,
            });
        }
        read.into_iter().map(|(name, attached)| (name, attached.attach)).collect()
    }

    /// Files that nothing asks for: most likely a name that is misspelt.
    fn unasked(&mut self, manifest: &Manifest) {
        let file = |name: &String| format!("{name}.json");
        let answers: BTreeSet<String> =
            manifest.connect.keys().map(file).chain([SECRETS.to_owned(), DATA.to_owned()]).collect();
        let records: BTreeSet<String> = manifest.data.keys().map(file).collect();
        for (folder, known, section) in
            [(FOLDER.to_owned(), answers, "connect"), (format!("{FOLDER}/{DATA}"), records, "data")]
        {
            for name in names(&self.folder.join(&folder)).filter(|name| !known.contains(name)) {
                let path = format!("{folder}/{name}");
                let stem = name.strip_suffix(".json").unwrap_or(&name);
                let (what, why) =
                    (format!("`{path}` is never asked"), format!("the manifest has no `[{section}.{stem}]`"));
                let fix = "name the file after a section of the manifest, or take it away";
                self.found(Severity::Warn, &path, None, ("mock.unasked", what, &why, fix));
            }
        }
    }
}

/// What stands in a folder, in order, without what is hidden.
fn names(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names: BTreeSet<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.into_iter().filter(|name| !name.starts_with('.'))
}

fn entry(key: &str, value: Value) -> Result<Entry, String> {
    let (method, path) = key.split_once(' ').ok_or("its name is not a method and a path")?;
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method);
    let method = Method::from_bytes(method.as_bytes()).ok().filter(|_| known);
    let method = method.ok_or("its method is none of GET HEAD POST PUT PATCH DELETE OPTIONS")?;
    let pattern = PathPattern::parse(path.trim()).map_err(|refusal| refusal.to_string())?;
    let written: Written = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let status = StatusCode::from_u16(written.status).ok().filter(|status| (200..600).contains(&status.as_u16()));
    let status = status.ok_or("its status is not a number from 200 to 599")?;
    let mut headers = HeaderMap::new();
    for (name, value) in written.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no header"))?;
        let value = HeaderValue::from_str(&value).map_err(|_| format!("the value of `{name}` is none"))?;
        headers.append(name, value);
    }
    let (kind, body) = match written.body {
        Value::Null => (None, Bytes::new()),
        Value::String(text) => (Some("text/plain; charset=utf-8"), Bytes::from(text)),
        json @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            (Some("application/json"), Bytes::from(json.to_string()))
        }
    };
    if let Some(kind) = kind {
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
    }
    Ok(Entry { method, pattern, answer: Answer { status, headers, body } })
}

#[cfg(test)]
#[path = "mocks_tests.rs"]
mod tests;
