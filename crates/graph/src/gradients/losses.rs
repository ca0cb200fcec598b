//! Losses.
use crate::error::Result;
use crate::gradient::Call;
use crate::graph::Value;
use crate::operators::Softmax;
use crate::tape::Tape;

/// `(softmax(x) - one-hot(class)) g / rows`
pub fn cross_entropy(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let (Some(g), 0) = (call.gradient(), input) else { return Ok(None) };
    let [x, classes] = [call.inputs[0], call.inputs[1]];
    let axis = tape.rank(x) - 1;
    let kinds = tape.shape(x)[axis].count();
    let chosen = tape.one_hot(classes, kinds)?;
    let soft = tape.add(Softmax { axis }, &[x])?;
    let wrong = tape.difference(soft, chosen)?;
    let rows = tape.count(classes, &(0..axis).collect::<Vec<_>>())?;
    let part = tape.over(g, rows)?;
    tape.times(wrong, part).map(Some)
}

/// `2 (x - target) g / elements`, and its negative for the target.
pub fn mean_square(tape: &mut Tape, call: &Call<'_>, input: usize) -> Result<Option<Value>> {
    let Some(g) = call.gradient() else { return Ok(None) };
    let [x, target] = [call.inputs[0], call.inputs[1]];
    let count = tape.count(x, &(0..tape.rank(x)).collect::<Vec<_>>())?;
    let part = tape.over(g, count)?;
    let part = tape.line(if input == 0 { 2.0 } else { -2.0 }, 0.0, part)?;
    let difference = tape.difference(x, target)?;
    tape.times(difference, part).map(Some)
}
