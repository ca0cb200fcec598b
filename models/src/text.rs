//! A plain text file as a data set: predict the next character.
use crate::data::{Data, Split};
use crate::error::{Error, ErrorKind, Result};
use crate::idx::unreadable;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// One character in so many, at the end of the text, is held out.
const HELD_OUT: usize = 10;

/// Reads a UTF-8 text as windows of `context` characters side by side, the last tenth of the text held out.
///
/// A row is the tokens of one window, `[context]`; its targets are the characters that follow each of them, and each
/// counts by itself. The vocabulary is the characters of the whole text, in order of code points. What is left over
/// at the end of a part is dropped.
///
/// # Errors
/// When the file is missing, is not UTF-8, or is too short for one held-out window.
pub fn text(path: &Path, context: usize) -> Result<Data> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let chars: Vec<char> = text.chars().collect();
    if context == 0 || chars.len() / HELD_OUT <= context {
        let expected =
            format!("over {} characters for a context of {context}, which is at least 1", context * HELD_OUT);
        return Err(Error::new(ErrorKind::Length, path.display(), "content", expected, chars.len()));
    }
    let vocabulary: Vec<char> = chars.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let tokens = tokens(&chars, &vocabulary);
    let (train, held_out) = tokens.split_at(tokens.len() - tokens.len() / HELD_OUT);
    Data::of_tokens("text", vocabulary, windows(train, context)?, windows(held_out, context)?)
}

fn tokens(chars: &[char], vocabulary: &[char]) -> Vec<u32> {
    let index: BTreeMap<char, u32> = vocabulary.iter().copied().zip(0..).collect();
    chars.iter().map(|char| index[char]).collect()
}

fn windows(tokens: &[u32], context: usize) -> Result<Split> {
    let counted = (tokens.len() - 1) / context * context;
    let inputs = tokens[..counted].iter().map(|&token| token as f32).collect();
    Split::new(inputs, vec![context], tokens[1..=counted].to_vec(), context, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(content: &[u8], context: usize) -> Result<Data> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("input.txt");
        fs::write(&path, content).unwrap();
        text(&path, context)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn targets_are_the_inputs_moved_by_one(content in "[a-eäöü\n]{60,200}", context in 1usize..5) {
            let data = written(content.as_bytes(), context).unwrap();
            for split in [&data.train, &data.held_out] {
                let (inputs, targets) = (split.inputs(), split.targets());
                prop_assert!(inputs[1..].iter().zip(targets).all(|(input, target)| *input == *target as f32));
            }
            let vocabulary = data.vocabulary.unwrap();
            let start: String = data.train.inputs().iter().map(|&token| vocabulary[token as usize]).collect();
            prop_assert!(content.starts_with(&start));
        }
    }

    #[test]
    fn the_last_tenth_is_held_out() {
        let data = written("abcdefghij".repeat(10).as_bytes(), 3).unwrap();
        assert_eq!((data.train.len(), data.held_out.len(), data.classes), (29, 3, 10));
        assert_eq!(data.train.batch(&[1]).input.data(), [3., 4., 5.]);
        assert_eq!(data.train.batch(&[1]).targets, [4, 5, 6]);
    }

    #[test]
    fn bad_texts_are_refused() {
        let long = "x".repeat(100);
        assert_eq!(written(b"", 4).unwrap_err().kind(), ErrorKind::Length);
        assert_eq!(written(long.as_bytes(), 10).unwrap_err().kind(), ErrorKind::Length);
        assert_eq!(written(long.as_bytes(), 0).unwrap_err().kind(), ErrorKind::Length);
        assert_eq!(written(&[0xff; 100], 4).unwrap_err().kind(), ErrorKind::Unreadable);
        assert_eq!(text(Path::new("no/such.txt"), 4).unwrap_err().kind(), ErrorKind::Missing);
    }
}
