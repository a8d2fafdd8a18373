//! The archive: `head.json` first, each table's columns and rows, then `sums.json`, so that one that was cut has none, and
//! last who made it (`maker.rs`).
//!
//! Refuses, on the way back, whatever is not in that order, is larger than any row could be, has other sums, or was made
//! by somebody else.

use super::maker::{Chain, Maker, PROOF, Proof, Unproven};
use seal::{Encrypting, Recipient, RecoveryKey};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
};
use store::{Applied, Piece};
use tokio::sync::mpsc::Receiver;

pub(super) const FORMAT: &str = "bailiwick-backup-1";
pub(super) const HEAD: &str = "head.json";
const SUMS: &str = "sums.json";
const TABLES: &str = "tables/";
const COLUMNS: &str = "columns.json";
/// Rows are gathered into entries of about this size.
const ENTRY_BYTES: usize = 8 << 20;
/// One row may be as large as the largest bundle, in base64, above what was gathered before it.
const ENTRY_MAX_BYTES: u64 = 512 << 20;
/// Fast, and three quarters of what the highest level saves.
const LEVEL: i32 = 3;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) format: String,
    pub(crate) version: String,
    pub(crate) made_at: model::Timestamp,
    pub(crate) steps: Vec<Applied>,
}

/// What a table holds: rows, and the sum of their digests, whatever their order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) rows: u64,
    digest: [u64; 4],
}

pub(crate) type Sums = BTreeMap<String, Sum>;

impl Sum {
    pub(super) fn add(&mut self, line: &str) {
        self.rows += 1;
        let digest = seal::sha256(line.as_bytes());
        for (lane, bytes) in self.digest.iter_mut().zip(digest.chunks_exact(8)) {
            let bytes: [u8; 8] = bytes.try_into().unwrap_or_default();
            *lane = lane.wrapping_add(u64::from_be_bytes(bytes));
        }
    }
}

/// tar in zstd in age.
pub(super) struct Packed<W: Write> {
    tar: tar::Builder<zstd::Encoder<'static, Encrypting<W>>>,
    chain: Chain,
}

impl<W: Write> Packed<W> {
    pub(super) fn new(recipient: &Recipient, to: W) -> io::Result<Self> {
        let encrypted = recipient.encrypt(to).map_err(io::Error::other)?;
        let tar = tar::Builder::new(zstd::Encoder::new(encrypted, LEVEL)?);
        Ok(Self { tar, chain: Chain::default() })
    }

    pub(super) fn entry(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.chain.entry(name, bytes);
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(0);
        self.tar.append_data(&mut header, name, bytes)
    }

    /// With who made it.
    pub(super) fn finish(mut self, maker: &Maker) -> io::Result<W> {
        let proof = maker.prove(std::mem::take(&mut self.chain));
        self.entry(PROOF, &serde_json::to_vec(&proof)?)?;
        self.close()
    }

    fn close(self) -> io::Result<W> {
        self.tar.into_inner()?.finish()?.finish()
    }
}

/// Writes what comes, until it ends; `ended` says whether it ended as it should. Blocks.
///
/// # Errors
/// When `to` cannot be written, or the pieces end before there were any.
pub(crate) fn write<W: Write>(
    mut pieces: Receiver<Piece>,
    recipient: &Recipient,
    maker: &Maker,
    made_at: model::Timestamp,
    to: W,
    ended: impl FnOnce() -> io::Result<()>,
) -> io::Result<W> {
    let mut packed = Packed::new(recipient, to)?;
    let mut sums = Sums::new();
    let mut open = Open::default();
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Steps(steps) => {
                let version = env!("CARGO_PKG_VERSION").to_owned();
                let head = Head { format: FORMAT.to_owned(), version, made_at, steps };
                packed.entry(HEAD, &serde_json::to_vec(&head)?)?;
            }
            Piece::Table { name, columns } => {
                open.close(&mut packed)?;
                packed.entry(&format!("{TABLES}{name}/{COLUMNS}"), &serde_json::to_vec(&columns)?)?;
                sums.insert(name.clone(), Sum::default());
                open = Open { table: name, ..Open::default() };
            }
            Piece::Rows(lines) => {
                let sum = sums.get_mut(&open.table).ok_or_else(|| io::Error::other("rows of no table"))?;
                for line in lines {
                    sum.add(&line);
                    open.line(&line, &mut packed)?;
                }
            }
        }
    }
    open.close(&mut packed)?;
    ended()?;
    packed.entry(SUMS, &serde_json::to_vec(&sums)?)?;
    packed.finish(maker)
}

/// The entry of rows that is being gathered.
#[derive(Default)]
struct Open {
    table: String,
    number: u32,
    text: Vec<u8>,
}

impl Open {
    fn line<W: Write>(&mut self, line: &str, packed: &mut Packed<W>) -> io::Result<()> {
        self.text.extend_from_slice(line.as_bytes());
        self.text.push(b'\n');
        if self.text.len() >= ENTRY_BYTES { self.close(packed) } else { Ok(()) }
    }

    fn close<W: Write>(&mut self, packed: &mut Packed<W>) -> io::Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        self.number += 1;
        packed.entry(&format!("{TABLES}{}/{:06}.jsonl", self.table, self.number), &self.text)?;
        self.text.clear();
        Ok(())
    }
}

/// What is read back, in order; `Head` comes first and `Sums` last.
#[derive(Debug)]
pub(super) enum Unpacked {
    Head(Head),
    Table { name: String, columns: Vec<String> },
    Rows(String),
    Sums { promised: Sums, found: Sums },
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

/// Reads an archive, and hands over what is in it. Blocks.
///
/// # Errors
/// For whatever is not an archive of this form, was altered or cut, or is not this maker's; whatever `take` refuses.
/// What was handed over before that counts for nothing.
pub(super) fn read(
    from: impl Read,
    key: &RecoveryKey,
    maker: &Maker,
    unproven: Unproven,
    mut take: impl FnMut(Unpacked) -> io::Result<()>,
) -> io::Result<()> {
    let plain = key.decrypt(from).map_err(|error| wrong(&error.to_string()))?;
    let mut archive = tar::Archive::new(zstd::Decoder::new(plain)?);
    let mut found = Sums::new();
    let (mut table, mut headed, mut summed) = (String::new(), false, false);
    let (mut chain, mut proof) = (Chain::default(), None::<Proof>);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        if entry.size() > ENTRY_MAX_BYTES {
            return Err(wrong("an entry is larger than any row could be"));
        }
        if proof.is_some() || (summed && name != PROOF) {
            return Err(wrong("something follows the sums"));
        }
        let mut text = String::new();
        entry.read_to_string(&mut text)?;
        if name != PROOF {
            chain.entry(&name, text.as_bytes());
        }
        match (name.as_str(), name.strip_prefix(TABLES).and_then(|rest| rest.split_once('/'))) {
            (HEAD, _) if !headed => {
                let head: Head = serde_json::from_str(&text)?;
                if head.format != FORMAT {
                    return Err(wrong("it is a backup of another form than this version reads"));
                }
                headed = true;
                take(Unpacked::Head(head))?;
            }
            (SUMS, _) if headed => {
                summed = true;
                let promised = serde_json::from_str(&text)?;
                take(Unpacked::Sums { promised, found: std::mem::take(&mut found) })?;
            }
            (PROOF, _) if summed => proof = Some(serde_json::from_str(&text)?),
            (_, Some((of, COLUMNS))) if headed && !found.contains_key(of) => {
                table = of.to_owned();
                found.insert(table.clone(), Sum::default());
                take(Unpacked::Table { name: table.clone(), columns: serde_json::from_str(&text)? })?;
            }
            (_, Some((of, _rows))) if headed && of == table => {
                let sum = found.get_mut(of).ok_or_else(|| wrong("rows of no table"))?;
                text.lines().for_each(|line| sum.add(line));
                take(Unpacked::Rows(text))?;
            }
            _ => return Err(wrong("it is not a backup, or its parts are out of order")),
        }
    }
    if !summed {
        return Err(wrong("it ends before its sums: it was cut"));
    }
    match unproven {
        Unproven::Refused => maker.check(chain, proof.as_ref()),
        Unproven::Accepted => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    fn maker() -> Maker {
        Maker::new(&seal::RootKey::from_bytes([7; 32]))
    }

    fn archive(key: &RecoveryKey) -> Vec<u8> {
        let (to, pieces) = mpsc::channel(16);
        let rows = |lines: &[&str]| Piece::Rows(lines.iter().map(|line| (*line).to_owned()).collect());
        let table = |name: &str| Piece::Table { name: name.to_owned(), columns: vec!["a".to_owned()] };
        for piece in
            [Piece::Steps(vec![]), table("one"), rows(&["[1]", "[2]"]), rows(&["[3]"]), table("two"), rows(&[])]
        {
            to.try_send(piece).unwrap();
        }
        drop(to);
        let at = "2026-11-23T12:00:00Z".parse().unwrap();
        write(pieces, &key.recipient(), &maker(), at, Vec::new(), || Ok(())).unwrap()
    }

    fn rows(bytes: &[u8], key: &RecoveryKey) -> io::Result<Vec<String>> {
        rows_by(bytes, key, &maker(), Unproven::Refused)
    }

    fn rows_by(bytes: &[u8], key: &RecoveryKey, maker: &Maker, unproven: Unproven) -> io::Result<Vec<String>> {
        let mut all = Vec::new();
        let mut fits = false;
        read(bytes, key, maker, unproven, |part| {
            match part {
                Unpacked::Rows(text) => all.extend(text.lines().map(str::to_owned)),
                Unpacked::Sums { promised, found } => fits = promised == found,
                Unpacked::Head(_) | Unpacked::Table { .. } => {}
            }
            Ok(())
        })?;
        if fits { Ok(all) } else { Err(wrong("sums")) }
    }

    #[test]
    fn what_goes_in_comes_out_and_any_change_is_seen() {
        let key = RecoveryKey::generate();
        let bytes = archive(&key);
        assert_eq!(rows(&bytes, &key).unwrap(), ["[1]", "[2]", "[3]"]);
        assert!(rows(&bytes, &RecoveryKey::generate()).is_err());
        for at in (0..bytes.len()).step_by(37) {
            let mut bad = bytes.clone();
            bad[at] ^= 4;
            assert!(rows(&bad, &key).is_err(), "byte {at}");
            assert!(rows(&bytes[..at], &key).is_err(), "cut at {at}");
        }
    }

    /// The recipient is public: this is what anybody can make.
    #[test]
    fn an_archive_that_somebody_else_made_is_refused() {
        let key = RecoveryKey::generate();
        let other = Maker::new(&seal::RootKey::generate());
        let code = |refused: io::Error| super::super::maker::problem("it", &refused, "fix").code.to_string();
        let head = r#"{"format":"bailiwick-backup-1","version":"0","made_at":"2026-11-23T12:00:00Z","steps":[]}"#;
        let entries = [("head.json", head), ("sums.json", "{}")];
        let made = |end: &dyn Fn(Packed<Vec<u8>>) -> io::Result<Vec<u8>>| {
            let mut packed = Packed::new(&key.recipient(), Vec::new()).unwrap();
            entries.iter().for_each(|(name, text)| packed.entry(name, text.as_bytes()).unwrap());
            end(packed).unwrap()
        };
        let borrowed = |packed: Packed<Vec<u8>>| {
            let mut chain = Chain::default();
            chain.entry("head.json", b"of another archive");
            let mut packed = packed;
            packed.entry(PROOF, &serde_json::to_vec(&maker().prove(chain))?)?;
            packed.close()
        };
        assert!(rows(&made(&|packed| packed.finish(&maker())), &key).is_ok());
        for (bytes, wanted) in [
            (made(&|packed| packed.close()), "backup.unproven"),
            (made(&|packed| packed.finish(&other)), "backup.root_key"),
            (made(&borrowed), "backup.unproven"),
        ] {
            assert_eq!(code(rows(&bytes, &key).unwrap_err()), wanted);
            assert!(rows_by(&bytes, &key, &maker(), Unproven::Accepted).is_ok(), "{wanted}, and somebody said so");
        }
    }

    #[test]
    fn an_archive_that_its_maker_cut_or_bent_is_refused() {
        let key = RecoveryKey::generate();
        let make = |entries: &[(&str, &str)]| {
            let mut packed = Packed::new(&key.recipient(), Vec::new()).unwrap();
            for (name, text) in entries {
                packed.entry(name, text.as_bytes()).unwrap();
            }
            packed.finish(&maker()).unwrap()
        };
        let head = r#"{"format":"bailiwick-backup-1","version":"0","made_at":"2026-11-23T12:00:00Z","steps":[]}"#;
        let columns = ("tables/one/columns.json", "[\"a\"]");
        let sums = |rows: u64| format!("{{\"one\":{{\"rows\":{rows},\"digest\":[0,0,0,0]}}}}");
        assert!(rows(&make(&[("head.json", head), columns, ("sums.json", &sums(0))]), &key).is_ok());
        for (why, entries) in [
            ("no sums", vec![("head.json", head), columns]),
            ("no head", vec![columns, ("sums.json", "{}")]),
            ("rows before columns", vec![("head.json", head), ("tables/one/000001.jsonl", "[1]\n")]),
            ("a table twice", vec![("head.json", head), columns, columns]),
            ("another form", vec![("head.json", &head.replace("-1", "-9") as &str)]),
            ("something else", vec![("head.json", head), ("etc/passwd", "x")]),
        ] {
            assert!(rows(&make(&entries), &key).is_err(), "{why}");
        }
        assert!(rows(&make(&[("head.json", head), columns, ("sums.json", &sums(1))]), &key).is_err());
    }
}
