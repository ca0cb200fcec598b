//! Rows of a table.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::{Axes, plain_with_bound};
use crate::error::{Error, Result};
use crate::fact::{DType, Fact};
use crate::operator::{Family, Operator, element_wise};
use crate::phase::Phase;
use crate::work::Work;
use serde::{Deserialize, Serialize};

/// Rows of a table `[words, width]` at indices `[..]`: an output `[.., width]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Embedding {}

impl Operator for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn family(&self) -> Family {
        Family::Selection
    }

    fn infer(&self, inputs: &[&Fact]) -> Result<Vec<Fact>> {
        let [table, at] = take("embedding", inputs)?;
        let fits = table.rank() == 2 && at.dtype == DType::I64;
        ensure(fits, "embedding", || format!("table {table}, indices {at}"))?;
        let shape = at.shape.iter().chain(&table.shape[1..]).copied().collect();
        Ok(vec![Fact { dtype: table.dtype, shape }])
    }

    fn axes(&self, inputs: &[&Fact]) -> Axes {
        let rank = inputs[1].rank();
        let all = plain_with_bound(rank + 2, &[rank + 1]);
        let table = vec![all[rank + 1].clone(), all[rank].clone()];
        Axes::new(vec![table, all[..rank].to_vec()], vec![all[..=rank].to_vec()])
    }

    fn bound_because(&self) -> &'static str {
        "indexed by tokens"
    }

    /// Only the rows that are read count, but all stay in memory.
    fn work(&self, inputs: &[&Fact], outputs: &[Fact], phase: Phase) -> Work {
        let (table, rows) = (inputs[0].bytes(), element_wise(&inputs[1..], outputs, 0.0));
        let moved = rows.moved + outputs[0].bytes();
        match phase {
            Phase::Forward => Work { flops: 0.0, moved, resident: rows.resident + table },
            Phase::BackwardWeight => Work { flops: outputs[0].elements(), moved, resident: table },
            Phase::Update => Work { flops: inputs[0].elements() * 2.0, moved: 3.0 * table, resident: table },
            Phase::BackwardInput => Work::default(),
        }
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [table, at] = take("embedding", inputs)?;
        let (words, width) = (table.shape()[0], table.shape()[1]);
        if let Some(word) = at.data().iter().find(|&&word| !(0.0..words as f32).contains(&word)) {
            return Err(Error::new("embedding", format!("index {word}, expected 0 to {}", words.saturating_sub(1))));
        }
        let rows = at.data().iter().flat_map(|&word| &table.data()[word as usize * width..][..width]);
        Ok(vec![Array::new([at.shape(), &[width]].concat(), rows.copied().collect())?])
    }
}

#[cfg(test)]
mod tests {
    use super::{Array, Embedding, Operator};

    #[test]
    fn rows_are_read_by_their_number() {
        let table = Array::new(vec![3, 2], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let at = Array::new(vec![2], vec![2.0, 0.0]).unwrap();
        let y = Embedding {}.eval(&[&table, &at]).unwrap();
        assert_eq!(y[0], Array::new(vec![2, 2], vec![4.0, 5.0, 0.0, 1.0]).unwrap());
        assert!(Embedding {}.eval(&[&table, &Array::full(&[1], 3.0)]).is_err());
    }
}
