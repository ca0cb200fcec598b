//! The wire format of protocol buffers: fields, one after the other, borrowed from the bytes.
//!
//! <https://protobuf.dev/programming-guides/encoding/>
use crate::error::{Error, Result};

/// The payload of one field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    pub(crate) fn int(self) -> Result<i64> {
        match self {
            Self::Varint(value) => Ok(value.cast_signed()),
            _ => Err(Error::malformed("a field is not a whole number")),
        }
    }

    pub(crate) fn float(self) -> Result<f32> {
        match self {
            Self::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => Err(Error::malformed("a field is not a float")),
        }
    }

    pub(crate) fn bytes(self) -> Result<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Error::malformed("a field is neither text nor a message")),
        }
    }

    pub(crate) fn text(self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Error::malformed("text is not UTF-8"))
    }

    /// Appends the whole numbers of a repeated field, packed or one by one.
    pub(crate) fn extend_ints(self, to: &mut Vec<i64>) -> Result<()> {
        let Self::Bytes(packed) = self else {
            to.push(self.int()?);
            return Ok(());
        };
        to.reserve(packed.len().min(1 << 16));
        Varints(packed).try_for_each(|value| value.map(|value| to.push(value.cast_signed())))
    }

    /// Appends the floats of a repeated field, packed or one by one.
    pub(crate) fn extend_floats(self, to: &mut Vec<f32>) -> Result<()> {
        let Self::Bytes(packed) = self else {
            to.push(self.float()?);
            return Ok(());
        };
        let (floats, rest) = packed.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(Error::malformed("packed floats are cut short"));
        }
        to.extend(floats.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        Ok(())
    }
}

/// Takes a varint off the front of `bytes`.
fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or_else(|| Error::malformed("cut short inside a number"))?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Error::malformed("a number of more than ten bytes"))
}

fn split<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8]> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let (front, rest) = bytes
        .split_at_checked(length)
        .ok_or_else(|| Error::malformed(format!("cut short: {} bytes left, {length} announced", bytes.len())))?;
    *bytes = rest;
    Ok(front)
}

fn chunk<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let (front, rest) = bytes.split_first_chunk().ok_or_else(|| Error::malformed("cut short inside a number"))?;
    *bytes = rest;
    Ok(*front)
}

/// The varints of a packed field.
pub(crate) struct Varints<'a>(pub(crate) &'a [u8]);

impl Iterator for Varints<'_> {
    type Item = Result<u64>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| varint(&mut self.0).inspect_err(|_| self.0 = &[]))
    }
}

/// The fields of a message, with their numbers; it ends after the first error.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u64, Field<'a>)> {
        let tag = varint(&mut self.0)?;
        let field = match tag & 7 {
            0 => Field::Varint(varint(&mut self.0)?),
            1 => Field::Fixed64(chunk(&mut self.0)?),
            2 => {
                let length = varint(&mut self.0)?;
                Field::Bytes(split(&mut self.0, length)?)
            }
            5 => Field::Fixed32(chunk(&mut self.0)?),
            other => return Err(Error::malformed(format!("wire type {other}"))),
        };
        Ok((tag >> 3, field))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| self.field().inspect_err(|_| self.0 = &[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_apart() {
        let bytes = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 0, 0, 0x80, 0x3f];
        let fields: Vec<_> = Fields(&bytes).collect::<Result<_>>().unwrap();
        assert_eq!((fields[0].0, fields[0].1.int().unwrap()), (1, 150));
        assert_eq!((fields[1].0, fields[1].1.text().unwrap()), (2, "hi"));
        assert_eq!((fields[2].0, fields[2].1.float().unwrap()), (3, 1.0));
    }

    #[test]
    fn what_is_cut_short_is_an_error_and_the_end() {
        for bytes in [&[0x08][..], &[0x08, 0x80], &[0x12, 0x05, b'h'], &[0x1d, 0], &[0x0b], &[0xff; 12]] {
            let fields: Vec<_> = Fields(bytes).collect();
            assert_eq!(fields.len(), 1, "{bytes:?}");
            assert!(fields[0].is_err(), "{bytes:?}");
        }
    }
}
