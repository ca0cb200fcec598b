//! The operands of a layer, and its passes over them.
use super::case::Case;
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key, Operands};
use crate::kernels;
use crate::layer::{Layer, Linear};
use crate::pack::{Cut, Order, Pack};
use crate::pattern::{Active, Pattern, Shape};
use crate::top;
use supple_graph::Phase;

/// A layer with its operands, dense or with the first blocks of a pack.
pub struct LayerCase {
    layer: Layer,
    pack: Option<(Pack, usize)>,
    /// Outputs whose gradients count, where not all do.
    top: Option<usize>,
    /// The largest inputs of each row that count, where not all do.
    active: Option<usize>,
    /// Whether the gradient of the input is wanted.
    learns: bool,
    /// Dense weights that the values are gathered from, and that their gradients go back to.
    whole: Option<Vec<f32>>,
    x: Vec<f32>,
    w: Vec<f32>,
    b: Vec<f32>,
    y: Vec<f32>,
    dy: Vec<f32>,
    dx: Vec<f32>,
    dw: Vec<f32>,
    db: Vec<f32>,
}

impl LayerCase {
    /// All weights.
    pub fn dense(layer: Layer) -> Self {
        let [x, w, b, y] = layer.lengths();
        let zeros = |length| vec![0.0; length];
        let (dx, dw, db) = (zeros(x), zeros(w), zeros(b));
        Self {
            layer,
            pack: None,
            top: None,
            active: None,
            learns: true,
            whole: None,
            x: noise(x),
            w: noise(w),
            b: noise(b),
            y: zeros(y),
            dy: noise(y),
            dx,
            dw,
            db,
        }
    }

    /// The share `density` of the blocks of each row, at least one; nothing where the layer's positions do not fit a pack.
    pub fn blocks(layer: Layer, height: usize, order: Order, density: f64) -> Option<Self> {
        let stored = Shape::of(&layer).positions;
        let kept = ((density * stored as f64).round() as usize).clamp(1, stored.max(1));
        Self::cut(layer, Cut { height, order, kept }).ok()
    }

    /// The first blocks of a pack of all.
    ///
    /// # Errors
    /// When the layer's weights do not fit a pack, or there are not as many.
    pub fn cut(layer: Layer, Cut { height, order, kept }: Cut) -> Result<Self, Error> {
        let dense = Self::dense(layer);
        let pack = Pack::new(&layer, &dense.w, &dense.w, height, order)?;
        pack.blocks(kept)?;
        let (w, dw) = (pack.values().to_vec(), vec![0.0; pack.values().len()]);
        Ok(Self { pack: Some((pack, kept)), w, dw, ..dense })
    }

    /// The blocks of a cut alone, gathered from dense weights at each pass backward, and their gradients put back.
    ///
    /// # Errors
    /// As [`cut`](Self::cut).
    pub fn chosen(layer: Layer, cut: Cut) -> Result<Self, Error> {
        let dense = Self::dense(layer);
        let pack = Pack::best(&layer, &dense.w, cut)?;
        let (w, dw) = (pack.values().to_vec(), vec![0.0; pack.values().len()]);
        Ok(Self { pack: Some((pack, cut.kept)), whole: Some(dense.w), w, dw, ..dense })
    }

    /// The same with or without the gradient of the input.
    #[must_use]
    pub fn learning(self, learns: bool) -> Self {
        Self { learns, ..self }
    }

    /// All weights, and backward only the `count` outputs with the largest gradients.
    ///
    /// # Errors
    /// When it is a convolution of several groups.
    pub fn top(layer: Layer, count: usize) -> Result<Self, Error> {
        match layer {
            Layer::Conv2d(conv) if conv.groups != 1 => Err(Error::new("top", format!("{layer:?} has groups"))),
            _ => Ok(Self { top: Some(count), ..Self::dense(layer) }),
        }
    }

    /// All weights, and forward only the `count` largest inputs of each row, looked for at each pass.
    ///
    /// # Errors
    /// When it is no linear layer.
    pub fn active(layer: Layer, count: usize) -> Result<Self, Error> {
        match layer {
            Layer::Linear(_) => Ok(Self { active: Some(count), ..Self::dense(layer) }),
            Layer::Conv2d(_) => Err(Error::new("active", format!("{layer:?} is no linear layer"))),
        }
    }

    /// The same on samples that all equal the first, so that they have their largest inputs in the same places.
    #[must_use]
    pub fn alike(mut self) -> Self {
        let samples = match self.layer {
            Layer::Linear(linear) => linear.rows,
            Layer::Conv2d(conv) => conv.batch,
        };
        let sample = self.x.len() / samples.max(1);
        (1..samples).for_each(|at| self.x.copy_within(..sample, at * sample));
        self
    }

    fn backward_top(&mut self, count: usize, threads: usize) -> Result<(), Error> {
        let kept = top::outputs(&self.dy, top::planes(&self.layer), count);
        let backward = top::Backward { layer: self.layer, kept: &kept, dy: &self.dy, threads };
        if self.learns {
            backward.input(&self.w, &mut self.dx)?;
        }
        backward.weights(&self.x, &mut self.dw, &mut self.db)
    }

    fn pattern(&self) -> Result<Pattern<'_>, Error> {
        match &self.pack {
            None if self.active.is_some() => Ok(Pattern::Active(Active::new(&[]))),
            None => Ok(Pattern::Dense),
            Some((pack, kept)) => pack.blocks(*kept).map(Pattern::Blocks),
        }
    }

    fn pass(&mut self, phase: Phase, threads: usize) -> Result<(), Error> {
        let Self { layer, pack, x, w, b, y, dy, dx, dw, db, .. } = self;
        let pattern = match pack {
            Some((pack, kept)) => Pattern::Blocks(pack.blocks(*kept)?),
            None => Pattern::Dense,
        };
        let operands = match phase {
            Phase::Forward => Operands::Forward { x, w, b: Some(b), relu: false, y },
            Phase::BackwardInput => Operands::BackwardInput { dy, w, dx },
            _ => Operands::BackwardWeight { dy, x, dw, db: Some(db) },
        };
        run(Args { layer: *layer, pattern, operands, threads })
    }

    /// With all but the largest inputs as zero, which are skipped where rows are few.
    fn forward_active(&mut self, linear: Linear, count: usize, threads: usize) -> Result<(), Error> {
        let Self { layer, x, w, b, y, .. } = self;
        let x = Active::largest(x, x, linear.inputs, count);
        let found = (linear.rows <= Active::MOST_ROWS).then(|| Active::find(&x, linear.inputs));
        let pattern = found.as_ref().map_or(Pattern::Dense, |found| Pattern::Active(Active::new(found)));
        let operands = Operands::Forward { x: &x, w, b: Some(b), relu: false, y };
        run(Args { layer: *layer, pattern, operands, threads })
    }
}

fn run(args: Args<'_>) -> Result<(), Error> {
    kernel(&args.key())?.run(args)
}

fn kernel(key: &Key) -> Result<&'static dyn Kernel, Error> {
    kernels::find(key).ok_or_else(|| Error::new("bench", format!("no kernel takes {key:?}")))
}

impl Case for LayerCase {
    fn forward(&mut self, threads: usize) -> Result<(), Error> {
        match (self.layer, self.active) {
            (Layer::Linear(linear), Some(count)) => self.forward_active(linear, count, threads),
            _ => self.pass(Phase::Forward, threads),
        }
    }

    fn backward(&mut self, threads: usize) -> Result<(), Error> {
        if let Some(count) = self.top {
            return self.backward_top(count, threads);
        }
        if let (Some(whole), Some((pack, _))) = (&self.whole, &self.pack) {
            self.w = pack.gather(&self.layer, whole)?;
        }
        if self.learns {
            self.pass(Phase::BackwardInput, threads)?;
        }
        self.pass(Phase::BackwardWeight, threads)?;
        match (&mut self.whole, &self.pack) {
            (Some(whole), Some((pack, kept))) => pack.unpack(&self.layer, &self.dw, *kept, whole),
            _ => Ok(()),
        }
    }

    fn chosen(&self) -> &'static str {
        let key = |pattern: Pattern<'_>| Key { layer: self.layer, format: pattern.format(), phase: Phase::Forward };
        self.pattern().and_then(|pattern| kernel(&key(pattern))).map_or("none", |kernel| kernel.name())
    }
}

/// Numbers between -1/2 and 1/2, the same every time.
pub fn noise(length: usize) -> Vec<f32> {
    (0..length as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32 - 0.5).collect()
}
