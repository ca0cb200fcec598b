//! Where the operands of a tile lie.
use super::band::Band;
use crate::tile::Indices;
use pulp::Simd;
use std::marker::PhantomData;

/// How the pixels lie that the positions of a layer see, and those of its output.
///
/// # Safety
/// What [`fits`](Self::fits) can be loaded; and of the output, as many elements as it says hold all pixels that there are.
#[expect(unsafe_code, reason = "bounds are checked once a tile")]
pub(crate) unsafe trait Source<S: Simd>: Copy {
    /// Where one position sees them.
    type Place: Copy;

    /// Elements from the first to the last of the output's pixels that there are in a band from `at` on.
    ///
    /// # Panics
    /// When positions up to the greatest see anything but this source from there.
    fn fits(self, greatest: Option<usize>, at: usize, band: Band) -> usize;

    /// Where `position` sees the pixel `at`.
    ///
    /// # Safety
    /// The position [`fits`](Self::fits).
    unsafe fn place(self, position: u16, at: usize) -> Self::Place;

    /// The vector `p` pixels on, a whole number of vectors, of the line that begins `skip` elements further.
    ///
    /// # Safety
    /// It is in the band that [`fits`](Self::fits).
    unsafe fn load(self, simd: S, place: Self::Place, skip: usize, p: usize) -> S::f32s;

    /// The vector `p` pixels on of the output, whose pixel `at` lies at `from`.
    ///
    /// # Safety
    /// Those of its pixels that there are can be read.
    unsafe fn load_output(self, simd: S, from: *const f32, at: usize, p: usize) -> S::f32s;

    /// Writes the vector `p` pixels on of the output, whose pixel `at` lies at `to`.
    ///
    /// # Safety
    /// Those of its pixels that there are can be written.
    unsafe fn store_output(self, simd: S, to: *mut f32, at: usize, p: usize, v: S::f32s);
}

/// A [`Source`] that is written to.
///
/// # Safety
/// What fits can be stored.
#[expect(unsafe_code, reason = "bounds are checked once a tile")]
pub(crate) unsafe trait Target<S: Simd>: Source<S> {
    /// Writes the vector `p` pixels on, a whole number of vectors.
    ///
    /// # Safety
    /// As [`load`](Source::load).
    unsafe fn store(self, simd: S, place: Self::Place, p: usize, v: S::f32s);
}

/// Elements that are read, or with [`Write`] written too, while this lives.
#[derive(Clone, Copy)]
pub(crate) struct Elements<'a, A> {
    pub start: *mut f32,
    pub length: usize,
    access: PhantomData<(&'a f32, A)>,
}

/// Access of [`Elements`] that are read.
#[derive(Clone, Copy)]
pub(crate) struct Read;

/// Access of [`Elements`] that are read and written.
#[derive(Clone, Copy)]
pub(crate) struct Write;

impl<'a> From<&'a [f32]> for Elements<'a, Read> {
    fn from(elements: &'a [f32]) -> Self {
        Self { start: elements.as_ptr().cast_mut(), length: elements.len(), access: PhantomData }
    }
}

impl<'a> From<&'a mut [f32]> for Elements<'a, Write> {
    fn from(elements: &'a mut [f32]) -> Self {
        Self { start: elements.as_mut_ptr(), length: elements.len(), access: PhantomData }
    }
}

/// Planes in which each position is one distance from all pixels, with zeros wherever it sees none.
#[derive(Clone, Copy)]
pub(crate) struct Shifted<'a, A> {
    planes: Elements<'a, A>,
    offsets: Indices<'a>,
}

impl<'a, A> Shifted<'a, A> {
    /// Planes, and how far each position sees.
    pub fn new(planes: impl Into<Elements<'a, A>>, offsets: Indices<'a>) -> Self {
        Self { planes: planes.into(), offsets }
    }
}

// SAFETY: `fits` asks for the whole band at the greatest offset.
#[expect(unsafe_code, reason = "bounds are checked once a tile")]
unsafe impl<S: Simd, A: Copy> Source<S> for Shifted<'_, A> {
    type Place = *mut f32;

    #[inline(always)]
    fn fits(self, greatest: Option<usize>, at: usize, band: Band) -> usize {
        let [input, output] = band.spans();
        if let Some(greatest) = greatest {
            assert!(greatest < self.offsets.len(), "a position without an offset");
            assert!(at + self.offsets.greatest() + input <= self.planes.length, "planes are too short");
        }
        output
    }

    #[inline(always)]
    unsafe fn place(self, position: u16, at: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.planes.start.add(at + self.offsets.at_unchecked(position.into())) }
    }

    #[inline(always)]
    unsafe fn load(self, _: S, place: *mut f32, skip: usize, p: usize) -> S::f32s {
        // SAFETY: the caller's promise.
        unsafe { place.add(skip + p).cast::<S::f32s>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_output(self, _: S, from: *const f32, _: usize, p: usize) -> S::f32s {
        // SAFETY: the caller's promise; there are all pixels.
        unsafe { from.add(p).cast::<S::f32s>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store_output(self, _: S, to: *mut f32, _: usize, p: usize, v: S::f32s) {
        // SAFETY: the caller's promise; there are all pixels.
        unsafe { to.add(p).cast::<S::f32s>().write_unaligned(v) }
    }
}

// SAFETY: the planes are borrowed to be written.
#[expect(unsafe_code, reason = "bounds are checked once a tile")]
unsafe impl<S: Simd> Target<S> for Shifted<'_, Write> {
    #[inline(always)]
    unsafe fn store(self, _: S, place: *mut f32, p: usize, v: S::f32s) {
        // SAFETY: the caller's promise.
        unsafe { place.add(p).cast::<S::f32s>().write_unaligned(v) }
    }
}
