//! Images where they lie, for convolutions that keep their width, and for those that halve it.
use crate::gather::{self, Band, Elements, Source, Target, Write};
use crate::layer::Conv2d;
use crate::simd::exchange;
use pulp::{MemMask, Simd};
use std::ops::Range;

mod passes;
mod vectors;

pub(crate) use passes::run;
pub(crate) use vectors::fill;
use vectors::{Exchange, Vector, masks, split, vectors};

/// Elements of a vector from which on loading and storing under masks costs nothing: shorter ones have no instruction for it, or a slow one.
pub(crate) const LANES: usize = 16;

/// What each position of a convolution sees of images: one distance for all pixels, under masks that leave out what lies beside the image. Nothing is
/// copied. Pixels of a row see every `STEP`th element: with 1, rows of input and output are as wide, and pixels of all rows are one line; with 2, each row is a
/// line of its own.
pub(crate) struct Images<S: Simd, const STEP: usize> {
    /// Pixels of a channel of the input, and of the output.
    pixels: [usize; 2],
    /// Input channels of a group.
    channels: usize,
    /// Those of a channel of the output.
    vectors: Vec<Vector>,
    /// Elements from what the first position of a channel sees to the pixel itself.
    before: usize,
    /// Elements from what the first position of a channel sees to what the last one sees.
    reach: usize,
    seen: Vec<Seen>,
    masks: Vec<S::m32s>,
    exchange: Exchange<S>,
}

/// What a position of a group sees.
#[derive(Clone, Copy)]
struct Seen {
    /// Elements from what the first one sees.
    offset: u32,
    /// Its first mask.
    mask: u32,
}

/// Whether the images of a sound convolution can stay where they lie.
pub(crate) fn stay(conv: &Conv2d) -> bool {
    conv.stride[1] == 2 || conv.stride == [1, 1] && conv.output_size()[1] == conv.size[1]
}

impl<S: Simd, const STEP: usize> Images<S, STEP> {
    /// Those of a sound convolution whose images [`stay`], and that has a stride of `STEP` to the right.
    #[inline(always)]
    pub fn new(simd: S, conv: &Conv2d) -> Self {
        let ([height, width], out) = (conv.size, conv.output_size());
        let pixels = [height * width, out[0] * out[1]];
        let vectors = vectors::<STEP>(conv, S::F32_LANES);
        let at = |k: usize, l: usize| k * conv.dilation[0] * width + l * conv.dilation[1];
        let mut window = Vec::with_capacity(conv.kernel[0] * conv.kernel[1]);
        for k in 0..conv.kernel[0] {
            for l in 0..conv.kernel[1] {
                window.push(Seen { offset: at(k, l) as u32, mask: (window.len() * vectors.len() * STEP) as u32 });
            }
        }
        let channels = (0..conv.group_inputs()).map(|channel| (channel * pixels[0]) as u32);
        let seen =
            channels.flat_map(|first| window.iter().map(move |seen| Seen { offset: first + seen.offset, ..*seen }));
        Self {
            pixels,
            channels: conv.group_inputs(),
            before: conv.padding[0] * width + conv.padding[1],
            reach: at(conv.kernel[0] - 1, conv.kernel[1] - 1),
            seen: seen.collect(),
            masks: masks::<S, STEP>(simd, conv, &vectors),
            exchange: Exchange::new(split(conv, S::F32_LANES)),
            vectors,
        }
    }

    /// Elements of the vectors of a channel of the output.
    pub fn length(&self) -> usize {
        self.vectors.len() * S::F32_LANES
    }

    /// Its tiles, as wide as `widest` says for so many vectors.
    #[inline(always)]
    pub fn tiles(&self, widest: impl Fn(usize) -> usize) -> Vec<Tile> {
        let mut tiles = Vec::new();
        let mut seen = 0;
        for (at, vectors) in gather::tiles::<S>(self.length(), widest) {
            let last = &self.vectors[at / S::F32_LANES + vectors - 1];
            let end = (last.end(STEP) + self.reach).saturating_sub(self.before).min(self.pixels[0]).max(seen);
            let there = self.output(at)..last.output as usize + last.count();
            tiles.push(Tile { at, vectors, there, seen: seen..end });
            seen = end;
        }
        tiles
    }

    /// Where the pixels of the vectors from `at` on begin in a channel of the output.
    #[inline(always)]
    fn output(&self, at: usize) -> usize {
        self.vectors.get(at / S::F32_LANES).map_or(self.pixels[1], |vector| vector.output as usize)
    }
}

/// A tile of pixels.
pub(crate) struct Tile {
    /// Elements of the vectors before it.
    pub at: usize,
    pub vectors: usize,
    /// Its pixels, of a channel of the output.
    pub there: Range<usize>,
    /// The elements of a channel of the input that it sees up to the last, but those that tiles before it see.
    pub seen: Range<usize>,
}

/// Images of one group, of one or more samples, that are read, or with [`Write`] written too.
#[derive(Clone, Copy)]
pub(crate) struct Masked<'a, S: Simd, A, const STEP: usize> {
    images: &'a Images<S, STEP>,
    elements: Elements<'a, A>,
}

/// What a position sees from a pixel on.
#[derive(Clone, Copy)]
pub(crate) struct Place<S: Simd> {
    /// Of the pixel's own vector, or with more than one line, of the first.
    from: *mut f32,
    /// Those of the pixel's vector and the next ones.
    masks: *const S::m32s,
    vectors: *const Vector,
}

impl<'a, S: Simd, A, const STEP: usize> Masked<'a, S, A, STEP> {
    pub fn new(images: &'a Images<S, STEP>, elements: impl Into<Elements<'a, A>>) -> Self {
        Self { images, elements: elements.into() }
    }
}

// SAFETY: `fits` asks for whole images on each line of the band, and masks leave out what lies beside them and beyond the output.
#[expect(unsafe_code, reason = "bounds are checked once a tile")]
unsafe impl<S: Simd, A: Copy, const STEP: usize> Source<S> for Masked<'_, S, A, STEP> {
    type Place = Place<S>;

    #[inline(always)]
    fn fits(self, greatest: Option<usize>, at: usize, band: Band) -> usize {
        let Images { pixels, channels, seen, .. } = self.images;
        let whole = at.is_multiple_of(S::F32_LANES) && at + band.length <= self.images.length();
        assert!(whole, "pixels of no image");
        let [input, output] = band.skipped();
        if let Some(greatest) = greatest {
            assert!(greatest < seen.len(), "a position that sees nothing");
            assert!(input + channels * pixels[0] <= self.elements.length, "images are too short");
        }
        output + self.images.output(at + band.length) - self.images.output(at)
    }

    #[inline(always)]
    unsafe fn place(self, position: u16, at: usize) -> Place<S> {
        let Images { seen, masks, vectors, before, .. } = self.images;
        let v = at / S::F32_LANES;
        // SAFETY: the caller's promise. What the place points to may lie before or behind the images, where masks are zero.
        unsafe {
            let seen = *seen.get_unchecked(usize::from(position));
            let line = if STEP == 1 { at } else { 0 };
            Place {
                from: self.elements.start.wrapping_add(seen.offset as usize + line).wrapping_sub(*before),
                masks: masks.as_ptr().add(seen.mask as usize + STEP * v),
                vectors: vectors.as_ptr().add(v),
            }
        }
    }

    #[inline(always)]
    unsafe fn load(self, simd: S, place: Place<S>, skip: usize, p: usize) -> S::f32s {
        let (from, v) = (place.from.wrapping_add(skip), p / S::F32_LANES);
        // SAFETY: a mask has nothing but elements of the image (the caller's promise).
        unsafe {
            if STEP == 1 {
                return simd.mask_load_ptr_f32s(MemMask::new(*place.masks.add(v)), from.wrapping_add(p));
            }
            let [first, second] = (*place.vectors.add(v)).input;
            let masks = place.masks.add(2 * v);
            let low = simd.mask_load_ptr_f32s(MemMask::new(*masks), from.wrapping_add(first as usize));
            let high = simd.mask_load_ptr_f32s(MemMask::new(*masks.add(1)), from.wrapping_add(second as usize));
            exchange(simd, [low, high], self.images.exchange.together)
        }
    }

    #[inline(always)]
    unsafe fn load_output(self, simd: S, from: *const f32, at: usize, p: usize) -> S::f32s {
        // SAFETY: the caller's promise; a mask has nothing but pixels that there are.
        unsafe { simd.mask_load_ptr_f32s(MemMask::new(self.there(at + p)), from.wrapping_add(self.skipped(at, p))) }
    }

    #[inline(always)]
    unsafe fn store_output(self, simd: S, to: *mut f32, at: usize, p: usize, v: S::f32s) {
        // SAFETY: the caller's promise; a mask has nothing but pixels that there are.
        unsafe { simd.mask_store_ptr_f32s(MemMask::new(self.there(at + p)), to.wrapping_add(self.skipped(at, p)), v) }
    }
}

#[expect(unsafe_code, reason = "bounds are checked once a tile")]
impl<S: Simd, A, const STEP: usize> Masked<'_, S, A, STEP> {
    /// The pixels that there are of the vector from `p` on.
    ///
    /// # Safety
    /// It is one of the output.
    #[inline(always)]
    unsafe fn there(&self, p: usize) -> S::m32s {
        let Images { masks, vectors, .. } = self.images;
        // SAFETY: the caller's promise; the last masks are those of all vectors.
        unsafe { *masks.get_unchecked(masks.len() - vectors.len() + p / S::F32_LANES) }
    }

    /// Pixels from those of the vector from `at` on to those of the vector `p` further.
    ///
    /// # Safety
    /// Both are of the output.
    #[inline(always)]
    unsafe fn skipped(&self, at: usize, p: usize) -> usize {
        if STEP == 1 {
            return p;
        }
        let vectors = &self.images.vectors;
        // SAFETY: the caller's promise.
        unsafe {
            let first = vectors.get_unchecked(at / S::F32_LANES).output;
            (vectors.get_unchecked((at + p) / S::F32_LANES).output - first) as usize
        }
    }
}

// SAFETY: the images are borrowed to be written.
#[expect(unsafe_code, reason = "bounds are checked once a tile")]
unsafe impl<S: Simd, const STEP: usize> Target<S> for Masked<'_, S, Write, STEP> {
    #[inline(always)]
    unsafe fn store(self, simd: S, place: Place<S>, p: usize, v: S::f32s) {
        let index = p / S::F32_LANES;
        // SAFETY: as `load`.
        unsafe {
            if STEP == 1 {
                let mask = MemMask::new(*place.masks.add(index));
                return simd.mask_store_ptr_f32s(mask, place.from.wrapping_add(p), v);
            }
            let masks = place.masks.add(2 * index);
            for (run, &input) in (*place.vectors.add(index)).input.iter().enumerate() {
                let apart = exchange(simd, [v; 2], self.images.exchange.apart[run]);
                simd.mask_store_ptr_f32s(MemMask::new(*masks.add(run)), place.from.wrapping_add(input as usize), apart);
            }
        }
    }
}
