//! Named random streams: what is drawn for one purpose never moves what is drawn for another.
use rand::rand_core::TryRng;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fmt::{self, Display, Write};

/// A named random stream. It can be cloned, and written and read back where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Place", into = "Place")]
pub struct Stream(ChaCha8Rng);

/// Key of the generator, and words drawn.
#[derive(Serialize, Deserialize)]
struct Place {
    key: [u8; 32],
    drawn: u64,
}

impl From<Place> for Stream {
    fn from(place: Place) -> Self {
        let mut random = ChaCha8Rng::from_seed(place.key);
        random.set_word_pos(place.drawn.into());
        Self(random)
    }
}

impl From<Stream> for Place {
    fn from(Stream(random): Stream) -> Self {
        Self { key: random.get_seed(), drawn: random.get_word_pos() as u64 }
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

/// The random stream for one purpose of one entity in the run with this seed.
///
/// The key of the ChaCha8 generator is, in little-endian 64-bit words: the seed, the FNV-1a hash of `entity`, the FNV-1a hash
/// of `purpose`, zero. The same three give the same numbers on every machine; policies that are compared therefore meet the
/// same randomness whatever they drew before (common random numbers).
pub fn stream(seed: u64, entity: impl Display, purpose: &str) -> Stream {
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([seed, fnv1a(entity), fnv1a(purpose)]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    Stream(ChaCha8Rng::from_seed(key))
}

/// A 64-bit number whose bits all depend on all bits of `word`: one step of SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// An exponential number of mean one, by inversion.
pub fn exponential(random: &mut Stream) -> f64 {
    -(1.0 - random.random::<f64>()).ln()
}

/// The 64-bit FNV-1a hash of what is written (Fowler, Noll, Vo).
struct Fnv1a(u64);

impl Write for Fnv1a {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        self.0 = text.bytes().fold(self.0, step);
        Ok(())
    }
}

pub(crate) fn fnv1a(text: impl Display) -> u64 {
    let mut hash = Fnv1a(0xcbf2_9ce4_8422_2325);
    match write!(hash, "{text}") {
        Ok(()) | Err(fmt::Error) => hash.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_the_published_one() {
        assert_eq!(fnv1a(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn mixing_is_the_published_one() {
        assert_eq!(mixed(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn seed_entity_and_purpose_each_change_the_stream() {
        let first = |seed, entity, purpose| stream(seed, entity, purpose).random::<u64>();
        let here = first(7, "request 1", "service");
        assert_eq!(here, first(7, "request 1", "service"));
        assert_ne!(here, first(8, "request 1", "service"));
        assert_ne!(here, first(7, "request 2", "service"));
        assert_ne!(here, first(7, "request 1", "answers"));
    }

    #[test]
    fn a_stream_that_was_written_goes_on_where_it_stood() {
        for drawn in [0, 1, 5, 300] {
            let mut random = stream(1, "load", "arrivals");
            let _: Vec<u32> = (0..drawn).map(|_| random.random()).collect();
            let text = serde_json::to_string(&random).expect("json");
            let mut read: Stream = serde_json::from_str(&text).expect("a stream");
            assert_eq!(read.random::<u64>(), random.random::<u64>());
        }
    }
}
