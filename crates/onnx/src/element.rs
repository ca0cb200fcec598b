//! Types of elements, and how they are written.
use crate::error::{Error, Result};
use supple_graph::DType;

/// `TensorProto.DataType`: the types that the importer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    U8,
    I8,
    U16,
    I16,
    I32,
    I64,
    Bool,
    F16,
    F64,
    U32,
    U64,
    BF16,
}

impl Element {
    pub(crate) fn of(code: i64) -> Result<Self> {
        Ok(match code {
            1 => Self::F32,
            2 => Self::U8,
            3 => Self::I8,
            4 => Self::U16,
            5 => Self::I16,
            6 => Self::I32,
            7 => Self::I64,
            9 => Self::Bool,
            10 => Self::F16,
            11 => Self::F64,
            12 => Self::U32,
            13 => Self::U64,
            16 => Self::BF16,
            other => return Err(Error::unsupported(format!("elements of type {other}"))),
        })
    }

    /// The type that they have in the graph.
    pub(crate) fn dtype(self) -> DType {
        match self {
            Self::F32 | Self::F16 | Self::F64 | Self::BF16 => DType::F32,
            Self::Bool => DType::Bool,
            _ => DType::I64,
        }
    }

    /// Bytes of one element in `raw_data`.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::I64 | Self::F64 | Self::U64 => 8,
        }
    }

    /// Number of the typed field that holds such elements.
    pub(crate) fn field(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::I64 => 7,
            Self::F64 => 10,
            Self::U32 | Self::U64 => 11,
            _ => 5,
        }
    }

    /// The whole number that little-endian `bytes` hold, sign-extended.
    pub(crate) fn int(self, bytes: &[u8]) -> i64 {
        let bits = bytes.iter().rev().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
        self.narrow(bits.cast_signed())
    }

    /// The float that little-endian `bytes` hold.
    pub(crate) fn float(self, bytes: &[u8]) -> f32 {
        let bits = bytes.iter().rev().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
        match self {
            Self::F32 => f32::from_bits(bits as u32),
            Self::F64 => f64::from_bits(bits) as f32,
            Self::F16 => half::f16::from_bits(bits as u16).to_f32(),
            Self::BF16 => half::bf16::from_bits(bits as u16).to_f32(),
            _ => self.narrow(bits.cast_signed()) as f32,
        }
    }

    /// The number that a varint of a typed field stands for.
    pub(crate) fn varint(self, value: i64) -> f32 {
        match self {
            Self::F16 | Self::BF16 => self.float(&value.to_le_bytes()[..2]),
            _ => self.narrow(value) as f32,
        }
    }

    /// The number within the width of the type.
    pub(crate) fn narrow(self, value: i64) -> i64 {
        match self {
            Self::I8 => i64::from(value as i8),
            Self::I16 => i64::from(value as i16),
            Self::I32 => i64::from(value as i32),
            Self::U8 => i64::from(value as u8),
            Self::U16 => i64::from(value as u16),
            Self::U32 => i64::from(value as u32),
            Self::Bool => i64::from(value != 0),
            _ => value,
        }
    }
}
