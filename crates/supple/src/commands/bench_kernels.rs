//! `supple bench kernels`
use super::{End, table};
use crate::options::KernelBench;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use supple_graph::Phase;
use supple_kernels::{Args, Conv2d, Key, Layer, Limits, Linear, Operands, kernels};

/// Shapes to measure where no file names them.
const SHAPES: &str = r#"{
    "linear": [{"batch": 1, "in": 1024, "out": 1024}, {"batch": 64, "in": 784, "out": 300}, {"batch": 256, "in": 512, "out": 512}],
    "conv2d": [{"batch": 8, "cin": 32, "cout": 64, "hw": 14, "k": 3, "stride": 1, "pad": 1},
               {"batch": 64, "cin": 64, "cout": 128, "hw": 7, "k": 3, "stride": 1, "pad": 1},
               {"batch": 8, "cin": 64, "cout": 128, "hw": 28, "k": 3, "stride": 2, "pad": 1},
               {"batch": 8, "cin": 96, "cout": 96, "hw": 28, "k": 3, "stride": 1, "pad": 1, "groups": 96}]}"#;

/// Time that one turn of one pass may take, and the runs it makes at least and at most.
const TURN: Duration = Duration::from_millis(300);
const RUNS: std::ops::RangeInclusive<usize> = 5..=200;

/// A file of shapes.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Shapes {
    #[serde(default)]
    linear: Vec<LinearShape>,
    #[serde(default)]
    conv2d: Vec<ConvShape>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct LinearShape {
    batch: usize,
    r#in: usize,
    out: usize,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct ConvShape {
    batch: usize,
    cin: usize,
    cout: usize,
    hw: usize,
    k: usize,
    stride: usize,
    pad: usize,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    groups: usize,
}

fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_one(groups: &usize) -> bool {
    *groups == 1
}

/// A shape with its operator, as the peer names both.
struct Shape {
    op: &'static str,
    shape: Value,
    layer: Layer,
}

impl Shape {
    fn linear(shape: LinearShape) -> Result<Self> {
        let LinearShape { batch: rows, r#in: inputs, out: outputs } = shape;
        let layer = Layer::Linear(Linear { rows, inputs, outputs, row_stride: outputs });
        Ok(Self { op: "linear", shape: serde_json::to_value(shape)?, layer })
    }

    fn conv2d(shape: ConvShape) -> Result<Self> {
        let ConvShape { batch, cin: inputs, cout: outputs, hw, k, stride, pad, groups } = shape;
        let conv = Conv2d {
            batch,
            inputs,
            outputs,
            groups,
            size: [hw; 2],
            kernel: [k; 2],
            stride: [stride; 2],
            padding: [pad; 2],
            dilation: [1; 2],
            row_stride: inputs / groups.max(1) * k * k,
        };
        ensure!(conv.is_sound(), "{shape:?} is no convolution");
        Ok(Self { op: "conv2d", shape: serde_json::to_value(shape)?, layer: Layer::Conv2d(conv) })
    }

    /// The words of the shape, without its keys' quotes.
    fn label(&self) -> String {
        let words = self.shape.as_object().into_iter().flatten().map(|(key, value)| format!("{key} {value}"));
        format!("{} {}", self.op, words.collect::<Vec<_>>().join(", "))
    }

    /// A file of this shape alone.
    fn file(&self) -> Value {
        let mut file = serde_json::json!({ "linear": [], "conv2d": [], "densities": [1.0] });
        file[self.op] = Value::Array(vec![self.shape.clone()]);
        file
    }
}

/// Milliseconds of one pass forward and one backward (gradients of input, weights and bias).
#[derive(Clone, Copy, Debug)]
struct Times {
    forward: f64,
    backward: f64,
}

impl Times {
    fn median(times: &[Self]) -> Self {
        Self {
            forward: median(times.iter().map(|times| times.forward).collect()),
            backward: median(times.iter().map(|times| times.backward).collect()),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Measures every shape.
///
/// # Errors
/// When the shapes cannot be read, or the peer does not run.
pub fn run(options: &KernelBench) -> Result<End> {
    let shapes: Shapes = match &options.shapes {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            serde_json::from_str(&text).with_context(|| format!("{} is no file of shapes", path.display()))?
        }
        None => serde_json::from_str(SHAPES)?,
    };
    let shapes = shapes.linear.into_iter().map(Shape::linear).chain(shapes.conv2d.into_iter().map(Shape::conv2d));
    let shapes = shapes.collect::<Result<Vec<_>>>()?;
    let wanted = shapes.iter().filter(|shape| options.only.as_deref().is_none_or(|only| only == shape.op));
    let threads = options.threads.max(1);
    let limits = Limits::measure(threads);
    if options.json {
        let line = serde_json::json!({ "limit": { "gflops": limits.flops / 1e9, "gb_per_s": limits.bytes / 1e9 },
            "threads": threads });
        println!("{line}");
    } else {
        let (gflops, bytes) = (limits.flops / 1e9, limits.bytes / 1e9);
        println!("{threads} threads: {gflops:.1} GFLOP/s of multiply-adds, {bytes:.1} GB/s of memory");
    }
    let (mut rows, mut ratios) = (Vec::new(), Vec::new());
    for shape in wanted {
        let (ours, theirs) = turns(shape, options, threads)?;
        let row = Row { shape, ours, theirs, limits, threads };
        ratios.extend(row.ratios().into_iter().flatten());
        if options.json {
            println!("{}", row.json());
        } else {
            rows.push(row.cells());
        }
    }
    let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
    if !options.json {
        let head = ["shape", "fwd ms", "GFLOP/s", "of limit", "bwd ms", "GFLOP/s", "of limit", "fwd x", "bwd x"];
        println!("{}", table(&head[..if options.against.is_some() { 9 } else { 7 }], rows));
    }
    if options.against.is_some() {
        let line = if options.json {
            serde_json::json!({ "geometric_mean": mean }).to_string()
        } else {
            format!("peer's time over ours, geometric mean: {mean:.3}")
        };
        println!("{line}");
    }
    Ok(End::Done)
}

/// The times of this program and of the peer, if there is one, taken in turn.
fn turns(shape: &Shape, options: &KernelBench, threads: usize) -> Result<(Times, Option<Times>)> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut case = Case::new(shape.layer);
    for _ in 0..options.rounds.max(1) {
        if let Some(peer) = &options.against {
            theirs.push(ask(peer, &options.python, shape, threads)?);
        }
        ours.push(case.times(threads)?);
    }
    Ok((Times::median(&ours), options.against.as_ref().map(|_| Times::median(&theirs))))
}

/// The peer's times for one shape.
fn ask(peer: &Path, python: &Path, shape: &Shape, threads: usize) -> Result<Times> {
    let file = std::env::temp_dir().join(format!("supple-shape-{}.json", std::process::id()));
    std::fs::write(&file, shape.file().to_string()).with_context(|| format!("cannot write {}", file.display()))?;
    let mut command = Command::new(python);
    command.arg(peer).arg("--threads").arg(threads.to_string()).arg("--shapes").arg(&file);
    let output = command.stderr(Stdio::inherit()).output();
    let removed = std::fs::remove_file(&file);
    let output = output.with_context(|| format!("cannot run {}", python.display()))?;
    removed.with_context(|| format!("cannot remove {}", file.display()))?;
    ensure!(output.status.success(), "{} {} failed: {}", python.display(), peer.display(), output.status);
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let value: Value = serde_json::from_str(line).with_context(|| format!("the peer said {line}"))?;
        if let (Some("dense"), Some(forward), Some(backward)) =
            (value["format"].as_str(), value["forward_ms"].as_f64(), value["backward_ms"].as_f64())
        {
            return Ok(Times { forward, backward });
        }
    }
    bail!("the peer gave no times for {}", shape.label())
}

/// Operands of a layer.
struct Case {
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

impl Case {
    fn new(layer: Layer) -> Self {
        let [x, w, b, y] = layer.lengths();
        let noise =
            |length: usize| (0..length as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 1.6e7 - 0.5);
        let noise = |length| noise(length).collect::<Vec<f32>>();
        let zeros = |length| vec![0.0; length];
        Self {
            layer,
            x: noise(x),
            w: noise(w),
            b: noise(b),
            y: zeros(y),
            dy: noise(y),
            dx: zeros(x),
            dw: zeros(w),
            db: zeros(b),
        }
    }

    fn times(&mut self, threads: usize) -> Result<Times> {
        let forward = time(|| self.pass(Phase::Forward, threads))?;
        let backward = time(|| {
            self.pass(Phase::BackwardInput, threads)?;
            self.pass(Phase::BackwardWeight, threads)
        })?;
        Ok(Times { forward, backward })
    }

    fn pass(&mut self, phase: Phase, threads: usize) -> Result<()> {
        let Self { layer, x, w, b, y, dy, dx, dw, db } = self;
        let kernel =
            kernels::find(&Key { layer: *layer, phase }).with_context(|| format!("no kernel takes {layer:?}"))?;
        let operands = match phase {
            Phase::Forward => Operands::Forward { x, w, b: Some(b), relu: false, y },
            Phase::BackwardInput => Operands::BackwardInput { dy, w, dx },
            _ => Operands::BackwardWeight { dy, x, dw, db: Some(db) },
        };
        Ok(kernel.run(Args { layer: *layer, operands, threads })?)
    }
}

/// Median milliseconds of a call, after one that does not count.
fn time(mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    call()?;
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.len() < *RUNS.start() || (begin.elapsed() < TURN && times.len() < *RUNS.end()) {
        let start = Instant::now();
        call()?;
        times.push(1e3 * start.elapsed().as_secs_f64());
    }
    Ok(median(times))
}

/// What is printed of a shape.
struct Row<'a> {
    shape: &'a Shape,
    ours: Times,
    theirs: Option<Times>,
    limits: Limits,
    threads: usize,
}

impl Row<'_> {
    /// Useful GFLOP/s, and the share of the limit: the time that the machine needs at least over the time taken. A pass backward is two
    /// products, each with all three operands.
    fn rate(&self, passes: f64, milliseconds: f64) -> [f64; 2] {
        let (flops, bytes) = (passes * self.shape.layer.flops(), passes * self.shape.layer.bytes());
        [flops / milliseconds / 1e6, 1e3 * self.limits.seconds(flops, bytes) / milliseconds]
    }

    /// The peer's time over ours, forward and backward.
    fn ratios(&self) -> Option<[f64; 2]> {
        self.theirs.map(|theirs| [theirs.forward / self.ours.forward, theirs.backward / self.ours.backward])
    }

    fn json(&self) -> Value {
        let [forward, forward_share] = self.rate(1.0, self.ours.forward);
        let [backward, backward_share] = self.rate(2.0, self.ours.backward);
        let mut line = serde_json::json!({
            "peer": "supple", "version": env!("CARGO_PKG_VERSION"), "op": self.shape.op, "shape": self.shape.shape,
            "threads": self.threads, "format": "dense", "density": 1.0,
            "forward_ms": self.ours.forward, "backward_ms": self.ours.backward,
            "forward_gflops": forward, "backward_gflops": backward,
            "forward_of_limit": forward_share, "backward_of_limit": backward_share,
        });
        if let (Some(theirs), Some([forward, backward])) = (self.theirs, self.ratios()) {
            line["against"] = serde_json::json!({ "forward_ms": theirs.forward, "backward_ms": theirs.backward,
                "forward_ratio": forward, "backward_ratio": backward });
        }
        line
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.shape.label()];
        for (passes, milliseconds) in [(1.0, self.ours.forward), (2.0, self.ours.backward)] {
            let [gflops, share] = self.rate(passes, milliseconds);
            cells.extend([format!("{milliseconds:.3}"), format!("{gflops:.1}"), format!("{:.0} %", 100.0 * share)]);
        }
        cells.extend(self.ratios().into_iter().flatten().map(|ratio| format!("{ratio:.2}")));
        cells
    }
}
