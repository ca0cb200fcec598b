//! Gradients by one operand: Burn's own derivative of what Burn computes.
use super::{Call, Runner, find as find_forward, missing};
use crate::tensor::Any;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{AutodiffBackend, Dispatch};
use supple_graph::{DType, Fact, Op, Operator};

pub(super) fn find(op: &Op, inputs: &[&Fact], _outputs: &[Fact]) -> Option<Runner> {
    let Op::Backward(op) = op else { return None };
    let (_, operands) = inputs.split_last()?;
    let floats = operands.iter().all(|fact| fact.dtype == DType::F32);
    let facts = op.of.infer(operands).ok().filter(|facts| floats && facts.len() == 1)?;
    let forward = find_forward(&op.of, operands, &facts)?;
    let input = op.input;
    Some(Runner::of(move |operands, call| {
        let mut tracked: Vec<Any> =
            operands.rest().into_iter().map(<Dispatch as AutodiffBackend>::from_inner).collect();
        let gradient = tracked.pop();
        let operand = tracked.get_mut(input).map(|x| {
            *x = Dispatch::float_set_require_grad(x.clone(), true);
            x.clone()
        });
        let (Some(gradient), Some(operand)) = (gradient, operand) else { return Err(missing()) };
        let device = call.device.clone().autodiff();
        let inner = Call { facts: &facts, device: &device, relu: false, top: None, ..*call };
        let y = forward.run(tracked, &inner)?.into_iter().next();
        let Some(y) = y else { return Err(missing()) };
        let sum = Dispatch::float_sum(Dispatch::float_mul(y, gradient));
        let found = <Dispatch as AutodiffBackend>::backward(sum);
        match <Dispatch as AutodiffBackend>::grad(&operand, &found) {
            Some(gradient) => Ok(gradient),
            None => Ok(Dispatch::float_mul_scalar(<Dispatch as AutodiffBackend>::inner(operand), 0.0.into())),
        }
    }))
}
