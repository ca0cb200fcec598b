//! A small grey canvas, and strokes drawn on it without stair steps.
use std::f32::consts::TAU;

/// A point: to the right, downwards.
pub(crate) type Point = [f32; 2];

/// The segments of a full turn of an [`arc`].
const SEGMENTS: f32 = 20.0;

/// A square of grey pixels, 0 (paper) to 1 (ink).
pub(crate) struct Canvas {
    side: usize,
    pixels: Vec<f32>,
}

/// How a line is laid on: half its width in pixels, its shade, and whether it hides what lies under it.
#[derive(Clone, Copy)]
pub(crate) struct Pen {
    pub half_width: f32,
    pub shade: f32,
    pub opaque: bool,
}

impl Canvas {
    pub fn new(side: usize) -> Self {
        Self { side, pixels: vec![0.0; side * side] }
    }

    /// The pixels, row by row.
    pub fn into_pixels(self) -> Vec<f32> {
        self.pixels
    }

    /// Draws the line through these points, in pixels.
    pub fn stroke(&mut self, line: &[Point], pen: Pen) {
        for ends in line.windows(2) {
            self.segment(ends[0], ends[1], pen);
        }
    }

    fn segment(&mut self, from: Point, to: Point, pen: Pen) {
        let reach = pen.half_width + 0.5;
        let [columns, rows] = [0, 1].map(|axis| {
            let low = (from[axis].min(to[axis]) - reach).floor().max(0.0) as usize;
            let high = (from[axis].max(to[axis]) + reach).ceil().max(0.0) as usize;
            low..high.min(self.side)
        });
        for row in rows {
            for column in columns.clone() {
                let centre = [column as f32 + 0.5, row as f32 + 0.5];
                let cover = (reach - distance(centre, from, to)).clamp(0.0, 1.0);
                let pixel = &mut self.pixels[row * self.side + column];
                *pixel = if pen.opaque { *pixel + cover * (pen.shade - *pixel) } else { pixel.max(cover * pen.shade) };
            }
        }
    }
}

/// From a point to the nearest point of a segment.
fn distance(point: Point, from: Point, to: Point) -> f32 {
    let along = [to[0] - from[0], to[1] - from[1]];
    let away = [point[0] - from[0], point[1] - from[1]];
    let length = (along[0] * along[0] + along[1] * along[1]).max(f32::EPSILON);
    let at = ((away[0] * along[0] + away[1] * along[1]) / length).clamp(0.0, 1.0);
    (away[0] - at * along[0]).hypot(away[1] - at * along[1])
}

/// Points on an ellipse around `centre` between two angles in radians, growing from right to down.
pub(crate) fn arc(centre: Point, radii: [f32; 2], from: f32, to: f32) -> Vec<Point> {
    let steps = ((to - from).abs() / TAU * SEGMENTS).ceil().max(1.0);
    (0..=steps as usize)
        .map(|step| from + (to - from) * step as f32 / steps)
        .map(|angle| [centre[0] + radii[0] * angle.cos(), centre[1] + radii[1] * angle.sin()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_stroke_keeps_pixels_between_paper_and_ink(
            ends in prop::array::uniform4(-40f32..60.0), half_width in 0f32..9.0, shade in 0f32..=1.0, opaque: bool,
        ) {
            let mut canvas = Canvas::new(28);
            let line = [[ends[0], ends[1]], [ends[2], ends[3]], [ends[0], ends[1]]];
            canvas.stroke(&line, Pen { half_width, shade, opaque });
            prop_assert!(canvas.into_pixels().iter().all(|pixel| (0.0..=1.0).contains(pixel)));
        }
    }

    #[test]
    fn a_line_covers_its_own_width() {
        let mut canvas = Canvas::new(5);
        canvas.stroke(&[[0.0, 2.5], [5.0, 2.5]], Pen { half_width: 1.0, shade: 1.0, opaque: false });
        let column: Vec<f32> = canvas.into_pixels().into_iter().skip(2).step_by(5).collect();
        assert_eq!(column, [0.0, 0.5, 1.0, 0.5, 0.0]);
    }

    #[test]
    fn a_full_arc_closes() {
        let ring = arc([1.0, 2.0], [3.0, 4.0], 0.0, TAU);
        let (first, last) = (ring[0], ring[ring.len() - 1]);
        assert!((first[0] - last[0]).abs() < 1e-5 && (first[1] - last[1]).abs() < 1e-5);
    }
}
