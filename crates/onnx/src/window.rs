//! What convolutions and pooling say about the window that they move.
use crate::call::Call;
use crate::error::{Error, Result};

/// Steps, distances between taps, and what is added around, for each axis that a window moves over.
pub(crate) struct Steps {
    pub(crate) stride: Vec<usize>,
    pub(crate) dilation: Vec<usize>,
    pub(crate) padding: Vec<[usize; 2]>,
}

impl Steps {
    /// Those of a node whose window of lengths `kernel` moves over axes of lengths `sides`.
    pub(crate) fn of(call: &Call<'_, '_>, kernel: &[usize], sides: &[usize]) -> Result<Self> {
        let rank = kernel.len();
        let (stride, dilation) = (call.counts("strides", rank, 1)?, call.counts("dilations", rank, 1)?);
        let padding = match call.text("auto_pad", "NOTSET")? {
            "NOTSET" => pads(call, rank)?,
            "VALID" => vec![[0, 0]; rank],
            mode @ ("SAME_UPPER" | "SAME_LOWER") => {
                let axis = |i: usize| same(sides[i], kernel[i], stride[i], dilation[i], mode == "SAME_UPPER");
                (0..rank).map(axis).collect::<Option<_>>().ok_or_else(|| Error::malformed("a window without steps"))?
            }
            other => return Err(Error::malformed(format!("auto_pad = {other}"))),
        };
        Ok(Self { stride, dilation, padding })
    }
}

/// What is added before and after each axis: all the befores come first.
pub(crate) fn pads(call: &Call<'_, '_>, rank: usize) -> Result<Vec<[usize; 2]>> {
    let pads = call.counts("pads", 2 * rank, 0)?;
    Ok((0..rank).map(|axis| [pads[axis], pads[rank + axis]]).collect())
}

/// As much as it takes to have `⌈side / stride⌉` windows; the odd one after if `upper`.
fn same(side: usize, taps: usize, stride: usize, dilation: usize, upper: bool) -> Option<[usize; 2]> {
    let windows = side.checked_add(stride.checked_sub(1)?)?.checked_div(stride)?;
    let span = dilation.checked_mul(taps.checked_sub(1)?)?.checked_add(1)?;
    let needed = windows.saturating_sub(1).checked_mul(stride)?.checked_add(span)?;
    let all = needed.saturating_sub(side);
    let (less, more) = (all / 2, all - all / 2);
    Some(if upper { [less, more] } else { [more, less] })
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn the_output_has_a_stride_th_of_the_input() {
        assert_eq!(same(5, 3, 1, 1, true), Some([1, 1]));
        assert_eq!(same(6, 3, 2, 1, true), Some([0, 1]));
        assert_eq!(same(6, 3, 2, 1, false), Some([1, 0]));
        assert_eq!(same(4, 1, 4, 1, true), Some([0, 0]));
        assert_eq!(same(4, 1, 0, 1, true), None);
    }
}
