//! What operators compute, against cases computed by onnxruntime and PyTorch: `cases/generate.py` and `cases/generate_torch.py` make them.
use serde::Deserialize;
use supple_graph::{Array, DType, Dim, Fact, Op, Operator};

const TOLERANCE: f64 = 2e-5;

#[derive(Deserialize)]
struct Case {
    name: String,
    op: Op,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
}

#[derive(Deserialize)]
struct Tensor {
    dtype: DType,
    #[serde(flatten)]
    array: Array,
}

impl Tensor {
    fn fact(&self) -> Fact {
        Fact { dtype: self.dtype, shape: self.array.shape().iter().map(|&n| Dim::Fixed(n)).collect() }
    }
}

/// What is wrong with what we make of a case.
fn mistake(case: &Case) -> Option<String> {
    let facts: Vec<Fact> = case.inputs.iter().map(Tensor::fact).collect();
    let arrays: Vec<&Array> = case.inputs.iter().map(|tensor| &tensor.array).collect();
    let inferred = case.op.infer(&facts.iter().collect::<Vec<_>>());
    let expected = case.outputs.iter().map(Tensor::fact).collect();
    if inferred != Ok(expected) {
        return Some(format!("inferred {inferred:?}"));
    }
    let made = match case.op.eval(&arrays) {
        Ok(made) => made,
        Err(error) => return Some(error.to_string()),
    };
    let far = |(made, expected): (&Array, &Tensor)| {
        let size = expected.array.data().iter().fold(1.0, |most: f64, v| most.max(f64::from(v.abs())));
        let distance = made.distance(&expected.array);
        (distance > TOLERANCE * size || distance.is_nan()).then(|| format!("{made:?}, expected {:?}", expected.array))
    };
    made.iter().zip(&case.outputs).find_map(far)
}

/// # Panics
/// When an operator computes something else.
fn check(text: &str) {
    let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let cases: Vec<Case> = text.lines().map(read).collect();
    let wrong = |case: &Case| mistake(case).map(|what| format!("{} {:?}: {what}", case.name, case.op));
    let mistakes: Vec<String> = cases.iter().filter_map(wrong).collect();
    assert!(mistakes.is_empty(), "{} of {}:\n{}", mistakes.len(), cases.len(), mistakes.join("\n"));
}

#[test]
fn operators_compute_what_onnxruntime_computes() {
    check(include_str!("cases/onnxruntime.jsonl"));
}

#[test]
fn operators_compute_what_pytorch_computes() {
    check(include_str!("cases/torch.jsonl"));
}
