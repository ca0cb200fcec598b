//! Embedded data for image models: ten hand-drawn signs, some of them easily taken for each other.
//!
//! How hard the set is follows from the constants at the top of this file.
use crate::canvas::{Canvas, Pen, Point, arc};
use crate::data::{Data, Split};
use crate::error::Result;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f32::consts::{FRAC_PI_2, PI, TAU};

/// Height and width of an image, in pixels.
const SIDE: usize = 28;
/// The largest turn to either side, in radians.
const TURN: f32 = 0.4;
/// Half the height of a sign, in pixels: least and most.
const SIZE: [f32; 2] = [7.5, 11.0];
/// Width over height: least and most.
const ASPECT: [f32; 2] = [0.7, 1.3];
/// The largest sideways lean to either side: columns per row.
const LEAN: f32 = 0.3;
/// The largest shift along each axis, in pixels.
const SHIFT: f32 = 2.0;
/// How far each point of a line strays along each axis, where half the sign's height is 1.
const WOBBLE: f32 = 0.06;
/// The opening of the open ring, in radians: least and most. The smaller, the nearer to the closed one.
const OPENING: [f32; 2] = [0.8, 1.5];
/// Half the width of a line, in pixels: least and most.
const HALF_WIDTH: [f32; 2] = [0.6, 1.5];
/// The shade of a sign's lines: least and most.
const INK: [f32; 2] = [0.6, 1.0];
/// The most stray lines; there are none, one, ... or so many with equal chance.
const STRAYS: u32 = 3;
/// The length of a stray line, in pixels: least and most.
const STRAY_LENGTH: [f32; 2] = [3.0, 9.0];
/// The most bars that hide what lies under them; their number is drawn like that of stray lines.
const BARS: u32 = 1;
/// Half the width of a bar, in pixels: least and most.
const BAR_HALF_WIDTH: [f32; 2] = [0.8, 1.8];
/// The standard deviation of the noise on every pixel.
const NOISE: f32 = 0.2;
/// The mean pixel before normalisation, measured.
const MEAN: f32 = 0.115;
/// The standard deviation of pixels before normalisation, measured.
const DEVIATION: f32 = 0.32;

/// Draws the lines of one sign in the square from -1 to 1, downwards.
type Sign = fn(&mut ChaCha8Rng) -> Vec<Vec<Point>>;

/// The signs, by class.
const SIGNS: [Sign; 10] = [ring, open_ring, square, triangle, cross, tee, arrow, zigzag, ess, eight];

/// Draws `train` and `held_out` signs of ten classes in turn: rows `[1, 28, 28]`, about zero mean and unit variance.
///
/// A sample depends on nothing but the seed, its split and its own index: a longer set begins with the shorter one.
///
/// # Errors
/// When either split would be empty.
pub fn glyphs(seed: u64, train: usize, held_out: usize) -> Result<Data> {
    Data::new("glyphs", SIGNS.len(), split(seed, 0, train)?, split(seed, 1, held_out)?)
}

fn split(seed: u64, part: u64, count: usize) -> Result<Split> {
    let inputs = (0..count).flat_map(|index| image(seed, part, index)).collect();
    let targets = (0..count).map(|index| (index % SIGNS.len()) as u32).collect();
    Split::new(inputs, vec![1, SIDE, SIDE], targets, 1, false)
}

/// Sample `index`, from a random stream of its own.
fn image(seed: u64, part: u64, index: usize) -> impl Iterator<Item = f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(index as u64 * 2 + part);
    let lines = SIGNS[index % SIGNS.len()](&mut random);
    let mut canvas = Canvas::new(SIDE);
    draw(&mut canvas, lines, &mut random);
    litter(&mut canvas, &mut random);
    canvas.into_pixels().into_iter().map(move |pixel| (pixel + NOISE * noise(&mut random) - MEAN) / DEVIATION)
}

fn draw(canvas: &mut Canvas, lines: Vec<Vec<Point>>, random: &mut ChaCha8Rng) {
    let place = placement(random);
    let pen = Pen { half_width: within(random, HALF_WIDTH), shade: within(random, INK), opaque: false };
    for mut line in lines {
        for point in &mut line {
            *point = place(point.map(|at| at + either(random, WOBBLE)));
        }
        canvas.stroke(&line, pen);
    }
}

/// Stray lines and bars: what a sign must be told from, and what hides it.
fn litter(canvas: &mut Canvas, random: &mut ChaCha8Rng) {
    for _ in 0..random.random_range(0..=STRAYS) {
        let pen = Pen { half_width: within(random, HALF_WIDTH), shade: within(random, INK), opaque: false };
        let line = anywhere(random, STRAY_LENGTH);
        canvas.stroke(&line, pen);
    }
    for _ in 0..random.random_range(0..=BARS) {
        let pen = Pen { half_width: within(random, BAR_HALF_WIDTH), shade: 0.0, opaque: true };
        let line = anywhere(random, [SIDE as f32, SIDE as f32]);
        canvas.stroke(&line, pen);
    }
}

/// A straight line in any direction whose middle lies anywhere on the canvas.
fn anywhere(random: &mut ChaCha8Rng, length: [f32; 2]) -> [Point; 2] {
    let middle = [0, 1].map(|_| within(random, [0.0, SIDE as f32]));
    let (sine, cosine) = within(random, [0.0, PI]).sin_cos();
    let half = within(random, length) / 2.0;
    [[middle[0] - half * cosine, middle[1] - half * sine], [middle[0] + half * cosine, middle[1] + half * sine]]
}

/// A random map from the sign's square to pixels: stretch, lean, turn, shift.
fn placement(random: &mut ChaCha8Rng) -> impl Fn(Point) -> Point + use<> {
    let size = within(random, SIZE);
    let (aspect, lean) = (within(random, ASPECT), either(random, LEAN));
    let (sine, cosine) = either(random, TURN).sin_cos();
    let centre = [0, 1].map(|_| SIDE as f32 / 2.0 + either(random, SHIFT));
    move |[across, down]| {
        let (x, y) = (size * (across * aspect.sqrt() + lean * down), size * down / aspect.sqrt());
        [centre[0] + cosine * x - sine * y, centre[1] + sine * x + cosine * y]
    }
}

fn within(random: &mut ChaCha8Rng, [least, most]: [f32; 2]) -> f32 {
    random.random_range(least..=most)
}

fn either(random: &mut ChaCha8Rng, most: f32) -> f32 {
    within(random, [-most, most])
}

/// Bell-shaped, zero mean, unit variance: the sum of four random bytes.
fn noise(random: &mut ChaCha8Rng) -> f32 {
    let sum: u32 = random.next_u32().to_le_bytes().into_iter().map(u32::from).sum();
    let deviation = (4.0f32 * (256.0 * 256.0 - 1.0) / 12.0).sqrt();
    (sum as f32 - 4.0 * 127.5) / deviation
}

fn ring(random: &mut ChaCha8Rng) -> Vec<Vec<Point>> {
    let start = within(random, [0.0, TAU]);
    vec![closed(arc([0.0, 0.0], [0.9, 0.9], start, start + TAU * 0.96))]
}

fn open_ring(random: &mut ChaCha8Rng) -> Vec<Vec<Point>> {
    let half = within(random, OPENING) / 2.0;
    vec![arc([0.0, 0.0], [0.9, 0.9], half, TAU - half)]
}

fn square(_: &mut ChaCha8Rng) -> Vec<Vec<Point>> {
    vec![closed(vec![[-0.8, -0.8], [0.8, -0.8], [0.8, 0.8], [-0.8, 0.8]])]
}

fn triangle(_: &mut ChaCha8Rng) -> Vec<Vec<Point>> {
    vec![closed(vec![[0.0, -0.9], [0.9, 0.8], [-0.9, 0.8]])]
}

fn cross(random: &mut ChaCha8Rng) -> Vec<Vec<Point>> {
    let height = within(random, [-0.4, 0.2]);
    vec![vec![[0.0, -1.0], [0.0, 1.0]], vec![[-0.8, height], [0.8, height]]]
}

fn tee(_: &mut ChaCha8Rng) -> Vec<Vec<Point>> {
    vec![vec![[0.0, -0.9], [0.0, 1.0]], vec![[-0.8, -0.9], [0.8, -0.9]]]
}

fn arrow(_: &mut ChaCha8Rng) -> Vec<Vec<Point>> {
    vec![vec![[0.0, -1.0], [0.0, 1.0]], vec![[-0.65, -0.35], [0.0, -1.0], [0.65, -0.35]]]
}

fn zigzag(_: &mut ChaCha8Rng) -> Vec<Vec<Point>> {
    vec![vec![[0.75, -0.9], [-0.75, -0.35], [0.75, 0.35], [-0.75, 0.9]]]
}

fn ess(_: &mut ChaCha8Rng) -> Vec<Vec<Point>> {
    let mut line = arc([0.0, -0.47], [0.7, 0.47], -0.5, -3.0 * FRAC_PI_2);
    line.extend(arc([0.0, 0.47], [0.7, 0.47], -FRAC_PI_2, PI - 0.5));
    vec![line]
}

fn eight(_: &mut ChaCha8Rng) -> Vec<Vec<Point>> {
    [-0.47, 0.47].map(|height| closed(arc([0.0, height], [0.6, 0.47], 0.0, TAU * 0.95))).to_vec()
}

fn closed(mut line: Vec<Point>) -> Vec<Point> {
    line.extend(line.first().copied());
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn a_sample_depends_on_no_other(seed: u64, more in 1usize..30) {
            let (short, long) = (glyphs(seed, 5, 3).unwrap(), glyphs(seed, 5 + more, 3 + more).unwrap());
            prop_assert_eq!(&short.train, &long.train.take(5));
            prop_assert_eq!(&short.held_out, &long.held_out.take(3));
            prop_assert_ne!(&long.train.take(3), &long.held_out.take(3));
        }
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(glyphs(1, 20, 10).unwrap(), glyphs(1, 20, 10).unwrap());
        assert_ne!(glyphs(1, 20, 10).unwrap(), glyphs(2, 20, 10).unwrap());
    }

    #[test]
    fn classes_come_in_turn_and_pixels_are_normalised() {
        let data = glyphs(3, 1000, 10).unwrap();
        assert_eq!(data.held_out.targets(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(data.train.row_shape(), [1, SIDE, SIDE]);
        let pixels = data.train.inputs();
        let mean = pixels.iter().sum::<f32>() / pixels.len() as f32;
        let variance = pixels.iter().map(|pixel| (pixel - mean).powi(2)).sum::<f32>() / pixels.len() as f32;
        assert!(mean.abs() < 0.1, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.15, "variance {variance}");
    }

    #[test]
    fn noise_has_unit_variance() {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let drawn: Vec<f32> = (0..20_000).map(|_| noise(&mut random)).collect();
        let variance = drawn.iter().map(|value| value * value).sum::<f32>() / drawn.len() as f32;
        assert!((variance - 1.0).abs() < 0.05, "variance {variance}");
    }

    #[test]
    fn an_empty_split_is_refused() {
        assert!(glyphs(0, 0, 10).is_err());
    }
}
