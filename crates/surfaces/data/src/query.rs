//! What `list` and `count` may ask: `{where, order, limit, after}`.
//!
//! `where` is `{field: value}` for equal values (null finds records without the field too) and `{field: {gt, gte, lt,
//! lte}}` for numbers, dates and texts; up to four fields, all of which must hold. `order` is a field, `"-field"` for
//! falling, or `{field: "asc" | "desc"}`; without it, and with `created_at`, oldest first. `limit` is 100 unless given,
//! at most the manifest's `rows`; a page also ends after 4 MiB, so go on until `next` is null.
//!
//! Refuses order and ranges of encrypted fields, more filters than there are statements for, and cursors of other lists.

mod sql;

use crate::{
    Error,
    act::Scope,
    collections::{Collection, Field},
    cursor::Cursor,
    records::{Keys, Record},
    refusal,
    value::{BOUND_BYTES_MAX, Interval, Key, after, fits},
};
use model::Timestamp;
use serde_json::{Map, Value};
use sql::{FILTERS_MAX, Statements};
use store::{Store, Value as Param};

/// Records of one page when nothing is said, as `docs/builders.md` promises.
const LIMIT_DEFAULT: u32 = 100;
/// Bytes of records that one page holds in memory; a page has always one record.
pub(crate) const PAGE_BYTES_MAX: usize = 4 << 20;
/// The order by creation, unless a field has this name.
const CREATED: &str = "created_at";
/// Beyond every id in every collation: ids are hexadecimal.
const BEYOND_IDS: &str = "g";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Rising,
    Falling,
}

/// One field and the keys that it may have.
#[derive(Debug)]
struct Filter {
    field: String,
    interval: Interval,
    exact: bool,
}

/// A question that the collection can answer.
#[derive(Debug)]
pub(crate) struct Query {
    filters: Vec<Filter>,
    order: Option<String>,
    direction: Direction,
    limit: u32,
    after: Option<Cursor>,
    /// What a cursor belongs to.
    question: Vec<u8>,
}

/// Records in order, and where to go on.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) records: Vec<Record>,
    pub(crate) next: Option<String>,
}

impl Query {
    pub(crate) fn of(keys: &Keys, scope: &Scope, collection: &Collection, asked: Value) -> Result<Self, Error> {
        let asked = object(asked, &["where", "order", "limit", "after"])?;
        let given = |name: &str| asked.get(name).filter(|value| !value.is_null());
        let filters = filters(keys, scope, collection, given("where"))?;
        let (order, direction) = order(collection, given("order"))?;
        let limit = limit(collection, given("limit"))?;
        let question = serde_json::to_vec(&(given("where"), &order, direction == Direction::Falling))?;
        let after = match given("after") {
            None => None,
            Some(Value::String(sealed)) => Some(Cursor::opened(&keys.cursors, scope, collection, &question, sealed)?),
            Some(_) => return Err(collection.cursor().into()),
        };
        Ok(Self { filters, order, direction, limit, after, question })
    }

    pub(crate) fn counting(keys: &Keys, scope: &Scope, collection: &Collection, asked: Value) -> Result<Self, Error> {
        Self::of(keys, scope, collection, Value::Object(object(asked, &["where"])?))
    }

    fn statement<'a>(&self, statements: &'a Statements) -> Result<&'a &'static str, Error> {
        statements.get(self.filters.len()).ok_or_else(|| refusal::malformed("it has too many filters").into())
    }

    fn filter_params(&self) -> impl Iterator<Item = Param> + '_ {
        self.filters.iter().flat_map(|filter| {
            let Interval { low, high } = &filter.interval;
            [(&filter.field).into(), low.as_slice().into(), high.as_slice().into()]
        })
    }

    pub(crate) async fn count(&self, store: &Store, scope: &Scope, now: Timestamp) -> Result<u64, Error> {
        let mut params = crate::records::at!(scope, now).to_vec();
        params.extend(self.filter_params());
        let row = store.read_one(self.statement(&sql::COUNT)?, &params).await?;
        Ok(row.map_or(Ok(0), |row| row.uint(0))?)
    }

    pub(crate) async fn page(&self, store: &Store, keys: &Keys, scope: &Scope, now: Timestamp) -> Result<Page, Error> {
        let rising = self.direction == Direction::Rising;
        let from = self.after.clone().unwrap_or_else(|| Cursor {
            id: if rising { String::new() } else { BEYOND_IDS.to_owned() },
            key: if rising { vec![] } else { vec![u8::MAX] },
        });
        // One more tells whether there are more.
        let rows = i64::from(self.limit) + 1;
        let mut params = crate::records::at!(scope, now, rows, PAGE_BYTES_MAX, from.id).to_vec();
        let statements = match (&self.order, self.direction) {
            (None, Direction::Rising) => &sql::RISING,
            (None, Direction::Falling) => &sql::FALLING,
            (Some(_), Direction::Rising) => &sql::RISING_BY,
            (Some(_), Direction::Falling) => &sql::FALLING_BY,
        };
        if let Some(field) = &self.order {
            params.extend([field.into(), from.key.into()]);
        }
        params.extend(self.filter_params());
        let rows = store.read(self.statement(statements)?, &params).await?;
        let found = rows.first().map_or(Ok(0), |row| row.uint(3))?;
        let kept = rows.get(..rows.len().min(self.limit as usize)).unwrap_or_default();
        let records = kept.iter().map(|row| Record::of_row(keys, scope, row)).collect::<Result<Vec<_>, _>>()?;
        let next = match (kept.last(), records.last()) {
            (Some(row), Some(last)) if found > records.len() as u64 => {
                let key = if self.order.is_some() { row.bytes(4)?.to_vec() } else { vec![] };
                Some(Cursor { id: last.id.clone(), key }.sealed(&keys.cursors, scope, &self.question))
            }
            _ => None,
        };
        Ok(Page { records, next })
    }
}

/// The object that a call carries; nothing counts as an empty one.
pub(crate) fn object(value: Value, names: &[&str]) -> Result<Map<String, Value>, Error> {
    let object = match value {
        Value::Null => Map::new(),
        Value::Object(object) => object,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(refusal::malformed("its body is not one JSON object").into());
        }
    };
    if let Some(name) = object.keys().find(|name| !names.contains(&name.as_str())) {
        let known = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        return Err(refusal::malformed(format!("`{}` is none of {known}", refusal::shown(name))).into());
    }
    Ok(object)
}

fn filters(keys: &Keys, scope: &Scope, collection: &Collection, asked: Option<&Value>) -> Result<Vec<Filter>, Error> {
    let Some(asked) = asked else { return Ok(vec![]) };
    let Value::Object(asked) = asked else {
        let fix = "write `where: { field: value }`";
        return Err(collection.query("`where` is not an object", "it names fields and their values", fix).into());
    };
    if asked.len() > FILTERS_MAX {
        let what = format!("`where` has more than {FILTERS_MAX} fields");
        return Err(collection
            .query(what, "each is a search of its own", "ask for fewer, and filter the rest in the app")
            .into());
    }
    let filter = |(name, value): (&String, &Value)| {
        let field = collection.field(name).ok_or_else(|| collection.unknown_field(name))?;
        match value {
            Value::Object(bounds) => range(collection, name, field, bounds),
            Value::Array(_) => {
                let what = format!("`{name}` is compared with a list");
                Err(collection.query(what, "only single values can be compared", "compare with one value").into())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                comparable(collection, name, field, value)?;
                let interval = Interval::exactly(keys.key(scope, name, field, value));
                Ok(Filter { field: name.clone(), interval, exact: true })
            }
        }
    };
    let mut filters = asked.iter().map(filter).collect::<Result<Vec<_>, Error>>()?;
    // The first one leads the search: equal values are the fewest.
    filters.sort_by_key(|filter| !filter.exact);
    Ok(filters)
}

fn comparable(collection: &Collection, name: &str, field: Field, value: &Value) -> Result<(), Error> {
    if fits(value, field.kind) {
        return Ok(());
    }
    Err(collection.wrong_type(name, field.kind.map_or("", |kind| kind.as_str())).into())
}

fn range(collection: &Collection, name: &str, field: Field, bounds: &Map<String, Value>) -> Result<Filter, Error> {
    if field.class.encrypted() {
        return Err(collection.encrypted_field(name, field.class.as_str()).into());
    }
    let refused = |what: &str, why: &str| {
        let fix = "write bounds as in `{ gte: 10, lt: 20 }`";
        Error::from(collection.query(format!("`{name}` {what}"), why, fix))
    };
    let mut interval: Option<(Key, Interval)> = None;
    for (bound, value) in bounds {
        comparable(collection, name, field, value)?;
        let key = Key::of(value, field.kind);
        if !key.ranges() {
            return Err(refused("has no such order", "bounds are numbers, dates or texts"));
        }
        if key.bytes().len() > BOUND_BYTES_MAX {
            return Err(refused("has a bound that is too long", "texts are ordered by their beginning"));
        }
        let (first, interval) = interval.get_or_insert_with(|| (key.clone(), key.of_its_type()));
        if !key.same_type(first) {
            return Err(refused("has bounds of two types", "both ends of a range must be of one type"));
        }
        let exact = key.bytes().to_vec();
        match bound.as_str() {
            "gt" => interval.low = interval.low.clone().max(after(&exact)),
            "gte" => interval.low = interval.low.clone().max(exact),
            "lt" => interval.high = interval.high.clone().min(exact),
            "lte" => interval.high = interval.high.clone().min(after(&exact)),
            _ => return Err(refused("has an unknown bound", "the bounds are `gt`, `gte`, `lt` and `lte`")),
        }
    }
    let (_, interval) = interval.ok_or_else(|| refused("has no bound", "a range needs one at least"))?;
    Ok(Filter { field: name.to_owned(), interval, exact: false })
}

/// The field, none for creation, and which way.
fn order(collection: &Collection, asked: Option<&Value>) -> Result<(Option<String>, Direction), Error> {
    let refused = || {
        let fix = "write `order: \"field\"`, `order: \"-field\"` or `order: { field: \"desc\" }`";
        Error::from(collection.query("`order` is not one field", "a list is sorted by one field at most", fix))
    };
    let (name, direction) = match asked {
        None => return Ok((None, Direction::Rising)),
        Some(Value::String(text)) => match text.strip_prefix('-') {
            Some(name) => (name, Direction::Falling),
            None => (text.as_str(), Direction::Rising),
        },
        Some(Value::Object(entries)) => {
            let mut entries = entries.iter();
            match (entries.next(), entries.next()) {
                (Some((name, Value::String(way))), None) => match way.as_str() {
                    "asc" => (name.as_str(), Direction::Rising),
                    "desc" => (name.as_str(), Direction::Falling),
                    _ => return Err(refused()),
                },
                _ => return Err(refused()),
            }
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) => return Err(refused()),
    };
    match collection.field(name) {
        Some(field) if field.class.encrypted() => Err(collection.encrypted_field(name, field.class.as_str()).into()),
        Some(_) => Ok((Some(name.to_owned()), direction)),
        None if name == CREATED => Ok((None, direction)),
        None => Err(collection.unknown_field(name).into()),
    }
}

fn limit(collection: &Collection, asked: Option<&Value>) -> Result<u32, Error> {
    let most = collection.declared.rows;
    let Some(asked) = asked else { return Ok(LIMIT_DEFAULT.min(most)) };
    let limit = asked.as_u64().and_then(|limit| u32::try_from(limit).ok());
    Ok(limit.filter(|limit| (1..=most).contains(limit)).ok_or_else(|| collection.rows())?)
}
