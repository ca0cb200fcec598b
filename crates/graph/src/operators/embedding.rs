//! Rows of a table.
use super::{ensure, take};
use crate::array::Array;
use crate::axes::Axes;
use crate::error::{Error, Result};
use crate::fact::{DType, Fact};
use crate::operator::{Family, Operator};
use serde::{Deserialize, Serialize};

/// Rows of a table `[words, width]` at indices `[batch, tokens]`.
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
        let fits = table.rank() == 2 && at.rank() == 2 && at.dtype == DType::I64;
        ensure(fits, "embedding", || format!("table {table}, indices {at}"))?;
        Ok(vec![Fact::f32(vec![at.shape[0], at.shape[1], table.shape[1]])])
    }

    fn axes(&self, _inputs: &[&Fact]) -> Axes {
        Axes::of("Vd,bt->btd")
    }

    fn bound_because(&self) -> &'static str {
        "indexed by tokens"
    }

    fn eval(&self, inputs: &[&Array]) -> Result<Vec<Array>> {
        let [table, at] = take("embedding", inputs)?;
        let words = table.shape()[0];
        if let Some(word) = at.data().iter().find(|&&word| !(0.0..words as f32).contains(&word)) {
            return Err(Error::new("embedding", format!("index {word}, expected 0 to {}", words.saturating_sub(1))));
        }
        let shape = [at.shape()[0], at.shape()[1], table.shape()[1]];
        Ok(vec![Array::from_fn(&shape, |i| table.at(&[at.at(&i[..2]) as usize, i[2]]))])
    }
}
