//! The memory of another process, as the machine's operator could read it.

use std::{fs::File, os::unix::fs::FileExt};

/// A stretch that the process can write to, with nothing between its pages.
struct Stretch {
    from: u64,
    until: u64,
}

/// What a process held at one moment.
pub struct Memory {
    stretches: Vec<Vec<u8>>,
}

impl Memory {
    /// Reads all that the process can write to. Only a process that this one started may be read.
    ///
    /// # Panics
    /// When the system does not let it.
    #[must_use]
    pub fn of(process: u32) -> Self {
        let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("the maps are read");
        let mut stretches: Vec<Stretch> = Vec::new();
        for line in maps.lines() {
            let mut fields = line.split(' ');
            let (Some(range), Some(rights)) = (fields.next(), fields.next()) else { continue };
            let (from, until) = range.split_once('-').expect("a range");
            let parse = |text| u64::from_str_radix(text, 16).expect("an address");
            let (from, until) = (parse(from), parse(until));
            match stretches.last_mut() {
                _ if !rights.starts_with("rw") => {}
                Some(last) if last.until == from => last.until = until,
                Some(_) | None => stretches.push(Stretch { from, until }),
            }
        }
        let memory = File::open(format!("/proc/{process}/mem")).expect("the memory is opened");
        let read = |stretch: &Stretch| {
            let mut bytes = vec![0; usize::try_from(stretch.until - stretch.from).ok()?];
            // What is mapped and was unmapped meanwhile is not there any more.
            memory.read_exact_at(&mut bytes, stretch.from).ok().map(|()| bytes)
        };
        Self { stretches: stretches.iter().filter_map(read).collect() }
    }

    /// The stretches that hold these bytes: what an app wrote into its memory shows where that is.
    #[must_use]
    pub fn holding(&self, marker: &[u8]) -> Vec<&[u8]> {
        let search = aho_corasick::AhoCorasick::new([marker]).unwrap();
        self.stretches.iter().map(Vec::as_slice).filter(|bytes| search.is_match(bytes)).collect()
    }
}
