//! All weights.
use super::noise;
use crate::bench::case::Case;
use crate::error::Error;
use crate::kernel::{Args, Kernel, Key, Operands};
use crate::kernels;
use crate::layer::Layer;
use supple_graph::Phase;

/// The dense case; there is none at densities below one.
pub(super) fn make(layer: &Layer, density: f64) -> Option<Box<dyn Case>> {
    (density >= 1.0).then(|| Box::new(Dense::new(*layer)) as Box<dyn Case>)
}

struct Dense {
    layer: Layer,
    x: Vec<f32>,
    w: Vec<f32>,
    b: Vec<f32>,
    y: Vec<f32>,
    dy: Vec<f32>,
    dx: Vec<f32>,
    dw: Vec<f32>,
    db: Vec<f32>,
}

impl Dense {
    fn new(layer: Layer) -> Self {
        let [x, w, b, y] = layer.lengths();
        let zeros = |length| vec![0.0; length];
        let (dx, dw, db) = (zeros(x), zeros(w), zeros(b));
        Self { layer, x: noise(x), w: noise(w), b: noise(b), y: zeros(y), dy: noise(y), dx, dw, db }
    }

    fn kernel(&self, phase: Phase) -> Option<&'static dyn Kernel> {
        kernels::find(&Key { layer: self.layer, phase })
    }

    fn pass(&mut self, phase: Phase, threads: usize) -> Result<(), Error> {
        let missing = || Error::new("dense", format!("no kernel takes {:?}", self.layer));
        let kernel = self.kernel(phase).ok_or_else(missing)?;
        let Self { layer, x, w, b, y, dy, dx, dw, db } = self;
        let operands = match phase {
            Phase::Forward => Operands::Forward { x, w, b: Some(b), relu: false, y },
            Phase::BackwardInput => Operands::BackwardInput { dy, w, dx },
            _ => Operands::BackwardWeight { dy, x, dw, db: Some(db) },
        };
        kernel.run(Args { layer: *layer, operands, threads })
    }
}

impl Case for Dense {
    fn forward(&mut self, threads: usize) -> Result<(), Error> {
        self.pass(Phase::Forward, threads)
    }

    fn backward(&mut self, threads: usize) -> Result<(), Error> {
        self.pass(Phase::BackwardInput, threads)?;
        self.pass(Phase::BackwardWeight, threads)
    }

    fn chosen(&self) -> &'static str {
        self.kernel(Phase::Forward).map_or("none", |kernel| kernel.name())
    }
}
