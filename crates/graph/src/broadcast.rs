//! Broadcasting as in NumPy: shapes are aligned at their last axes, and an axis of length one is repeated.
use crate::axes::{Axes, Axis, plain};
use crate::fact::{Dim, Fact};

const ONE: Dim = Dim::Fixed(1);

/// The shape that all of `facts` are repeated to; `None` when they do not fit each other.
pub fn shape(facts: &[&Fact]) -> Option<Vec<Dim>> {
    let rank = facts.iter().map(|fact| fact.rank()).max()?;
    let mut shape = vec![ONE; rank];
    for fact in facts {
        for (joint, &dim) in shape[rank - fact.rank()..].iter_mut().zip(&fact.shape) {
            *joint = joined(*joint, dim)?;
        }
    }
    Some(shape)
}

fn joined(a: Dim, b: Dim) -> Option<Dim> {
    (a == b || b == ONE).then_some(a).or((a == ONE).then_some(b))
}

/// The shape that arrays of these shapes are repeated to, which must fit each other.
pub fn lengths(shapes: &[&[usize]]) -> Vec<usize> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut joint = vec![1; rank];
    for shape in shapes {
        for (joint, &length) in joint[rank - shape.len()..].iter_mut().zip(*shape) {
            *joint = if *joint == 1 { length } else { *joint };
        }
    }
    joint
}

/// The axes of an element-wise operator on `facts`, one letter for each axis of its output.
pub fn axes(facts: &[&Fact]) -> Axes {
    let shape = shape(facts).unwrap_or_default();
    let all = plain(shape.len());
    let operand = |fact: &&Fact| -> Vec<Axis> {
        let lead = shape.len() - fact.rank();
        let dims = fact.shape.iter().zip(&shape[lead..]).zip(&all[lead..]);
        dims.map(|((&dim, &joint), letter)| if dim == joint { letter.clone() } else { Axis::One }).collect()
    };
    Axes::new(facts.iter().map(operand).collect(), vec![all.clone()])
}

#[cfg(test)]
mod tests {
    use super::{axes, lengths, shape};
    use crate::fact::{Dim, Fact};

    #[test]
    fn missing_axes_and_axes_of_length_one_are_repeated() {
        let (a, b) = (Fact::f32([Dim::Batch(1), Dim::Fixed(1), Dim::Fixed(3)]), Fact::fixed(&[2, 3]));
        assert_eq!(shape(&[&a, &b]), Some(vec![Dim::Batch(1), Dim::Fixed(2), Dim::Fixed(3)]));
        assert_eq!(axes(&[&a, &b]).to_string(), "a1c,bc->abc");
        assert_eq!(lengths(&[&[4, 1, 3], &[2, 3]]), [4, 2, 3]);
        assert_eq!(shape(&[&Fact::fixed(&[2]), &Fact::fixed(&[3])]), None);
    }
}
