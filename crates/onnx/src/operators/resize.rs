//! Interpolation between elements.
use super::List;
use crate::call::{Call, Operand, count};
use crate::error::{Error, Result};
use crate::number::Number;
use supple_graph::Dim;
use supple_graph::operators::{Coordinates, Interpolation, Resize};

pub(super) const LIST: List = &[("Resize", resize), ("Upsample", upsample)];

/// Scales are an attribute in opset 7, an input in opset 9; coordinates are `i / scale`, and the nearest element is the one below.
fn upsample<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    let scales = match call.attribute("scales") {
        Some(attribute) => attribute.floats.clone(),
        None => floats(call, 1)?.ok_or_else(|| Error::malformed("no scales"))?,
    };
    let interpolation = match call.text("mode", "nearest")? {
        "nearest" => Interpolation::Floor,
        "linear" | "bilinear" => Interpolation::Linear,
        other => return Err(Error::malformed(format!("mode = {other}"))),
    };
    stretched(call, Stretch::By(scales), interpolation, Coordinates::Asymmetric)
}

fn resize<'a>(call: &mut Call<'a, '_>) -> Result<Vec<Operand<'a>>> {
    if call.opset < 11 {
        return upsample(call);
    }
    if ["axes", "antialias", "exclude_outside"]
        .iter()
        .any(|name| call.attribute(name).is_some_and(|a| a.int != Some(0)))
    {
        return Err(Error::unsupported("named axes, smoothing, or weights that leave out what lies outside"));
    }
    if call.text("keep_aspect_ratio_policy", "stretch")? != "stretch" {
        return Err(Error::unsupported("lengths that keep the proportions"));
    }
    let stretch = match (floats(call, 2)?, call.sizes(3)?) {
        (Some(scales), _) if !scales.is_empty() => Stretch::By(scales),
        (_, Some(lengths)) => Stretch::To(lengths.to_vec()),
        _ => return Err(Error::malformed("neither scales nor lengths")),
    };
    let (interpolation, coordinates) = (interpolation(call)?, coordinates(call)?);
    stretched(call, stretch, interpolation, coordinates)
}

fn interpolation(call: &Call<'_, '_>) -> Result<Interpolation> {
    let nearest = call.text("nearest_mode", "round_prefer_floor")?;
    match (call.text("mode", "nearest")?, nearest) {
        ("nearest", "round_prefer_floor") => Ok(Interpolation::RoundPreferFloor),
        ("nearest", "round_prefer_ceil") => Ok(Interpolation::RoundPreferCeil),
        ("nearest", "floor") => Ok(Interpolation::Floor),
        ("nearest", "ceil") => Ok(Interpolation::Ceil),
        ("linear", _) => Ok(Interpolation::Linear),
        ("cubic", _) if call.float("cubic_coeff_a", -0.75) == -0.75 => Ok(Interpolation::Cubic),
        (mode, _) => Err(Error::unsupported(format!("mode = {mode}, {nearest}"))),
    }
}

fn coordinates(call: &Call<'_, '_>) -> Result<Coordinates> {
    match call.text("coordinate_transformation_mode", "half_pixel")? {
        "half_pixel" => Ok(Coordinates::HalfPixel),
        "half_pixel_symmetric" => Ok(Coordinates::HalfPixelSymmetric),
        "pytorch_half_pixel" => Ok(Coordinates::PytorchHalfPixel),
        "align_corners" => Ok(Coordinates::AlignCorners),
        "asymmetric" => Ok(Coordinates::Asymmetric),
        other => Err(Error::unsupported(format!("coordinate_transformation_mode = {other}"))),
    }
}

enum Stretch {
    By(Vec<f32>),
    To(Vec<Number>),
}

/// The known floats of input `i`, if it is given.
fn floats(call: &Call<'_, '_>, i: usize) -> Result<Option<Vec<f32>>> {
    if !call.has(i) {
        return Ok(None);
    }
    let tensor =
        call.known(i).ok_or_else(|| Error::unsupported(format!("input {i} is not known before the graph runs")))?;
    if tensor.len() > crate::tensor::MOST_AXES {
        return Err(Error::malformed("more scales than axes"));
    }
    Ok(Some(tensor.array()?.into_data()))
}

/// Length and scale of one axis of the output.
fn side(stretch: &Stretch, axis: usize, dim: Dim) -> Option<(usize, f64)> {
    let length = dim.count();
    match stretch {
        Stretch::By(scales) => {
            let scale = f64::from(*scales.get(axis)?);
            let to = (length as f64 * scale).floor();
            (0.0..=1e9).contains(&to).then_some((to as usize, scale))
        }
        Stretch::To(lengths) if *lengths.get(axis)? == Number::from(dim) => Some((length, 1.0)),
        Stretch::To(lengths) => {
            let to = count(lengths.get(axis)?.known()?)?;
            Some((to, to as f64 / length as f64))
        }
    }
}

/// Axes in front that keep their lengths are left alone, the batch among them.
fn stretched<'a>(
    call: &mut Call<'a, '_>,
    stretch: Stretch,
    interpolation: Interpolation,
    coordinates: Coordinates,
) -> Result<Vec<Operand<'a>>> {
    let x = call.value(0)?;
    let shape = call.shape(x);
    let sides: Option<Vec<(usize, f64)>> =
        shape.iter().enumerate().map(|(axis, &dim)| side(&stretch, axis, dim)).collect();
    let sides = sides.ok_or_else(|| Error::malformed("scales or lengths that do not fit the input"))?;
    let keeps = |(dim, side): (&Dim, &(usize, f64))| dim.count() == side.0 && side.1 == 1.0;
    let lead = shape.iter().zip(&sides).take_while(|&pair| keeps(pair)).count();
    if lead == shape.len() {
        return Ok(vec![x.into()]);
    }
    let (to, scale) = sides[lead..].iter().copied().unzip();
    Ok(vec![call.finish(Resize { to, scale, interpolation, coordinates }, &[x])?.into()])
}
