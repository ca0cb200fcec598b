//! Tensors whose values are known while a file is read.
use crate::element::Element;
use crate::error::{Error, Result};
use crate::number::Number;
use crate::proto::TensorDef;
use crate::wire::{Field, Varints};
use std::rc::Rc;
use supple_graph::{Array, DType};

/// Longest tensor that shape arithmetic looks into.
const LONGEST: usize = 1 << 16;
/// Most axes of a tensor.
pub(crate) const MOST_AXES: usize = 16;
/// Longest axis.
pub(crate) const LONGEST_AXIS: u64 = 1 << 40;

/// A tensor that is known before the graph runs.
#[derive(Clone, Debug)]
pub(crate) struct Tensor<'a> {
    /// Name of the weights that it is, or is made of.
    pub(crate) weights: Option<&'a str>,
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    data: Data<'a>,
}

#[derive(Clone, Debug)]
enum Data<'a> {
    /// Whole numbers, which may depend on the batch.
    Numbers(Rc<[Number]>),
    Floats(Rc<[f32]>),
    /// Little-endian elements in the file.
    Raw(Element, &'a [u8]),
    /// Fields of the file.
    Typed(Element, Rc<[Field<'a>]>),
}

impl<'a> Tensor<'a> {
    /// The tensor of the file, its data taken from `external` when they stand elsewhere.
    pub(crate) fn of(def: &TensorDef<'a>, external: Option<&'a [u8]>) -> Result<Self> {
        let element = Element::of(def.data_type)?;
        let shape = lengths(&def.dims)?;
        let data = match external.or(def.raw) {
            Some(raw) => Data::Raw(element, raw),
            None => {
                let of_type = def.typed.iter().filter(|(number, _)| *number == element.field());
                Data::Typed(element, of_type.map(|&(_, field)| field).collect())
            }
        };
        let this = Self { weights: None, dtype: element.dtype(), shape, data };
        this.check_length().map(|()| this)
    }

    /// The same tensor as the weights of this name.
    pub(crate) fn named(self, name: &'a str) -> Self {
        Self { weights: Some(name), ..self }
    }

    pub(crate) fn floats(shape: Vec<usize>, data: Vec<f32>) -> Self {
        Self { weights: None, dtype: DType::F32, shape, data: Data::Floats(data.into()) }
    }

    pub(crate) fn numbers(shape: Vec<usize>, data: Vec<Number>) -> Self {
        Self { weights: None, dtype: DType::I64, shape, data: Data::Numbers(data.into()) }
    }

    /// What `eval` gave; whole numbers that a float holds exactly.
    pub(crate) fn from_array(dtype: DType, array: Array) -> Self {
        let shape = array.shape().to_vec();
        if dtype == DType::F32 {
            return Self::floats(shape, array.into_data());
        }
        let numbers = array.data().iter().map(|&v| Number::from(v as i64)).collect();
        Self { dtype, ..Self::numbers(shape, numbers) }
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    fn check_length(&self) -> Result<()> {
        let (expected, found) = (self.len(), self.stored());
        if found == Some(expected) { Ok(()) } else { Err(wrong_length(&self.shape, found)) }
    }

    /// Number of elements that are stored; `None` when it has to be counted.
    fn stored(&self) -> Option<usize> {
        match &self.data {
            Data::Numbers(data) => Some(data.len()),
            Data::Floats(data) => Some(data.len()),
            Data::Raw(element, raw) => (raw.len() % element.width() == 0).then(|| raw.len() / element.width()),
            Data::Typed(element, fields) => {
                Some(fields.iter().map(|field| stored_in(*element, *field)).fold(0, usize::saturating_add))
            }
        }
    }

    /// The elements as an array.
    pub(crate) fn array(&self) -> Result<Array> {
        let data = match &self.data {
            Data::Numbers(data) => data.iter().map(|number| whole(*number)).collect::<Result<_>>()?,
            Data::Floats(data) => data.to_vec(),
            Data::Raw(Element::F32, raw) => raw.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            Data::Raw(element, raw) => raw.chunks_exact(element.width()).map(|bytes| element.float(bytes)).collect(),
            Data::Typed(element, fields) => typed_floats(*element, fields)?,
        };
        Ok(Array::new(self.shape.clone(), data)?)
    }

    /// The elements as whole numbers.
    pub(crate) fn ints(&self) -> Result<Rc<[Number]>> {
        if self.len() > LONGEST {
            return Err(Error::too_large(format!("{} numbers, expected at most {LONGEST}", self.len())));
        }
        match &self.data {
            Data::Numbers(data) => Ok(data.clone()),
            Data::Raw(element, raw) if element.dtype() != DType::F32 => {
                Ok(raw.chunks_exact(element.width()).map(|bytes| element.int(bytes).into()).collect())
            }
            Data::Typed(element, fields) if element.dtype() != DType::F32 => {
                let mut numbers = Vec::new();
                fields.iter().try_for_each(|field| field.extend_ints(&mut numbers))?;
                Ok(numbers.into_iter().map(|number| element.narrow(number).into()).collect())
            }
            _ => Err(Error::malformed("floats, expected whole numbers")),
        }
    }

    /// The one element of a tensor of one element.
    pub(crate) fn scalar(&self) -> Result<Option<f64>> {
        if self.len() != 1 {
            return Ok(None);
        }
        if let Data::Numbers(data) = &self.data {
            return Ok(data[0].known().map(|number| number as f64));
        }
        Ok(self.array()?.data().first().map(|&v| f64::from(v)))
    }

    /// The elements that stand at `positions` among those of all operands.
    pub(crate) fn picked(operands: &[Rc<Self>], positions: &Array, weights: Option<&'a str>) -> Result<Self> {
        let shape = positions.shape().to_vec();
        let dtype = operands.first().map_or(DType::F32, |operand| operand.dtype);
        let at = positions.data().iter().map(|&position| position as usize);
        if dtype == DType::F32 {
            let arrays = operands.iter().map(|operand| operand.array()).collect::<Result<Vec<_>>>()?;
            let all: Vec<f32> = arrays.into_iter().flat_map(Array::into_data).collect();
            let data: Option<Vec<f32>> = at.map(|i| all.get(i).copied()).collect();
            return data.map(|data| Self { weights, ..Self::floats(shape, data) }).ok_or_else(outside);
        }
        let all = operands.iter().map(|operand| operand.ints()).collect::<Result<Vec<_>>>()?.concat();
        let data: Option<Vec<Number>> = at.map(|i| all.get(i).copied()).collect();
        data.map(|data| Self { dtype, ..Self::numbers(shape, data) }).ok_or_else(outside)
    }

    /// The elements as another type.
    pub(crate) fn cast(&self, to: Element) -> Result<Self> {
        if to.dtype() == DType::F32 {
            return Ok(Self { weights: self.weights, ..Self::floats(self.shape.clone(), self.array()?.into_data()) });
        }
        let numbers: Vec<Number> = if self.dtype == DType::F32 {
            self.array()?.data().iter().map(|&v| to.narrow(v as i64).into()).collect()
        } else {
            self.ints()?.iter().map(|&number| number.known().map_or(number, |known| to.narrow(known).into())).collect()
        };
        Ok(Self { dtype: to.dtype(), ..Self::numbers(self.shape.clone(), numbers) })
    }

    /// The one element, repeated.
    pub(crate) fn repeated(&self, shape: Vec<usize>) -> Result<Self> {
        let elements = shape.iter().product();
        let wrong = || Error::malformed(format!("{} elements to repeat, expected one", self.len()));
        if self.dtype == DType::F32 {
            let value = self.scalar()?.ok_or_else(wrong)?;
            return Ok(Self::floats(shape, vec![value as f32; elements]));
        }
        let number = self.ints()?.first().copied().filter(|_| self.len() == 1).ok_or_else(wrong)?;
        Ok(Self { dtype: self.dtype, ..Self::numbers(shape, vec![number; elements]) })
    }
}

/// Elements in one field. `array` decodes as many.
fn stored_in(element: Element, field: Field<'_>) -> usize {
    match (element, field) {
        (Element::F32, Field::Bytes(packed)) => packed.len() / 4,
        (Element::F64, Field::Bytes(packed)) => packed.len() / 8,
        (_, Field::Bytes(packed)) => packed.iter().filter(|&&byte| byte < 0x80).count(),
        _ => 1,
    }
}

fn typed_floats(element: Element, fields: &[Field<'_>]) -> Result<Vec<f32>> {
    let mut floats = Vec::new();
    for field in fields {
        match (element, *field) {
            (Element::F32, field) => field.extend_floats(&mut floats)?,
            (Element::F64, Field::Bytes(packed)) => {
                floats.extend(packed.chunks_exact(8).map(|bytes| element.float(bytes)));
            }
            (Element::F64, Field::Fixed64(bytes)) => floats.push(element.float(&bytes)),
            (_, Field::Bytes(packed)) => {
                for number in Varints(packed) {
                    floats.push(element.varint(number?.cast_signed()));
                }
            }
            (_, field) => floats.push(element.varint(field.int()?)),
        }
    }
    Ok(floats)
}

fn outside() -> Error {
    Error::malformed("an element outside of its operands")
}

fn whole(number: Number) -> Result<f32> {
    let known = number.known().ok_or_else(|| Error::unsupported("a length that depends on the batch used as data"))?;
    Ok(known as f32)
}

fn wrong_length(shape: &[usize], found: Option<usize>) -> Error {
    let found = found.map_or("a broken number of".to_owned(), |n| n.to_string());
    Error::malformed(format!("{found} elements, expected those of {shape:?}"))
}

/// Lengths of axes as the file states them, whose product can be counted.
pub(crate) fn lengths(dims: &[i64]) -> Result<Vec<usize>> {
    if dims.len() > MOST_AXES {
        return Err(Error::too_large(format!("{} axes, expected at most {MOST_AXES}", dims.len())));
    }
    let one = |&dim: &i64| {
        let length = u64::try_from(dim).ok().filter(|&length| length <= LONGEST_AXIS);
        length.and_then(|length| usize::try_from(length).ok())
    };
    let shape: Option<Vec<usize>> = dims.iter().map(one).collect();
    let shape = shape.ok_or_else(|| Error::malformed(format!("lengths {dims:?}")))?;
    let elements = shape.iter().try_fold(1_u64, |product, &n| product.checked_mul(n as u64));
    elements.filter(|&n| n <= LONGEST_AXIS).ok_or_else(|| Error::too_large(format!("a tensor of {dims:?}")))?;
    Ok(shape)
}
