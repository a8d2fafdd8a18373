//! Lists and counts, one statement for each number of filters and each order, all written out: nothing of a guest is
//! ever part of a statement.
//!
//! `$1` to `$4`: tenant, app, environment, collection; `$5`: now. A filter is a field and an interval of its key.
//! `CROSS JOIN` holds SQLite's planner to the order as written, the first filter first; to PostgreSQL it is a plain join.

macro_rules! own {
    ($table:literal) => {
        concat!(
            $table,
            ".tenant = $1 AND ",
            $table,
            ".app_id = $2 AND ",
            $table,
            ".env = $3 AND ",
            $table,
            ".collection = $4"
        )
    };
}

macro_rules! filter {
    ($table:literal, $field:literal, $low:literal, $high:literal) => {
        concat!(
            own!($table),
            " AND ",
            $table,
            ".field = ",
            $field,
            " AND ",
            $table,
            ".key >= ",
            $low,
            " AND ",
            $table,
            ".key < ",
            $high,
            " AND ",
            $table,
            ".record = r.id"
        )
    };
}

/// Records that all filters hold for. More tables join under `$conditions`: in front when there is no filter, else behind.
macro_rules! matching {
    ([] $front:literal $behind:literal $conditions:literal) => {
        concat!($front, "data_records r WHERE ", own!("r"), " AND r.expires_at > $5", $conditions)
    };
    ([($first:literal $f:literal $l:literal $h:literal) $(($next:literal $nf:literal $nl:literal $nh:literal))*]
     $front:literal $behind:literal $conditions:literal) => {
        concat!(
            "data_index ", $first, " CROSS JOIN data_records r", $(" CROSS JOIN data_index ", $next,)* $behind, " WHERE ",
            own!("r"), " AND r.expires_at > $5 AND ", filter!($first, $f, $l, $h),
            $(" AND ", filter!($next, $nf, $nl, $nh),)* $conditions
        )
    };
}

/// One page: `$6` rows at most, whose records before the last have less than `$7` bytes. Bodies are read for these alone:
/// of the others, both engines know the length without reading them.
macro_rules! page {
    ($matching:expr, $id:literal, $place:literal, $order:literal) => {
        concat!(
            "SELECT r.id AS id, r.version, r.body, s.found, s.place AS place FROM (
               SELECT p.id AS id, p.place AS place, COUNT(*) OVER () AS found, CAST(SUM(p.bytes) OVER (ORDER BY ",
            $order,
            " ROWS UNBOUNDED PRECEDING) AS BIGINT) - p.bytes AS ahead FROM (
                 SELECT ",
            $id,
            " AS id, LENGTH(r.body) AS bytes, ",
            $place,
            " AS place FROM ",
            $matching,
            " ORDER BY ",
            $order,
            " LIMIT CAST($6 AS BIGINT)) p) s CROSS JOIN data_records r
             WHERE ",
            own!("r"),
            " AND r.id = s.id AND s.ahead < $7 ORDER BY ",
            $order
        )
    };
}

/// With none to four filters: the parameters of each in turn.
macro_rules! each {
    ($one:ident $f1:literal $l1:literal $h1:literal $f2:literal $l2:literal $h2:literal
     $f3:literal $l3:literal $h3:literal $f4:literal $l4:literal $h4:literal) => {
        [
            $one!([]),
            $one!([("f1" $f1 $l1 $h1)]),
            $one!([("f1" $f1 $l1 $h1) ("f2" $f2 $l2 $h2)]),
            $one!([("f1" $f1 $l1 $h1) ("f2" $f2 $l2 $h2) ("f3" $f3 $l3 $h3)]),
            $one!([("f1" $f1 $l1 $h1) ("f2" $f2 $l2 $h2) ("f3" $f3 $l3 $h3) ("f4" $f4 $l4 $h4)]),
        ]
    };
}

macro_rules! count {
    ($filters:tt) => { concat!("SELECT COUNT(*) FROM ", matching!($filters "" "" "")) };
}
macro_rules! rising {
    ($filters:tt) => { page!(matching!($filters "" "" " AND r.id > $8"), "r.id", "r.id", "id") };
}
macro_rules! falling {
    ($filters:tt) => { page!(matching!($filters "" "" " AND r.id < $8"), "r.id", "r.id", "id DESC") };
}
macro_rules! rising_by {
    ($filters:tt) => {
        page!(
            matching!($filters "data_index o CROSS JOIN " " CROSS JOIN data_index o" " AND o.tenant = $1 AND o.app_id = $2 AND o.env = $3
              AND o.collection = $4 AND o.field = $9 AND o.record = r.id AND (o.key, o.record) > ($10, $8)"),
            "o.record", "o.key", "place, id"
        )
    };
}
macro_rules! falling_by {
    ($filters:tt) => {
        page!(
            matching!($filters "data_index o CROSS JOIN " " CROSS JOIN data_index o" " AND o.tenant = $1 AND o.app_id = $2 AND o.env = $3
              AND o.collection = $4 AND o.field = $9 AND o.record = r.id AND (o.key, o.record) < ($10, $8)"),
            "o.record", "o.key", "place DESC, id DESC"
        )
    };
}

pub(crate) const FILTERS_MAX: usize = 4;
pub(crate) type Statements = [&'static str; FILTERS_MAX + 1];

pub(crate) const COUNT: Statements = each!(count "$6" "$7" "$8" "$9" "$10" "$11" "$12" "$13" "$14" "$15" "$16" "$17");
/// By creation; `$8`: the id to go on from.
pub(crate) const RISING: Statements =
    each!(rising "$9" "$10" "$11" "$12" "$13" "$14" "$15" "$16" "$17" "$18" "$19" "$20");
pub(crate) const FALLING: Statements =
    each!(falling "$9" "$10" "$11" "$12" "$13" "$14" "$15" "$16" "$17" "$18" "$19" "$20");
/// By the field `$9`; `$10`, `$8`: the key and the id to go on from.
pub(crate) const RISING_BY: Statements =
    each!(rising_by "$11" "$12" "$13" "$14" "$15" "$16" "$17" "$18" "$19" "$20" "$21" "$22");
pub(crate) const FALLING_BY: Statements =
    each!(falling_by "$11" "$12" "$13" "$14" "$15" "$16" "$17" "$18" "$19" "$20" "$21" "$22");
