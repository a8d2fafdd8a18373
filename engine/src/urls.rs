//! URLs by the WHATWG standard, from the `url` crate. The prelude keeps the address and cuts its parts out by offset.
use rquickjs::{Array, Ctx, Result};
use url::{Url, quirks};

/// The address, then offsets into it: scheme end, username end, host start, host end, port or -1, path start,
/// query start or -1, fragment start or -1.
fn record<'js>(ctx: &Ctx<'js>, url: &Url) -> Result<Array<'js>> {
    let parts = quirks::internal_components(url);
    let offset = |at: Option<u32>| at.map_or(-1, i64::from);
    let numbers = [
        i64::from(parts.scheme_end),
        i64::from(parts.username_end),
        i64::from(parts.host_start),
        i64::from(parts.host_end),
        parts.port.map_or(-1, i64::from),
        i64::from(parts.path_start),
        offset(parts.query_start),
        offset(parts.fragment_start),
    ];
    let array = Array::new(ctx.clone())?;
    array.set(0, url.as_str())?;
    for (index, number) in numbers.into_iter().enumerate() {
        array.set(index + 1, number as f64)?;
    }
    Ok(array)
}

/// An address, relative to `base` where that is given; `None` where it is not one.
pub(crate) fn parse<'js>(
    ctx: Ctx<'js>,
    address: String,
    base: Option<String>,
) -> Result<Option<Array<'js>>> {
    let parsed = match base {
        Some(base) => Url::parse(&base).and_then(|base| base.join(&address)),
        None => Url::parse(&address),
    };
    parsed.ok().map(|url| record(&ctx, &url)).transpose()
}

/// `address` with one part set, as the standard's setters do; `None` where the value is ignored.
pub(crate) fn set<'js>(
    ctx: Ctx<'js>,
    address: String,
    part: String,
    value: String,
) -> Result<Option<Array<'js>>> {
    let Ok(mut url) = Url::parse(&address) else {
        return Ok(None);
    };
    let done = match part.as_str() {
        "protocol" => quirks::set_protocol(&mut url, &value).is_ok(),
        "username" => quirks::set_username(&mut url, &value).is_ok(),
        "password" => quirks::set_password(&mut url, &value).is_ok(),
        "host" => quirks::set_host(&mut url, &value).is_ok(),
        "hostname" => quirks::set_hostname(&mut url, &value).is_ok(),
        "port" => quirks::set_port(&mut url, &value).is_ok(),
        "pathname" => {
            quirks::set_pathname(&mut url, &value);
            true
        }
        "search" => {
            quirks::set_search(&mut url, &value);
            true
        }
        "hash" => {
            quirks::set_hash(&mut url, &value);
            true
        }
        _ => false,
    };
    if done {
        record(&ctx, &url).map(Some)
    } else {
        Ok(None)
    }
}

/// The origin of an address, `null` where it is opaque.
pub(crate) fn origin(address: String) -> String {
    Url::parse(&address).map_or_else(|_| "null".into(), |url| quirks::origin(&url))
}
