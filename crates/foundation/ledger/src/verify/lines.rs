//! Reading an export line by line, and telling what is wrong with a line that does not fit.
//!
//! Refuses any spelling but the one that `export.rs` writes: what was read is written again and compared.

use crate::{
    Error, Hash, SALT_BYTES, TILE_WIDTH, TileId,
    export::{ENTRY_WORD, ERASED_WORD, MAX_BODY_BYTES, entry_line, erased_line, tile_line},
    verdict::Flaw,
    walk::{Step, Steps, Stop, first_index, index_under},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::io::{BufRead, Read};

/// The longest line, in bytes: a key or a signature with a long name.
const MAX_LINE_BYTES: u64 = 2048;

/// One line.
pub(super) enum Line {
    /// Without its line feed.
    Text(String),
    /// Too long, or not UTF-8.
    Odd,
    /// The file ends before the line does.
    End,
}

/// A file as lines and bodies, with one line of look-ahead.
pub(super) struct Lines<R> {
    reader: R,
    ahead: Option<Line>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, ahead: None }
    }

    pub(super) fn next_line(&mut self) -> Result<Line, Error> {
        if let Some(line) = self.ahead.take() {
            return Ok(line);
        }
        let mut bytes = Vec::new();
        self.reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes).map_err(Error::Read)?;
        if bytes.pop_if(|last| *last == b'\n').is_some() {
            return Ok(String::from_utf8(bytes).map_or(Line::Odd, Line::Text));
        }
        Ok(if bytes.len() as u64 == MAX_LINE_BYTES { Line::Odd } else { Line::End })
    }

    /// A body and the line feed after it. `Ok(None)` if the file ends first.
    fn body(&mut self, length: u64) -> Result<Option<Vec<u8>>, Error> {
        let mut bytes = Vec::new();
        let wanted = length + 1;
        self.reader.by_ref().take(wanted).read_to_end(&mut bytes).map_err(Error::Read)?;
        Ok((bytes.len() as u64 == wanted).then_some(bytes))
    }

    fn is_at_end(&mut self) -> Result<bool, Error> {
        Ok(self.ahead.is_none() && self.reader.fill_buf().map_err(Error::Read)?.is_empty())
    }
}

/// Steps through an export.
pub(super) struct ExportSteps<R> {
    lines: Lines<R>,
    /// The index of the next entry: the first that is gone if the file ends.
    next: u64,
    /// A tile with more hashes than it should have; wrong even if every entry turns out to be right.
    overfull: Option<TileId>,
}

impl<R: BufRead> ExportSteps<R> {
    pub(super) fn new(lines: Lines<R>) -> Self {
        Self { lines, next: 0, overfull: None }
    }

    fn cut(&self) -> Stop {
        Stop::Flaw(Flaw::at(self.next, "the file ends here: this entry and all after it are gone"))
    }

    /// Skips hashes beyond a tile's width: the entries show where the first of them was put in.
    fn skip_overfull(&mut self, tile: &TileId) -> Result<(), Stop> {
        for _ in 0..TILE_WIDTH {
            let line = self.lines.next_line()?;
            if !matches!(&line, Line::Text(text) if text.parse::<Hash>().is_ok()) {
                self.lines.ahead = Some(line);
                return Ok(());
            }
            self.overfull = self.overfull.or(Some(*tile));
        }
        Err(Stop::Flaw(Flaw::at(first_index(tile), format!("`{tile}` holds too many hashes"))))
    }

    fn kept(&mut self, index: u64, text: &str) -> Result<Step, Stop> {
        let malformed = |what: &str| Stop::Flaw(Flaw::at(index, what));
        let mut fields = text.splitn(4, ' ').skip(1);
        let (found, salt, length) = (fields.next(), fields.next(), fields.next());
        let (Some(found), Some(salt), Some(length)) = (number(found), salt.and_then(salt_of), number(length)) else {
            return Err(malformed("the line of this entry is malformed"));
        };
        if entry_line(found, &salt, length) != text || length > MAX_BODY_BYTES {
            return Err(malformed("the line of this entry is malformed"));
        }
        in_place(index, found)?;
        let Some(mut body) = self.lines.body(length)? else {
            return Err(self.cut());
        };
        match body.pop() {
            Some(b'\n') => Ok(Step::Kept { salt, body }),
            _ => Err(malformed("the body of this entry has another length than its line says")),
        }
    }

    fn gone(index: u64, text: &str) -> Result<Step, Stop> {
        let mut fields = text.splitn(3, ' ').skip(1);
        let (found, hash) = (number(fields.next()), fields.next().and_then(|hash| hash.parse().ok()));
        match (found, hash) {
            (Some(found), Some(hash)) if erased_line(found, hash) == text => {
                in_place(index, found)?;
                Ok(Step::Gone { hash })
            }
            _ => Err(Stop::Flaw(Flaw::at(index, "the line of this erased entry is malformed"))),
        }
    }
}

impl<R: BufRead> Steps for ExportSteps<R> {
    fn tile(&mut self, tile: &TileId) -> Result<Vec<Hash>, Stop> {
        match self.lines.next_line()? {
            Line::Text(line) if line == tile_line(tile) => {}
            Line::End => return Err(self.cut()),
            Line::Text(_) | Line::Odd => {
                return Err(Stop::Flaw(Flaw::at(first_index(tile), "the line before these hashes is malformed")));
            }
        }
        let mut hashes = Vec::new();
        for k in 0..tile.width() {
            let line = match self.lines.next_line()? {
                Line::Text(line) => line,
                Line::End => return Err(self.cut()),
                Line::Odd => String::new(),
            };
            match line.parse() {
                Ok(hash) => hashes.push(hash),
                // A hash was taken out: the entries show which.
                Err(_) if is_next_part(&line) => {
                    self.lines.ahead = Some(Line::Text(line));
                    return Ok(hashes);
                }
                Err(_) => {
                    let index = index_under(tile, u64::from(k));
                    return Err(Stop::Flaw(Flaw::at(index, "the hash of this entry, or one above it, is malformed")));
                }
            }
        }
        self.skip_overfull(tile)?;
        Ok(hashes)
    }

    fn entry(&mut self, index: u64, _claimed: Option<Hash>) -> Result<Step, Stop> {
        let step = match self.lines.next_line()? {
            Line::End => return Err(self.cut()),
            Line::Text(line) if line.starts_with(ENTRY_WORD) => self.kept(index, &line)?,
            Line::Text(line) if line.starts_with(ERASED_WORD) => Self::gone(index, &line)?,
            Line::Text(_) | Line::Odd => {
                return Err(Stop::Flaw(Flaw::at(
                    index,
                    "this entry is not where it should be, or its line is malformed",
                )));
            }
        };
        self.next = index + 1;
        Ok(step)
    }

    fn end(&mut self) -> Result<(), Stop> {
        if !self.lines.is_at_end()? {
            return Err(Stop::Flaw(Flaw::nowhere("something follows the last entry")));
        }
        match self.overfull {
            Some(tile) => Err(Stop::Flaw(Flaw::nowhere(format!("`{tile}` holds too many hashes")))),
            None => Ok(()),
        }
    }
}

fn is_next_part(line: &str) -> bool {
    line.starts_with(ENTRY_WORD) || line.starts_with(ERASED_WORD) || line.starts_with("tile ")
}

fn in_place(index: u64, found: u64) -> Result<(), Stop> {
    if found == index {
        return Ok(());
    }
    Err(Stop::Flaw(Flaw::at(index, format!("entry {found} stands in its place"))))
}

fn number(field: Option<&str>) -> Option<u64> {
    field?.parse().ok()
}

fn salt_of(field: &str) -> Option<[u8; SALT_BYTES]> {
    let mut salt = [0u8; SALT_BYTES];
    // The exact spelling is compared by the caller, who writes the line again.
    BASE64_STANDARD.decode_slice(field, &mut salt).ok().filter(|length| *length == SALT_BYTES).map(|_| salt)
}
