//! Named random streams: what is drawn for one purpose never moves what is drawn for another.
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The random stream for one purpose of one entity in the run with this seed.
///
/// The key of the ChaCha8 generator is, in little-endian 64-bit words: the seed, the FNV-1a hash of `entity`, the FNV-1a hash
/// of `purpose`, zero. The same three give the same numbers on every machine; policies that are compared therefore meet the
/// same randomness whatever they drew before (common random numbers).
pub fn stream(seed: u64, entity: &str, purpose: &str) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([seed, fnv1a(entity), fnv1a(purpose)]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A 64-bit number whose bits all depend on all bits of `word`: one step of SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The 64-bit FNV-1a hash of a text (Fowler, Noll, Vo).
pub(crate) fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

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
}
