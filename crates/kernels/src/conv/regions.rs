//! Which elements of the kernel reach which pixels.
use super::geometry::Frame;
use crate::layer::Conv2d;

/// Regions that one is worth being cut into, at most: the smallest fill their tiles badly.
const MOST: usize = 25;
/// Of so many products, one at least must be saved to be worth the cuts.
const SAVED: usize = 16;

/// Along one axis: pixels of a result, and the elements of the kernel that may reach them.
#[derive(Clone)]
struct Span {
    /// Positions in the result, and places in the frame of what is read.
    pub pixels: Vec<[usize; 2]>,
    /// Elements of the kernel, and the distances that they add to a place.
    pub elements: Vec<[usize; 2]>,
}

/// Pixels of a result that are summed from the same elements of the kernel.
pub(super) struct Region {
    /// Positions in a plane of the result.
    pub pixels: Vec<u32>,
    /// Places of these pixels in a framed plane of what is read.
    pub places: Vec<u32>,
    /// Elements of the kernel, and the distance that each adds.
    pub elements: Vec<[u32; 2]>,
}

impl Span {
    fn products(&self) -> usize {
        self.pixels.len() * self.elements.len()
    }

    /// Parts whose elements all lie inside of the frame, and no other element does.
    fn inside(&self, frame: &Frame, axis: usize) -> Vec<Self> {
        let inside = frame.before[axis]..frame.before[axis] + frame.inner[axis];
        let mut parts: Vec<Self> = Vec::new();
        for &[pixel, place] in &self.pixels {
            let seen = |element: &&[usize; 2]| inside.contains(&(place + element[1]));
            let elements: Vec<[usize; 2]> = self.elements.iter().filter(seen).copied().collect();
            match parts.iter_mut().find(|part| part.elements == elements) {
                Some(part) => part.pixels.push([pixel, place]),
                None => parts.push(Self { pixels: vec![[pixel, place]], elements }),
            }
        }
        parts
    }
}

/// Gradients of weights that are summed over the same pixels.
pub(super) struct Tap {
    /// The first of the gradients, `[channels x elements]`, and the step to the next.
    pub first: usize,
    pub step: usize,
    /// Where each gradient's first pixel would lie in framed samples, and the pixels' distances from there.
    pub bases: Vec<u32>,
    pub offsets: Vec<u32>,
    /// The pixels' positions in y, where these are not all of them.
    pub lines: Option<Vec<u32>>,
}

/// The regions of the pixels of two spans: one that reads the zeros of the frame too, or several that read none, where that saves enough.
///
/// `pitches` are the lengths of a row of the result, of the kernel, and of the frame.
fn regions(spans: [Span; 2], frame: &Frame, pitches: [usize; 3]) -> Vec<Region> {
    let parts = [0, 1].map(|axis| spans[axis].inside(frame, axis));
    let products = |parts: &[Span]| parts.iter().map(Span::products).sum::<usize>();
    let (whole, kept) = (spans[0].products() * spans[1].products(), products(&parts[0]) * products(&parts[1]));
    let worth = parts[0].len() * parts[1].len() <= MOST && kept * SAVED <= whole * (SAVED - 1);
    let [rows, columns] = if worth { parts } else { spans.map(|span| vec![span]) };
    let each = rows.iter().flat_map(|down| columns.iter().map(move |right| region(down, right, pitches)));
    each.filter(|region| !region.pixels.is_empty()).collect()
}

fn region(down: &Span, right: &Span, [result, kernel, frame]: [usize; 3]) -> Region {
    let pairs = |a: &[[usize; 2]], b: &[[usize; 2]], row: usize| -> Vec<[u32; 2]> {
        let pair = |i: [usize; 2], j: [usize; 2]| [(i[0] * row + j[0]) as u32, (i[1] * frame + j[1]) as u32];
        a.iter().flat_map(|&i| b.iter().map(move |&j| pair(i, j))).collect()
    };
    let pixels = pairs(&down.pixels, &right.pixels, result);
    Region {
        pixels: pixels.iter().map(|pixel| pixel[0]).collect(),
        places: pixels.iter().map(|pixel| pixel[1]).collect(),
        elements: pairs(&down.elements, &right.elements, kernel),
    }
}

impl Conv2d {
    /// The regions of y.
    pub(super) fn forward_regions(&self, frame: &Frame) -> Vec<Region> {
        let size = self.output_size();
        let spans = [0, 1].map(|a| Span {
            pixels: (0..size[a]).map(|i| [i, i * self.stride[a]]).collect(),
            elements: (0..self.kernel[a]).map(|k| [k, k * self.dilation[a]]).collect(),
        });
        regions(spans, frame, [size[1], self.kernel[1], frame.outer[1]])
    }

    /// The regions of the gradient of x: pixels whose place in the stride's pattern is another are reached by other elements.
    pub(super) fn gradient_regions(&self, frame: &Frame) -> Vec<Region> {
        let pitches = [self.size[1], self.kernel[1], frame.outer[1]];
        let along = |axis| (0..self.stride[axis]).map(move |residue| self.gradient_span(frame, axis, residue));
        let pairs = along(0).flat_map(|down| along(1).map(move |right| [down.clone(), right]));
        pairs.flat_map(|spans| regions(spans, frame, pitches)).collect()
    }

    fn gradient_span(&self, frame: &Frame, axis: usize, residue: usize) -> Span {
        let (pad, stride) = (self.padding[axis], self.stride[axis]);
        let shift = frame.before[axis] + pad / stride;
        let far = |k: usize| k * self.dilation[axis];
        let pixels = (0..self.size[axis]).filter(|i| (i + pad) % stride == residue);
        let elements = (0..self.kernel[axis]).filter(|&k| far(k) % stride == residue);
        Span {
            pixels: pixels.map(|i| [i, (i + pad) / stride - pad / stride]).collect(),
            elements: elements.map(|k| [k, shift - far(k) / stride]).collect(),
        }
    }

    /// What the gradients of `channels` channels' weights are summed from, over so many framed samples of them.
    pub(super) fn taps(&self, frame: &Frame, channels: usize, samples: usize) -> Vec<Tap> {
        let pixels: usize = self.output_size().iter().product();
        let taps = self.kernel[0] * self.kernel[1];
        let place = |n: usize, place: u32| (n * channels * frame.plane()) as u32 + place;
        let regions = self.forward_regions(frame);
        if let [Region { places, elements, .. }] = &regions[..]
            && elements.len() == taps
        {
            let channel = |c: usize| elements.iter().map(move |e| (c * frame.plane()) as u32 + e[1]);
            let bases = (0..channels).flat_map(channel).collect();
            let offsets = (0..samples).flat_map(|n| places.iter().map(move |&p| place(n, p))).collect();
            return vec![Tap { first: 0, step: 1, bases, offsets, lines: None }];
        }
        let tap = |tap: usize| {
            let sees = |region: &&Region| region.elements.iter().any(|e| e[0] as usize == tap);
            let seen = || regions.iter().filter(sees);
            let distance =
                seen().flat_map(|region| &region.elements).find(|e| e[0] as usize == tap).map_or(0, |e| e[1]);
            let each = |n: usize| seen().flat_map(move |region| region.places.iter().map(move |&p| place(n, p)));
            let line = |n: usize| seen().flat_map(move |r| r.pixels.iter().map(move |p| (n * pixels) as u32 + p));
            Tap {
                first: tap,
                step: taps,
                bases: (0..channels).map(|c| (c * frame.plane()) as u32 + distance).collect(),
                offsets: (0..samples).flat_map(each).collect(),
                lines: Some((0..samples).flat_map(line).collect()),
            }
        };
        (0..taps).map(tap).collect()
    }
}
