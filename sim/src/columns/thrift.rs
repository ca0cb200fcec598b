//! Thrift's compact protocol, as far as one must know it to walk through a struct of known fields.

/// Most bytes of a number in seven bits a byte.
const LONGEST: usize = 10;

/// The number in seven bits a byte, the lowest first, that `bytes` begin with, and the bytes after it.
pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().take(LONGEST).position(|byte| *byte < 128)?;
    let (number, rest) = bytes.split_at(end + 1);
    Some((number.iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 127)), rest))
}

/// What a field holds.
#[derive(Clone, Copy)]
pub(crate) enum Type {
    Bool,
    Byte,
    I16,
    I32,
    I64,
    Double,
    Binary,
    List(&'static Type),
    /// With the ids of its fields.
    Struct(&'static [(i64, Type)]),
}

/// The kinds that the protocol writes for a struct and for a 32-bit number.
pub(crate) const STRUCT: u8 = 12;
pub(crate) const NUMBER: u8 = 5;

impl Type {
    fn is(self, kind: u8) -> bool {
        match self {
            Self::Bool => kind == 1 || kind == 2,
            Self::Byte => kind == 3,
            Self::I16 => kind == 4,
            Self::I32 => kind == NUMBER,
            Self::I64 => kind == 6,
            Self::Double => kind == 7,
            Self::Binary => kind == 8,
            Self::List(_) => kind == 9,
            Self::Struct(_) => kind == STRUCT,
        }
    }

    fn field(self, id: i64) -> Option<Self> {
        let Self::Struct(fields) = self else { return None };
        fields.iter().find(|field| field.0 == id).map(|field| field.1)
    }
}

/// Bytes in Thrift's compact protocol.
#[derive(Clone, Copy)]
pub(crate) struct Thrift<'a> {
    bytes: &'a [u8],
    /// How many more things may stand in lists: those of a struct that is not known may take no bytes.
    room: usize,
}

impl<'a> Thrift<'a> {
    /// Lists hold no more things in all than there are bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, room: bytes.len() }
    }

    /// The bytes behind what was read.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.bytes
    }

    /// Walks through something of this kind, and of this type where that is known. A reader that takes fields by their ids alone, of whatever kind they are,
    /// takes the same way then.
    pub(crate) fn walk(&mut self, kind: u8, known: Option<Type>, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        if known.is_some_and(|known| !known.is(kind)) {
            return None;
        }
        match kind {
            1 | 2 => Some(()),
            3 => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.advance(8),
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.advance(length)
            }
            9 | 10 => {
                let byte = self.byte()?;
                let length = if byte >> 4 == 15 { self.varint()? } else { u64::from(byte >> 4) };
                self.room = self.room.checked_sub(usize::try_from(length).ok()?)?;
                let element = if let Some(Type::List(element)) = known { Some(*element) } else { None };
                (0..length).try_for_each(|_| self.walk(byte & 15, element, depth))
            }
            STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.walk(kind, known.and_then(|known| known.field(id)), depth)?;
                }
                Some(())
            }
            _ => None,
        }
    }

    /// The kind of the next field, whose id follows on `id`; `None` inside at the end of the struct.
    pub(crate) fn field(&mut self, id: &mut i64) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *id = if byte >> 4 == 0 { self.signed()? } else { id.checked_add(i64::from(byte >> 4))? };
        Some(Some(byte & 15))
    }

    /// A 32-bit number that is not below zero.
    pub(crate) fn size(&mut self) -> Option<usize> {
        usize::try_from(self.signed()?).ok()
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let (number, rest) = varint(self.bytes)?;
        self.bytes = rest;
        Some(number)
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.varint()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn advance(&mut self, bytes: usize) -> Option<()> {
        self.bytes = self.bytes.get(bytes..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::{STRUCT, Thrift, Type, varint};

    const KNOWN: Type = Type::Struct(&[(1, Type::I32), (2, Type::List(&Type::Binary)), (4, Type::Bool)]);

    fn walked(bytes: &[u8]) -> Option<usize> {
        let mut thrift = Thrift::new(bytes);
        thrift.walk(STRUCT, Some(KNOWN), 4).map(|()| thrift.rest().len())
    }

    #[test]
    fn numbers_end_within_ten_bytes() {
        assert_eq!(varint(&[0xac, 2, 9]), Some((300, &[9][..])));
        assert_eq!(varint(&[128; 12]), None);
        assert_eq!(varint(&[128]), None);
    }

    #[test]
    fn known_fields_have_their_types() {
        assert_eq!(
            walked(&[0x15, 4, 0x19, 0x28, 1, 65, 0, 0x21, 0, 7]),
            Some(1),
            "a number, a list of two, a bool, and one byte more"
        );
        assert_eq!(walked(&[0x13, 4, 0]), None, "a byte in the place of a number");
        assert_eq!(walked(&[0x29, 0x15, 4, 0]), None, "a list of numbers");
        assert_eq!(walked(&[0x73, 4, 0]), Some(0), "a field that is not known");
    }

    #[test]
    fn lists_are_no_longer_than_the_bytes_and_structs_end() {
        assert_eq!(walked(&[0x79, 0x31, 0]), Some(0), "three bools take no bytes");
        assert_eq!(walked(&[0x79, 0xf1, 100, 0]), None);
        assert_eq!(walked(&[0x7c, 0x1c, 0x1c, 0x1c, 0x1c, 0, 0, 0, 0, 0, 0]), None, "too deep");
        assert_eq!(walked(&[0x15, 4]), None);
    }
}
