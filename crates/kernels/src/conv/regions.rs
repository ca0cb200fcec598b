//! Which elements of the kernel reach which pixels.
use super::geometry::Frame;

/// Regions that one is worth being cut into, at most: the smallest fill their tiles badly.
const MOST: usize = 25;
/// Of so many products, one at least must be saved to be worth the cuts.
const SAVED: usize = 16;

/// Along one axis: pixels of a result, and the elements of the kernel that may reach them.
#[derive(Clone)]
pub(super) struct Span {
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

/// The regions of the pixels of two spans: one that reads the zeros of the frame too, or several that read none, where that saves enough.
///
/// `pitches` are the lengths of a row of the result, of the kernel, and of the frame.
pub(super) fn regions(spans: [Span; 2], frame: &Frame, pitches: [usize; 3]) -> Vec<Region> {
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
