//! The file formats for traces, one file each, and how a file is read.
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::limits::Limits;
use crate::measurements::listed;
use crate::note::{Note, Noted};
use crate::text::clipped;
use flate2::read::MultiGzDecoder;
use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

macro_rules! formats {
    ($($(#[$if:meta])* $file:ident: $format:ident,)*) => {
        $($(#[$if])* mod $file;)*
        $($(#[$if])* pub use $file::$format;)*

        /// One of each.
        pub const ALL: &[&dyn TraceFormat] = &[$($(#[$if])* &$format,)*];
    };
}

formats! {
    native: Native,
    host: Host,
    host_raw: HostRaw,
    nab: Nab,
    azure_vm: AzureVm,
    azure_llm: AzureLlm,
    bitbrains: Bitbrains,
    #[cfg(feature = "full")]
    opendc_fragments: OpendcFragments,
    #[cfg(feature = "full")]
    opendc_states: OpendcStates,
    #[cfg(feature = "full")]
    opendc_tasks: OpendcTasks,
    #[cfg(feature = "full")]
    opendc_carbon: OpendcCarbon,
    #[cfg(feature = "full")]
    opendc_failures: OpendcFailures,
    bamboo_events: BambooEvents,
    bamboo_live: BambooLive,
    bamboo_counts: BambooCounts,
    alibaba_minibatch: AlibabaMinibatch,
    alibaba_variation: AlibabaVariation,
    pollux_placements: POLLUX_PLACEMENTS,
    pollux_scalability: POLLUX_SCALABILITY,
    pollux_validation: POLLUX_VALIDATION,
    pollux_workload: PolluxWorkload,
    zeus_power: ZEUS_POWER,
    zeus_train: ZEUS_TRAIN,
    zeus_profile: ZeusProfile,
    acme: Acme,
    mahimahi: Mahimahi,
    vidur: Vidur,
}

/// The format with this name.
///
/// # Errors
/// When there is none; the error lists those there are.
pub fn by_name(name: &str) -> Result<&'static dyn TraceFormat, Error> {
    ALL.iter().copied().find(|format| format.name() == name).ok_or_else(|| {
        let names: Vec<_> = ALL.iter().map(|format| format.name()).collect();
        Error::field(format!("format = {name:?}"), format!("one of {}", names.join(", ")))
    })
}

/// The one format that certainly knows a file, by its beginning or its name.
///
/// # Errors
/// When none does, or several do.
pub fn recognised(source: &Source<'_>) -> Result<&'static dyn TraceFormat, Error> {
    let known: Vec<_> = ALL.iter().copied().filter(|format| format.knows(source)).collect();
    match known[..] {
        [format] => Ok(format),
        [] => {
            let expected = format!("one of {} to be given", listed(ALL.iter().map(|format| format.name())));
            let found = clipped(source.first_line());
            Err(Error::field(format!("format: not known by the file's name or its beginning, `{found}`"), expected))
        }
        _ => Err(Error::field("format: not clear", listed(known.iter().map(|format| format.name())))),
    }
}

/// Reads a file, compressed by gzip or not.
///
/// # Errors
/// When it cannot be read, is larger than the limits, or is not as its format says; the error names the file and, for what stands in it, line and column.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Noted<Content>, Error> {
    let size = std::fs::metadata(path).map_err(|cause| Error::file(path, cause))?.len();
    let most = options.limits.bytes;
    if size > most as u64 {
        return Err(Error::field(format!("{size} bytes"), format!("at most {most}")).within(path.display()));
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|cause| Error::file(path, cause))?;
    if bytes.len() > most {
        return Err(Error::field("a file without end", format!("at most {most} bytes")).within(path.display()));
    }
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    read_bytes(&name, &bytes, options).map_err(|error| error.within(path.display()))
}

/// Reads a file that is in memory, compressed by gzip or not; `name` is its name without folders.
///
/// # Errors
/// As [`read`], without the file's path.
pub fn read_bytes(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Noted<Content>, Error> {
    let (bytes, packed) = unpacked(bytes, options.limits)?;
    let name = if packed { name.trim_end_matches(".gz") } else { name };
    let source = Source { name, bytes: &bytes };
    if source.is_parquet() && !cfg!(feature = "full") {
        return Err(Error::field("a Parquet file", "text, unless the feature `full` of supple-sim is on"));
    }
    let format = options.format.as_deref().map_or_else(|| recognised(&source), by_name)?;
    let mut noted = format.read(&source, options)?;
    if packed {
        noted.notes.insert(0, Note::new("compressed by gzip"));
    }
    if options.format.is_none() {
        noted.notes.insert(0, Note::new(format!("recognised as {}", format.name())));
    }
    Ok(noted)
}

fn unpacked(bytes: &[u8], limits: Limits) -> Result<(Cow<'_, [u8]>, bool), Error> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok((Cow::Borrowed(bytes), false));
    }
    let mut plain = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(limits.bytes as u64 + 1).read_to_end(&mut plain);
    read.map_err(|cause| Error::field("gzip", format!("a whole file ({cause})")))?;
    if plain.len() > limits.bytes {
        return Err(Error::field("gzip", format!("at most {} bytes when unpacked", limits.bytes)));
    }
    Ok((Cow::Owned(plain), true))
}
