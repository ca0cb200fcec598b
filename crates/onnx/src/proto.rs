//! The messages of an ONNX file that the importer reads, borrowed from its bytes.
//!
//! Field numbers are those of `onnx.proto`, <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>. What is not read is skipped.
use crate::error::{Error, Result};
use crate::wire::{Field, Fields};

/// `ModelProto`.
#[derive(Default)]
pub(crate) struct ModelDef<'a> {
    pub(crate) graph: Option<&'a [u8]>,
    /// Domain and version.
    pub(crate) opsets: Vec<(&'a str, i64)>,
    pub(crate) metadata: Vec<Entry<'a>>,
}

/// `StringStringEntryProto`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entry<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: &'a str,
}

/// `GraphProto`.
#[derive(Default)]
pub(crate) struct GraphDef<'a> {
    pub(crate) name: &'a str,
    pub(crate) nodes: Vec<NodeDef<'a>>,
    pub(crate) initializers: Vec<TensorDef<'a>>,
    pub(crate) inputs: Vec<ValueDef<'a>>,
    pub(crate) outputs: Vec<ValueDef<'a>>,
    /// What is stated of values in between.
    pub(crate) values: Vec<ValueDef<'a>>,
    pub(crate) metadata: Vec<Entry<'a>>,
}

/// `NodeProto`.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeDef<'a> {
    pub(crate) name: &'a str,
    pub(crate) operator: &'a str,
    pub(crate) domain: &'a str,
    pub(crate) inputs: Vec<&'a str>,
    pub(crate) outputs: Vec<&'a str>,
    pub(crate) attributes: Vec<AttributeDef<'a>>,
    /// What PyTorch's exporter says about where the node comes from.
    pub(crate) origin: Option<&'a str>,
}

/// `AttributeProto`.
#[derive(Clone, Debug, Default)]
pub(crate) struct AttributeDef<'a> {
    pub(crate) name: &'a str,
    pub(crate) float: Option<f32>,
    pub(crate) int: Option<i64>,
    pub(crate) text: Option<&'a [u8]>,
    pub(crate) tensor: Option<TensorDef<'a>>,
    pub(crate) graph: Option<&'a [u8]>,
    pub(crate) floats: Vec<f32>,
    pub(crate) ints: Vec<i64>,
    pub(crate) texts: Vec<&'a [u8]>,
}

/// `TensorProto`, its elements not decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct TensorDef<'a> {
    pub(crate) name: &'a str,
    pub(crate) dims: Vec<i64>,
    pub(crate) data_type: i64,
    pub(crate) raw: Option<&'a [u8]>,
    /// The typed fields `float_data`, `int32_data`, `int64_data`, `double_data` and `uint64_data`, with their numbers.
    pub(crate) typed: Vec<(u64, Field<'a>)>,
    pub(crate) external: Vec<Entry<'a>>,
    pub(crate) is_external: bool,
}

/// `ValueInfoProto`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ValueDef<'a> {
    pub(crate) name: &'a str,
    /// Type of the elements and lengths; `None` when it is no tensor or has no shape.
    pub(crate) tensor: Option<(i64, Option<Vec<DimDef<'a>>>)>,
}

/// `TensorShapeProto.Dimension`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DimDef<'a> {
    Length(i64),
    Name(&'a str),
    Open,
}

/// Calls `read` with every field of a message.
fn each<'a>(bytes: &'a [u8], mut read: impl FnMut(u64, Field<'a>) -> Result<()>) -> Result<()> {
    Fields(bytes).try_for_each(|field| field.and_then(|(number, field)| read(number, field)))
}

impl<'a> ModelDef<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut this = Self::default();
        each(bytes, |number, field| {
            match number {
                7 => this.graph = Some(field.bytes()?),
                8 => this.opsets.push(opset(field.bytes()?)?),
                14 => this.metadata.push(Entry::read(field.bytes()?)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(this)
    }

    /// Version of the standard operators.
    pub(crate) fn opset(&self) -> Result<i64> {
        let standard = self.opsets.iter().find(|(domain, _)| matches!(*domain, "" | "ai.onnx"));
        standard.map(|&(_, version)| version).ok_or_else(|| Error::malformed("no version of the standard operators"))
    }
}

fn opset(bytes: &[u8]) -> Result<(&str, i64)> {
    let (mut domain, mut version) = ("", 0);
    each(bytes, |number, field| {
        match number {
            1 => domain = field.text()?,
            2 => version = field.int()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((domain, version))
}

impl<'a> Entry<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut this = Self::default();
        each(bytes, |number, field| {
            match number {
                1 => this.key = field.text()?,
                2 => this.value = field.text()?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(this)
    }
}

impl<'a> GraphDef<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut this = Self::default();
        each(bytes, |number, field| {
            match number {
                1 => this.nodes.push(NodeDef::read(field.bytes()?)?),
                2 => this.name = field.text()?,
                5 => this.initializers.push(TensorDef::read(field.bytes()?)?),
                11 => this.inputs.push(ValueDef::read(field.bytes()?)?),
                12 => this.outputs.push(ValueDef::read(field.bytes()?)?),
                13 => this.values.push(ValueDef::read(field.bytes()?)?),
                15 => return Err(Error::unsupported("sparse initializers")),
                16 => this.metadata.push(Entry::read(field.bytes()?)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(this)
    }
}

impl<'a> NodeDef<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut this = Self::default();
        each(bytes, |number, field| {
            match number {
                1 => this.inputs.push(field.text()?),
                2 => this.outputs.push(field.text()?),
                3 => this.name = field.text()?,
                4 => this.operator = field.text()?,
                5 => this.attributes.push(AttributeDef::read(field.bytes()?)?),
                7 => this.domain = field.text()?,
                9 => this.origin = Entry::read(field.bytes()?)?.origin().or(this.origin),
                _ => {}
            }
            Ok(())
        })?;
        Ok(this)
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&AttributeDef<'a>> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

impl<'a> Entry<'a> {
    fn origin(self) -> Option<&'a str> {
        (self.key == "pkg.torch.onnx.fx_node").then_some(self.value)
    }
}

impl<'a> AttributeDef<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let (mut this, mut sort) = (Self::default(), 0);
        each(bytes, |number, field| {
            match number {
                1 => this.name = field.text()?,
                2 => this.float = Some(field.float()?),
                3 => this.int = Some(field.int()?),
                4 => this.text = Some(field.bytes()?),
                5 => this.tensor = Some(TensorDef::read(field.bytes()?)?),
                6 => this.graph = Some(field.bytes()?),
                7 => field.extend_floats(&mut this.floats)?,
                8 => field.extend_ints(&mut this.ints)?,
                9 => this.texts.push(field.bytes()?),
                20 => sort = field.int()?,
                _ => {}
            }
            Ok(())
        })?;
        this.fill_in(sort);
        Ok(this)
    }

    /// Writers may leave out a value that is zero or empty; the attribute's type tells which one.
    fn fill_in(&mut self, sort: i64) {
        match sort {
            1 => self.float = self.float.or(Some(0.0)),
            2 => self.int = self.int.or(Some(0)),
            3 => self.text = self.text.or(Some(&[])),
            _ => {}
        }
    }

    /// The value as text, tensors and graphs aside.
    pub(crate) fn to_text(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match (self.int, self.float, self.text) {
            (Some(int), ..) => int.to_string(),
            (_, Some(float), _) => float.to_string(),
            (.., Some(bytes)) => text(bytes),
            _ if !self.ints.is_empty() => format!("{:?}", self.ints),
            _ if !self.floats.is_empty() => format!("{:?}", self.floats),
            _ => format!("{:?}", self.texts.iter().map(|bytes| text(bytes)).collect::<Vec<_>>()),
        }
    }
}

impl<'a> TensorDef<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut this = Self::default();
        each(bytes, |number, field| {
            match number {
                1 => field.extend_ints(&mut this.dims)?,
                2 => this.data_type = field.int()?,
                4 | 5 | 7 | 10 | 11 => this.typed.push((number, field)),
                8 => this.name = field.text()?,
                9 => this.raw = Some(field.bytes()?),
                13 => this.external.push(Entry::read(field.bytes()?)?),
                14 => this.is_external = field.int()? == 1,
                _ => {}
            }
            Ok(())
        })?;
        Ok(this)
    }
}

impl<'a> ValueDef<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut this = Self::default();
        each(bytes, |number, field| {
            match number {
                1 => this.name = field.text()?,
                2 => this.tensor = tensor_type(field.bytes()?)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(this)
    }
}

/// `TypeProto`: type of the elements and lengths of a tensor.
fn tensor_type(bytes: &[u8]) -> Result<Option<(i64, Option<Vec<DimDef<'_>>>)>> {
    let mut tensor = None;
    each(bytes, |number, field| {
        if number == 1 {
            let (mut data_type, mut shape) = (0, None);
            each(field.bytes()?, |number, field| {
                match number {
                    1 => data_type = field.int()?,
                    2 => shape = Some(dims(field.bytes()?)?),
                    _ => {}
                }
                Ok(())
            })?;
            tensor = Some((data_type, shape));
        }
        Ok(())
    })?;
    Ok(tensor)
}

fn dims(bytes: &[u8]) -> Result<Vec<DimDef<'_>>> {
    let mut dims = Vec::new();
    each(bytes, |number, field| {
        if number == 1 {
            let mut dim = DimDef::Open;
            each(field.bytes()?, |number, field| {
                match number {
                    1 => dim = DimDef::Length(field.int()?),
                    2 => dim = DimDef::Name(field.text()?),
                    _ => {}
                }
                Ok(())
            })?;
            dims.push(dim);
        }
        Ok(())
    })?;
    Ok(dims)
}
