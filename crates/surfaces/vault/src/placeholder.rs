//! Placeholders: what app code holds in a secret's stead. Random for each instance, known in that instance's table
//! alone, and dead with it.

use crate::place;
use authority::{AppRef, Instance};
use http::{HeaderMap, header, request::Parts};
use percent_encoding::percent_decode_str;
use seal::Token;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How every placeholder starts.
pub const PLACEHOLDER_PREFIX: &str = "bw-ph-";
/// URL-safe characters after the prefix: 256 random bits in base64url.
pub const PLACEHOLDER_TAIL: usize = 43;

/// The placeholders of one instance.
struct Table {
    app: AppRef,
    /// Placeholder → variable.
    variables: HashMap<String, String>,
}

/// Every running instance's table.
#[derive(Default)]
pub(crate) struct Tables {
    instances: Mutex<HashMap<Arc<str>, Table>>,
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables").field("instances", &self.lock().len()).finish()
    }
}

impl Tables {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Table>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The instance's placeholders by variable; asked again, the same ones.
    pub(crate) fn make<'v>(
        &self,
        instance: &Instance,
        variables: impl Iterator<Item = &'v String>,
    ) -> BTreeMap<String, String> {
        let mut all = self.lock();
        let table = all
            .entry(Arc::clone(&instance.id))
            .or_insert_with(|| Table { app: instance.app.clone(), variables: HashMap::new() });
        if table.app != instance.app {
            return BTreeMap::new();
        }
        let known: BTreeSet<String> = table.variables.values().cloned().collect();
        for variable in variables.filter(|variable| !known.contains(*variable)) {
            let placeholder = [PLACEHOLDER_PREFIX, Token::generate().expose()].concat();
            table.variables.insert(placeholder, variable.clone());
        }
        table.variables.iter().map(|(placeholder, variable)| (variable.clone(), placeholder.clone())).collect()
    }

    /// The variable that a placeholder stands for, in this instance.
    pub(crate) fn variable(&self, instance: &Instance, placeholder: &str) -> Option<String> {
        let all = self.lock();
        let table = all.get(&instance.id).filter(|table| table.app == instance.app)?;
        table.variables.get(placeholder).cloned()
    }

    pub(crate) fn forget(&self, instance: &str) {
        self.lock().remove(instance);
    }

    /// Ends those of all instances of an app; how many instances had some.
    pub(crate) fn cut(&self, app: &AppRef) -> usize {
        let mut all = self.lock();
        let before = all.len();
        all.retain(|_, table| table.app != *app);
        before - all.len()
    }
}

/// What was found in a request's head.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    None,
    One(String),
    /// More than one, a part of one, or one in a disguise.
    Odd,
}

/// Looks through address and headers, decoded forms included.
pub(crate) fn find(head: &Parts) -> Found {
    let mut seen = Seen::default();
    let address = head.uri.path_and_query().map_or("", |target| target.as_str());
    seen.look(address.as_bytes());
    let plain = seen.whole.len();
    let mut decoded = Seen::default();
    decoded.look(&percent_decode_str(address).collect::<Vec<u8>>());
    seen.odd |= decoded.odd || decoded.whole.len() != plain;
    let host = head.uri.authority().map_or("", |authority| authority.as_str());
    seen.look(host.as_bytes());
    in_headers(&head.headers, &mut seen);
    match (seen.odd, seen.whole.as_slice()) {
        (false, []) => Found::None,
        (false, [one]) => Found::One(one.clone()),
        _ => Found::Odd,
    }
}

fn in_headers(headers: &HeaderMap, seen: &mut Seen) {
    for value in headers.values() {
        seen.look(value.as_bytes());
    }
    for value in headers.get_all(header::AUTHORIZATION) {
        if let Some(hidden) = place::hidden(value) {
            seen.look(hidden.as_bytes());
        }
    }
}

#[derive(Default)]
struct Seen {
    whole: Vec<String>,
    odd: bool,
}

impl Seen {
    fn look(&mut self, text: &[u8]) {
        let prefix = PLACEHOLDER_PREFIX.as_bytes();
        let mut rest = text;
        while let Some(at) = rest.windows(prefix.len()).position(|window| window == prefix) {
            rest = rest.get(at + prefix.len()..).unwrap_or_default();
            let tail: Vec<u8> =
                rest.iter().copied().take_while(|c| c.is_ascii_alphanumeric() || b"-_".contains(c)).collect();
            match String::from_utf8(tail) {
                Ok(tail) if tail.len() == PLACEHOLDER_TAIL => self.whole.push([PLACEHOLDER_PREFIX, &tail].concat()),
                _ => self.odd = true,
            }
        }
    }
}
