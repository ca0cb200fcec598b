//! A sweep on disk: its manifest and its chunks.
use super::parquet::{self, Event};
use super::row::Rows;
use super::{CHUNK, Results};
use crate::error::Error;
use crate::json::read_json;
use crate::report::write_atomically;
use serde::{Deserialize, Serialize};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Which sweep it is: equal manifests give equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the simulator.
    pub version: String,
    /// Names of the scenarios, in order.
    pub scenarios: Vec<String>,
    /// How many models each scenario has, which is how many rows a run has.
    pub models: Vec<usize>,
    /// How many machines each scenario names; none where it is one model on one machine.
    pub machines: Vec<usize>,
    /// Names of the policies, in order.
    pub policies: Vec<String>,
    /// First seed, and the one after the last.
    pub seeds: [u64; 2],
    /// Whether hindsight is asked.
    pub regret: bool,
    /// Whether requests are written down.
    pub events: bool,
    /// Fingerprint of scenarios, traces and ladder, in hexadecimal.
    pub content: String,
}

impl Manifest {
    /// Number of chunks.
    pub fn chunks(&self) -> usize {
        self.all_cases().div_ceil(CHUNK)
    }

    /// Number of runs.
    pub fn runs(&self) -> usize {
        self.all_cases().saturating_mul(self.policies.len())
    }

    /// The cases of a chunk.
    pub(super) fn cases(&self, chunk: usize) -> Range<usize> {
        chunk * CHUNK..((chunk + 1) * CHUNK).min(self.all_cases())
    }

    /// The scenario of a case, by its number, and the seed.
    pub(super) fn case(&self, case: usize) -> (usize, u64) {
        let seeds = self.all_seeds().max(1);
        (case / seeds, self.seeds[0] + (case % seeds) as u64)
    }

    /// How many rows of models and of machines a chunk has.
    fn rows(&self, chunk: usize) -> [usize; 2] {
        [&self.models, &self.machines].map(|counts| {
            let of_case = |case| counts.get(self.case(case).0).copied().unwrap_or(0);
            self.policies.len() * self.cases(chunk).map(of_case).sum::<usize>()
        })
    }

    fn all_seeds(&self) -> usize {
        usize::try_from(self.seeds[1].saturating_sub(self.seeds[0])).unwrap_or(usize::MAX)
    }

    fn all_cases(&self) -> usize {
        self.scenarios.len().saturating_mul(self.all_seeds())
    }

    /// The first field in which two differ.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        let differ = [
            ("version", self.version != other.version),
            ("scenarios", self.scenarios != other.scenarios),
            ("models", self.models != other.models),
            ("machines", self.machines != other.machines),
            ("policies", self.policies != other.policies),
            ("seeds", self.seeds != other.seeds),
            ("regret", self.regret != other.regret),
            ("events", self.events != other.events),
            ("content of scenarios, traces or ladder", self.content != other.content),
        ];
        differ.into_iter().find_map(|(name, differs)| differs.then_some(name))
    }
}

/// One of `of` equal parts of the work, by chunks: written `1/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    of: usize,
}

impl Shard {
    /// All of the work.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Whether a chunk belongs to this part.
    pub fn has(self, chunk: usize) -> bool {
        chunk % self.of == self.index
    }
}

impl FromStr for Shard {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let numbers =
            text.split_once('/').and_then(|(i, n)| Some((i.parse::<usize>().ok()?, n.parse::<usize>().ok()?)));
        match numbers {
            Some((i, of)) if (1..=of).contains(&i) => Ok(Self { index: i - 1, of }),
            _ => Err(Error::field(format!("shard {text}"), "i/n with i from 1 to n")),
        }
    }
}

/// The folder of a sweep.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    manifest: Manifest,
}

impl Folder {
    /// Opens the folder of this sweep, which is made if it is not there.
    ///
    /// # Errors
    /// When it holds another sweep, or cannot be made or read.
    pub fn open(path: &Path, manifest: Manifest) -> Result<Self, Error> {
        let file = path.join("sweep.json");
        if file.exists() {
            let found = Self::read(path)?.manifest;
            if let Some(field) = found.difference(&manifest) {
                let error =
                    Error::field(format!("another sweep, with other {field}"), "the same, or a folder of its own");
                return Err(error.within(file.display()));
            }
        }
        for folder in [path.to_path_buf(), path.join("chunks"), path.join("events")] {
            fs::create_dir_all(&folder).map_err(|cause| Error::file(&folder, cause))?;
        }
        let text = serde_json::to_string_pretty(&manifest).map_err(|cause| Error::file(&file, cause.into()))?;
        write_atomically(&file, format!("{text}\n").as_bytes())?;
        Ok(Self { path: path.to_path_buf(), manifest })
    }

    /// Opens the folder of whatever sweep it holds.
    ///
    /// # Errors
    /// When there is none that can be read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = path.join("sweep.json");
        let manifest = read_json(&file)?;
        Ok(Self { path: path.to_path_buf(), manifest })
    }

    /// Which sweep it is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether a chunk is there.
    pub fn has(&self, chunk: usize) -> bool {
        self.rows_file(chunk).exists()
    }

    /// Writes a chunk: its requests first, so that a chunk that is there is whole.
    pub(super) fn write(&self, chunk: usize, rows: &Rows, events: &[Event]) -> Result<(), Error> {
        let file = self.rows_file(chunk);
        if self.manifest.events {
            write_atomically(&self.events_file(chunk), &parquet::events(events)?)?;
        }
        let text = serde_json::to_string(rows).map_err(|cause| Error::file(&file, cause.into()))?;
        write_atomically(&file, format!("{text}\n").as_bytes())
    }

    /// Takes over what is missing here and there in the folder `other` of the same sweep.
    ///
    /// # Errors
    /// When that is another sweep, or a file cannot be copied.
    pub fn take(&self, other: &Self) -> Result<(), Error> {
        if let Some(field) = self.manifest.difference(&other.manifest) {
            let error = Error::field(format!("another sweep, with other {field}"), "parts of one sweep");
            return Err(error.within(other.path.display()));
        }
        for chunk in (0..self.manifest.chunks()).filter(|&chunk| !self.has(chunk) && other.has(chunk)) {
            if self.manifest.events {
                copy(&other.events_file(chunk), &self.events_file(chunk))?;
            }
            copy(&other.rows_file(chunk), &self.rows_file(chunk))?;
        }
        Ok(())
    }

    /// The results; `None` while a chunk is missing.
    ///
    /// # Errors
    /// When a chunk cannot be read, or has other rows than it must.
    pub fn results(&self) -> Result<Option<Results>, Error> {
        let mut all = Rows::default();
        for chunk in 0..self.manifest.chunks() {
            if !self.has(chunk) {
                return Ok(None);
            }
            let file = self.rows_file(chunk);
            let Rows { runs, machines } = read_json(&file)?;
            let (found, expected) = ([runs.len(), machines.len()], self.manifest.rows(chunk));
            if found != expected {
                let found = format!("{} rows of models and {} of machines", found[0], found[1]);
                let error = Error::field(found, format!("{} and {}", expected[0], expected[1]));
                return Err(error.within(file.display()));
            }
            all.runs.extend(runs);
            all.machines.extend(machines);
        }
        let (manifest, Rows { runs: rows, machines }) = (self.manifest.clone(), all);
        Ok(Some(Results { manifest, rows, machines }))
    }

    /// How many chunks are there.
    pub fn done(&self) -> usize {
        (0..self.manifest.chunks()).filter(|&chunk| self.has(chunk)).count()
    }

    fn rows_file(&self, chunk: usize) -> PathBuf {
        self.path.join("chunks").join(format!("{chunk:06}.json"))
    }

    fn events_file(&self, chunk: usize) -> PathBuf {
        self.path.join("events").join(format!("{chunk:06}.parquet"))
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let bytes = fs::read(from).map_err(|cause| Error::file(from, cause))?;
    write_atomically(to, &bytes)
}
