//! Images where they lie, for convolutions that keep their width.
use crate::gather::{self, Band, Elements, Source, Target, Write};
use crate::layer::Conv2d;
use pulp::{MemMask, Simd, bytemuck};
use std::ops::Range;

mod passes;

pub(crate) use passes::run;

/// Elements of a vector from which on loading and storing under masks costs nothing: shorter ones have no instruction for it, or a slow one.
pub(crate) const LANES: usize = 16;

/// What each position of a convolution of stride one sees of images as wide as its output: one distance for all pixels, under masks that leave out what
/// lies beside the image. Nothing is copied.
pub(crate) struct Images<S: Simd> {
    /// Pixels of a channel of the input, and of the output.
    pixels: [usize; 2],
    /// Input channels of a group.
    channels: usize,
    /// Vectors of a channel of the output.
    vectors: usize,
    /// Elements from what the first position of a channel sees to the pixel itself.
    before: usize,
    /// Elements from what the first position of a channel sees to what the last one sees.
    reach: usize,
    seen: Vec<Seen>,
    /// Of each vector, which pixels see one of the image from a position of the kernel; at last, which there are. `[positions + 1, vectors]`.
    masks: Vec<S::m32s>,
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
    conv.stride == [1, 1] && conv.output_size()[1] == conv.size[1]
}

impl<S: Simd> Images<S> {
    /// Those of a sound convolution whose images [`stay`].
    #[inline(always)]
    pub fn new(simd: S, conv: &Conv2d) -> Self {
        let ([height, width], out) = (conv.size, conv.output_size());
        let pixels = [height * width, out[0] * width];
        let vectors = pixels[1].div_ceil(S::F32_LANES);
        let at = |k: usize, l: usize| k * conv.dilation[0] * width + l * conv.dilation[1];
        let mut window = Vec::with_capacity(conv.kernel[0] * conv.kernel[1]);
        for k in 0..conv.kernel[0] {
            for l in 0..conv.kernel[1] {
                window.push(Seen { offset: at(k, l) as u32, mask: (window.len() * vectors) as u32 });
            }
        }
        let channels = (0..conv.group_inputs()).map(|channel| (channel * pixels[0]) as u32);
        let seen =
            channels.flat_map(|first| window.iter().map(move |seen| Seen { offset: first + seen.offset, ..*seen }));
        Self {
            pixels,
            channels: conv.group_inputs(),
            vectors,
            before: conv.padding[0] * width + conv.padding[1],
            reach: at(conv.kernel[0] - 1, conv.kernel[1] - 1),
            seen: seen.collect(),
            masks: masks(simd, conv, vectors),
        }
    }

    /// Elements of a channel of the output, in whole vectors.
    pub fn length(&self) -> usize {
        self.vectors * S::F32_LANES
    }

    /// Its tiles, as wide as `widest` says for so many vectors.
    #[inline(always)]
    pub fn tiles(&self, widest: impl Fn(usize) -> usize) -> Vec<Tile> {
        let mut tiles = Vec::new();
        let mut seen = 0;
        for (at, vectors) in gather::tiles::<S>(self.length(), widest) {
            let end = at + vectors * S::F32_LANES;
            let last = (end + self.reach).saturating_sub(self.before).min(self.pixels[0]).max(seen);
            tiles.push(Tile { at, vectors, there: at..end.min(self.pixels[1]), seen: seen..last });
            seen = last;
        }
        tiles
    }
}

/// A tile of pixels.
pub(crate) struct Tile {
    /// Where it begins.
    pub at: usize,
    pub vectors: usize,
    /// Its pixels that there are.
    pub there: Range<usize>,
    /// The elements of a channel of the input that it sees up to the last, but those that tiles before it see.
    pub seen: Range<usize>,
}

/// The masks of each position of the kernel, and of the pixels that there are.
#[inline(always)]
fn masks<S: Simd>(simd: S, conv: &Conv2d, vectors: usize) -> Vec<S::m32s> {
    let places = 0..(vectors * S::U32_LANES) as u32;
    let width = (conv.size[1] as u32).max(1);
    let rows: Vec<u32> = places.clone().map(|p| p / width).collect();
    let columns: Vec<u32> = places.map(|p| p % width).collect();
    let height = simd.splat_u32s(conv.output_size()[0] as u32);
    let mut masks = Vec::with_capacity((conv.kernel[0] * conv.kernel[1] + 1) * vectors);
    for k in 0..conv.kernel[0] {
        for l in 0..conv.kernel[1] {
            for v in 0..vectors {
                let row = places_of::<S>(&rows, v);
                let on = simd
                    .and_m32s(is_on(simd, row, conv, (0, k)), is_on(simd, places_of::<S>(&columns, v), conv, (1, l)));
                masks.push(simd.and_m32s(on, simd.less_than_u32s(row, height)));
            }
        }
    }
    for v in 0..vectors {
        masks.push(simd.less_than_u32s(places_of::<S>(&rows, v), height));
    }
    masks
}

/// A vector of places along an axis.
#[inline(always)]
fn places_of<S: Simd>(places: &[u32], v: usize) -> S::u32s {
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(&places[v * S::U32_LANES..][..S::U32_LANES]))
}

/// Which places see the image from position `k` along axis `a`. One before the image is a large number.
#[inline(always)]
fn is_on<S: Simd>(simd: S, places: S::u32s, conv: &Conv2d, (a, k): (usize, usize)) -> S::m32s {
    let moved = (k * conv.dilation[a]).wrapping_sub(conv.padding[a]) as u32;
    let seen = simd.add_u32s(places, simd.splat_u32s(moved));
    simd.less_than_u32s(seen, simd.splat_u32s(conv.size[a] as u32))
}

/// Images of one group, of one or more samples, that are read, or with [`Write`] written too.
#[derive(Clone, Copy)]
pub(crate) struct Masked<'a, S: Simd, A> {
    images: &'a Images<S>,
    elements: Elements<'a, A>,
}

impl<'a, S: Simd, A> Masked<'a, S, A> {
    pub fn new(images: &'a Images<S>, elements: impl Into<Elements<'a, A>>) -> Self {
        Self { images, elements: elements.into() }
    }
}

// SAFETY: `fits` asks for whole images on each line of the band, and masks leave out what lies beside them and beyond the output.
#[expect(unsafe_code, reason = "bounds are checked once a tile")]
unsafe impl<S: Simd, A: Copy> Source<S> for Masked<'_, S, A> {
    type Place = (*mut f32, *const S::m32s);

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
        output + band.length.min(pixels[1] - at)
    }

    #[inline(always)]
    unsafe fn place(self, position: u16, at: usize) -> Self::Place {
        // SAFETY: the caller's promise. What the place points to may lie before or behind the images, where masks are zero.
        unsafe {
            let seen = *self.images.seen.get_unchecked(usize::from(position));
            let from = self.elements.start.wrapping_add(seen.offset as usize + at).wrapping_sub(self.images.before);
            (from, self.images.masks.as_ptr().add(seen.mask as usize + at / S::F32_LANES))
        }
    }

    #[inline(always)]
    unsafe fn load(self, simd: S, (from, masks): Self::Place, skip: usize, p: usize) -> S::f32s {
        // SAFETY: a mask has nothing but pixels of the image, which are in the elements (the caller's promise).
        unsafe { simd.mask_load_ptr_f32s(MemMask::new(*masks.add(p / S::F32_LANES)), from.wrapping_add(skip + p)) }
    }

    #[inline(always)]
    unsafe fn load_output(self, simd: S, from: *const f32, p: usize) -> S::f32s {
        // SAFETY: the caller's promise; a mask has nothing but pixels that there are.
        unsafe { simd.mask_load_ptr_f32s(MemMask::new(self.there(p)), from) }
    }

    #[inline(always)]
    unsafe fn store_output(self, simd: S, to: *mut f32, p: usize, v: S::f32s) {
        // SAFETY: the caller's promise; a mask has nothing but pixels that there are.
        unsafe { simd.mask_store_ptr_f32s(MemMask::new(self.there(p)), to, v) }
    }
}

#[expect(unsafe_code, reason = "bounds are checked once a tile")]
impl<S: Simd, A> Masked<'_, S, A> {
    /// The pixels that there are of the vector from `p` on.
    ///
    /// # Safety
    /// It is one of the output.
    #[inline(always)]
    unsafe fn there(&self, p: usize) -> S::m32s {
        let Images { masks, vectors, .. } = self.images;
        // SAFETY: the caller's promise; the last masks are those of all vectors.
        unsafe { *masks.get_unchecked(masks.len() - vectors + p / S::F32_LANES) }
    }
}

// SAFETY: the images are borrowed to be written.
#[expect(unsafe_code, reason = "bounds are checked once a tile")]
unsafe impl<S: Simd> Target<S> for Masked<'_, S, Write> {
    #[inline(always)]
    unsafe fn store(self, simd: S, (to, masks): Self::Place, p: usize, v: S::f32s) {
        // SAFETY: as `load`.
        unsafe { simd.mask_store_ptr_f32s(MemMask::new(*masks.add(p / S::F32_LANES)), to.wrapping_add(p), v) }
    }
}
