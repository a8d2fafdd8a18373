//! `[runtime]`: how the app runs and what one instance may use. Refuses what is above the platform's maxima.

use super::{
    Profile, Runtime, SandboxLimits, app, keys, measure,
    mend::Mend,
    report::{Report, shown, words},
    section::Section,
    value::{Text, Value, bad_value},
};
use std::{ops::RangeInclusive, time::Duration};

/// Below 8 MiB the JavaScript engine does not start; above 512 MiB a few instances would fill a node.
pub const MEMORY_BYTES: RangeInclusive<u64> = 8 << 20..=512 << 20;
/// CPU time of one request: above five seconds it is a batch, not a request.
pub const CPU: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(5);
/// Wall-clock time of one request: browsers and proxies give up at about a minute.
pub const TIME: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
/// Requests of one app that run at once: a share of a node's instances.
pub const PARALLEL: RangeInclusive<u32> = 1..=64;
/// Bytes of data that an app may keep: beyond it a database is the right place.
pub const STORAGE_BYTES: RangeInclusive<u64> = 0..=10 << 30;

/// What a `wasm` app's main file may be.
const MAIN_ENDINGS: &[&str] = &[".js", ".mjs", ".ts", ".mts", ".wasm"];

/// Longer paths do not fit archives everywhere (ustar's name field).
const FILE_PATH_BYTES_MAX: usize = 200;

pub(super) fn runtime<'t>(value: Option<&'t Value<'t>>, report: &mut Report<'_>) -> Option<Runtime> {
    let section = Section::open(&keys::RUNTIME, "runtime".to_owned(), value, &[], report);
    let profile = section.text("profile", report).and_then(|found| profile(found, report));
    let main = section.text("main", report);
    let main = main.and_then(|found| inside("main", found, report).map(|path| (found.at, path)));
    let assets = section.text("assets", report).map(|found| inside("assets", found, report));
    let limits = limits(section.find("limits", report), report);
    if let (Some(Profile::Wasm), Some((at, main))) = (profile, &main)
        && !MAIN_ENDINGS.iter().any(|ending| main.ends_with(ending))
    {
        let what = format!("`{}` is not something that `wasm` runs", shown(main));
        let why = format!("its name ends in none of {}", MAIN_ENDINGS.join(", "));
        bad_value(*at, what, why, "name a JavaScript or TypeScript module, or a component", report);
    }
    let assets = match assets {
        Some(assets) => Some(assets?),
        None => None,
    };
    Some(Runtime { profile: profile?, main: main?.1, assets, limits })
}

fn profile(found: Text<'_>, report: &mut Report<'_>) -> Option<Profile> {
    let profile = Profile::ALL.into_iter().find(|profile| profile.as_str() == found.text);
    if profile.is_none() {
        let what = format!("`{}` is not a profile", shown(found.text));
        let why = "the profiles are wasm, static, external (runs elsewhere: governed, not contained)";
        let near = app::near(found.text, &Profile::ALL.map(Profile::as_str));
        let words = words("manifest.bad_value", what, why, "choose `wasm` for an app with code");
        let mend = Mend::Value(found.at, format!("\"{}\"", near.unwrap_or("wasm")));
        report.block(found.at, words.mended(mend));
    }
    profile
}

/// A path inside the app's folder.
fn inside(key: &str, found: Text<'_>, report: &mut Report<'_>) -> Option<String> {
    let text = found.text.strip_prefix("./").unwrap_or(found.text);
    let text = if key == "assets" { text.strip_suffix('/').unwrap_or(text) } else { text };
    let why = if text.is_empty() {
        "it is empty".to_owned()
    } else if text.len() > FILE_PATH_BYTES_MAX {
        format!("it is longer than {FILE_PATH_BYTES_MAX} characters")
    } else if text.starts_with('/') || text.contains(':') {
        "it starts at the root of a disk; it must lie inside the app's folder".to_owned()
    } else if text.contains('\\') {
        "it has a backslash; parts are separated by `/` everywhere".to_owned()
    } else if let Some(c) = text.chars().find(|c| super::report::invisible(*c)) {
        format!("it has the character U+{:04X}", u32::from(c))
    } else if text.split('/').any(|part| part == "..") {
        "it leads out of the app's folder".to_owned()
    } else if text.split('/').any(|part| part.is_empty() || part == ".") {
        "it has an empty part or `.`".to_owned()
    } else {
        return Some(text.to_owned());
    };
    let what = format!("`runtime.{key}` is not a path inside the folder: `{}`", shown(found.text));
    bad_value(found.at, what, why, "write it as in `app.js` or `src/app.js`", report);
    None
}

fn limits<'t>(value: Option<&'t Value<'t>>, report: &mut Report<'_>) -> SandboxLimits {
    let section = Section::open(&keys::RUNTIME_LIMITS, "runtime.limits".to_owned(), value, &[], report);
    let default = SandboxLimits::default();
    let memory_bytes = size(&section, "memory", &MEMORY_BYTES, report);
    let cpu = span(&section, "cpu", &CPU, report);
    let time = span(&section, "time", &TIME, report);
    let parallel = section.whole("parallel", PARALLEL, report);
    let storage_bytes = size(&section, "storage", &STORAGE_BYTES, report);
    SandboxLimits {
        memory_bytes: memory_bytes.unwrap_or(default.memory_bytes),
        cpu: cpu.unwrap_or(default.cpu),
        time: time.unwrap_or(default.time),
        parallel: parallel.unwrap_or(default.parallel),
        storage_bytes: storage_bytes.unwrap_or(default.storage_bytes),
    }
}

fn size(section: &Section<'_>, key: &str, range: &RangeInclusive<u64>, report: &mut Report<'_>) -> Option<u64> {
    let found = section.text(key, report)?;
    let limits = format!("{} to {}", measure::size_words(*range.start()), measure::size_words(*range.end()));
    let kind = Measured { shape: measure::SIZE_SHAPE, limits, written: measure::size_text };
    in_range(section, key, found, (measure::size_bytes(found.text), range), &kind, report)
}

/// A duration within `range`.
pub(super) fn span(
    section: &Section<'_>,
    key: &str,
    range: &RangeInclusive<Duration>,
    report: &mut Report<'_>,
) -> Option<Duration> {
    let found = section.text(key, report)?;
    let limits = format!("{} to {}", measure::duration_words(*range.start()), measure::duration_words(*range.end()));
    let kind = Measured { shape: measure::DURATION_SHAPE, limits, written: measure::duration_text };
    in_range(section, key, found, (measure::duration(found.text), range), &kind, report)
}

/// How a value of one sort is told, and written.
struct Measured<T> {
    shape: &'static str,
    limits: String,
    written: fn(T) -> String,
}

fn in_range<T: PartialOrd + Copy>(
    section: &Section<'_>,
    key: &str,
    found: Text<'_>,
    (value, range): (Option<T>, &RangeInclusive<T>),
    kind: &Measured<T>,
    report: &mut Report<'_>,
) -> Option<T> {
    let what = format!("`{}` is `{}`", shown(&section.name(key)), shown(found.text));
    let Some(value) = value else {
        let fix = format!("write it as in `{}`", section.example(key));
        bad_value(found.at, what, format!("it must be {}", kind.shape), fix, report);
        return None;
    };
    if range.contains(&value) {
        return Some(value);
    }
    let nearest = if value > *range.end() { *range.end() } else { *range.start() };
    let text = format!("\"{}\"", (kind.written)(nearest));
    let why = format!("it may be {}", kind.limits);
    let fix = format!("write `{key} = {text}`, or something between");
    let words = words("manifest.bad_value", what, why, fix);
    report.block(found.at, words.mended(Mend::Value(found.at, text)));
    None
}
