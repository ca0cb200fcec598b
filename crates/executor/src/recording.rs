//! A forward pass as Burn's capture device records it.
use crate::error::{Error, Result};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::kind::Numeric;
use burn::tensor::{Device, Tensor};
use burn_capture::{CaptureBackend, CapturedGraph, TensorId};
use std::collections::BTreeMap;
use supple_graph::DType;

/// One recorded pass.
pub(crate) struct Recording {
    pub captured: CapturedGraph,
    pub parameters: BTreeMap<TensorId, String>,
    pub batch: usize,
}

/// A tensor whose place in a recording can be asked for.
pub trait Recorded: Clone {
    /// Type of its elements.
    const DTYPE: DType;
    /// Its place.
    ///
    /// # Errors
    /// When it is not on a capture device.
    fn id(&self) -> Result<TensorId>;
}

impl<const D: usize> Recorded for Tensor<D> {
    const DTYPE: DType = DType::F32;
    fn id(&self) -> Result<TensorId> {
        let primitive = self.clone().try_into_primitive::<CaptureBackend>();
        primitive.map(|p| p.id()).map_err(|error| Error::new("capture", format!("{error:?}")))
    }
}

impl<const D: usize> Recorded for Tensor<D, burn::tensor::Int> {
    const DTYPE: DType = DType::I64;
    fn id(&self) -> Result<TensorId> {
        let primitive = self.clone().try_into_primitive::<CaptureBackend>();
        primitive.map(|p| p.id()).map_err(|error| Error::new("capture", format!("{error:?}")))
    }
}

/// Runs the forward pass of `module` on the capture device, on `batch` samples of shape `row`.
pub(crate) fn record<M, K, const D: usize, const E: usize>(
    module: &M,
    row: &[usize],
    batch: usize,
    forward: impl Fn(&M, Tensor<D, K>) -> Tensor<E>,
) -> Result<Recording>
where
    M: Module + Clone,
    K: Numeric,
    Tensor<D, K>: Recorded,
{
    let shape: Vec<usize> = std::iter::once(batch).chain(row.iter().copied()).collect();
    let shape: [usize; D] = shape
        .try_into()
        .map_err(|_| Error::new("capture", format!("a sample of rank {}, expected {}", row.len(), D - 1)))?;
    let device = Device::capture();
    let mut parameters = Err(Error::new("capture", "the pass was not run"));
    let captured = device.capture_scope(|scope| {
        let module = module.clone().to_device(&device);
        let mut names = Names::default();
        module.visit(&mut names);
        let input = Tensor::<D, K>::zeros(shape, &Device::default()).to_device(&device);
        let output = forward(&module, input.clone());
        match (input.id(), output.id()) {
            (Ok(input), Ok(output)) => {
                parameters = names.found;
                scope.complete([input], [output])
            }
            (Err(error), _) | (_, Err(error)) => {
                parameters = Err(error);
                scope.complete([], [])
            }
        }
    });
    let parameters = parameters?;
    let captured = captured.map_err(|error| Error::new("capture", error))?;
    Ok(Recording { captured, parameters, batch })
}

/// Collects the parameters of a module on a capture device with their names.
struct Names {
    path: Vec<String>,
    found: Result<BTreeMap<TensorId, String>>,
}

impl Default for Names {
    fn default() -> Self {
        Self { path: Vec::new(), found: Ok(BTreeMap::new()) }
    }
}

impl ModuleVisitor for Names {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        match (param.val().id(), &mut self.found) {
            (Ok(id), Ok(found)) => {
                found.insert(id, self.path.join("."));
            }
            (Err(error), found) => *found = Err(error),
            (Ok(_), Err(_)) => {}
        }
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}
