//! The command line.
use clap::{Args, Parser, Subcommand};
use std::ops::Range;
use std::path::PathBuf;
use supple_sim::sweep::Shard;

/// Deep learning that fits the moment: one set of weights at any degree of sparsity.
#[derive(Debug, Parser)]
#[command(
    name = "supple",
    version,
    about,
    after_help = "SUPPLE_LOG sets the log level (error, warn, info, debug). \
    Exit codes: 0 done, 1 ran but could not keep a demand, 2 bad input, 130 interrupted."
)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The main job in under a minute: dense against guided, live and simulated, with a report.
    Demo(Demo),
    /// Trains a model; with --elastic, so that every density of it is good.
    Train(Train),
    /// Measures what settings cost on this machine.
    Profile(Profile),
    /// Measures what quality each site loses at each density.
    Sensitivity(Sensitivity),
    /// Measures quality, solves, and writes the rungs worth choosing.
    Ladder(Ladder),
    /// Serves a scenario's requests live, under its CPU share.
    Serve(Serve),
    /// Serves a scenario's requests in virtual time.
    Simulate(Simulate),
    /// Simulates scenarios by policies by seeds on all cores, and compares the policies.
    Sweep(Sweep),
    /// Runs a micro-suite live and stores the timing model that fits it, for faithful simulation.
    Calibrate(Calibrate),
    /// Runs a scenario live and simulated, and reports signed errors component by component.
    Fidelity(Fidelity),
    /// Checks, lists and shows scenarios, and prints their JSON schema.
    #[command(subcommand)]
    Scenario(ScenarioCommand),
    /// Shows what trace files hold, converts them, and writes generated ones.
    #[command(subcommand)]
    Trace(TraceCommand),
    /// Shows which parts of a model can be made sparse, and why.
    Analyze(Analyze),
    /// Measures Supple itself.
    Bench(Bench),
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Common {
    /// Print JSON instead of tables.
    #[arg(long)]
    pub json: bool,
    /// The backend to run on: one of those this build contains.
    #[arg(long)]
    pub backend: Option<String>,
}

/// Where the model and its data come from.
#[derive(Debug, Args)]
pub struct Source {
    /// A model file, or the name of a built-in model that is trained already: cnn.
    #[arg(long, default_value = "cnn")]
    pub model: String,
    /// A folder of real data (IDX files or input.txt); without it, the embedded data.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Threads that compute.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
}

/// A scenario and where its report goes.
#[derive(Debug, Args)]
pub struct Play {
    /// A scenario: a TOML file, or the name of a built-in one (see `supple scenario list`).
    #[arg(long)]
    pub scenario: String,
    /// The folder that the scenario's trace files are looked up in.
    #[arg(long)]
    pub traces: Option<PathBuf>,
    /// A policy; may be given more than once. Without it: hold and kalman.
    #[arg(long)]
    pub policy: Vec<String>,
    /// The folder that report.html and report.json go to.
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// The file that a trace for ui.perfetto.dev and chrome://tracing goes to.
    #[arg(long)]
    pub perfetto: Option<PathBuf>,
    /// Another seed than the scenario's.
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// The folder that the report goes to.
    #[arg(long, default_value = "supple-demo")]
    pub report: PathBuf,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `train`.
#[derive(Debug, Args)]
pub struct Train {
    /// The model: mlp, cnn, chars or patches.
    #[arg(long, default_value = "cnn")]
    pub model: String,
    /// Train the largest, the smallest and random densities in every step.
    #[arg(long)]
    pub elastic: bool,
    /// A folder of real data (IDX files or input.txt); without it, the embedded data.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Steps in all.
    #[arg(long, default_value_t = 900)]
    pub steps: usize,
    /// Samples a step.
    #[arg(long, default_value_t = 64)]
    pub batch: usize,
    /// Step size at its highest.
    #[arg(long, default_value_t = 2e-3)]
    pub rate: f64,
    /// Seed of weights, order and densities.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where the model goes.
    #[arg(long, default_value = "model.safetensors")]
    pub out: PathBuf,
    /// Store the weights in 16 bits.
    #[arg(long)]
    pub half: bool,
    /// Go on from the checkpoint beside --out.
    #[arg(long)]
    pub resume: bool,
    /// Train under a scenario's moving CPU share and deadline instead, once a policy.
    #[arg(long)]
    pub scenario: Option<String>,
    /// The folder that the scenario's trace files are looked up in.
    #[arg(long)]
    pub traces: Option<PathBuf>,
    /// A policy for --scenario; may be given more than once. Without it: hold and kalman.
    #[arg(long)]
    pub policy: Vec<String>,
    /// The folder that the scenario's report goes to.
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `profile`.
#[derive(Debug, Args)]
pub struct Profile {
    /// Model and data.
    #[command(flatten)]
    pub source: Source,
    /// Samples in one request.
    #[arg(long, default_value_t = 8)]
    pub batch: usize,
    /// Where the profile goes.
    #[arg(long, default_value = "profile.json")]
    pub out: PathBuf,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `sensitivity`.
#[derive(Debug, Args)]
pub struct Sensitivity {
    /// Model and data.
    #[command(flatten)]
    pub source: Source,
    /// Held-out rows that quality is measured on, at most.
    #[arg(long, default_value_t = 1000)]
    pub rows: usize,
    /// Rows in one batch; gradients are scored batch by batch.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub batch: u16,
    /// Drawn settings that combine sites, to hold what is expected of them against what they lose.
    #[arg(long, default_value_t = 40)]
    pub combined: usize,
    /// Where the measured losses go.
    #[arg(long, default_value = "sensitivity.json")]
    pub out: PathBuf,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `ladder`.
#[derive(Debug, Args)]
pub struct Ladder {
    /// Model and data.
    #[command(flatten)]
    pub source: Source,
    /// Samples in one request.
    #[arg(long, default_value_t = 8)]
    pub batch: usize,
    /// A profile of this model on this machine; without it, one is measured.
    #[arg(long)]
    pub profile: Option<PathBuf>,
    /// Losses of this model as `sensitivity` measured them; without it, they are measured.
    #[arg(long)]
    pub sensitivity: Option<PathBuf>,
    /// Where the ladder goes.
    #[arg(long, default_value = "ladder.json")]
    pub out: PathBuf,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Model and data.
    #[command(flatten)]
    pub source: Source,
    /// The ladder, measured of this model on this machine.
    #[arg(long, default_value = "ladder.json")]
    pub ladder: PathBuf,
    /// Scenario and report.
    #[command(flatten)]
    pub play: Play,
    /// Simulate the same as well, and put both side by side.
    #[arg(long)]
    pub simulated: bool,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// The ladder that service times and quality come from: a file, or `reference` for the one that Supple ships.
    #[arg(long, default_value = "ladder.json")]
    pub ladder: PathBuf,
    /// Ask hindsight too, and report each policy's regret; of a fleet the best run that a search finds, so that there may be more to regret.
    #[arg(long)]
    pub regret: bool,
    /// Scenario and report.
    #[command(flatten)]
    pub play: Play,
    /// Print JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// Options of `calibrate`.
#[derive(Debug, Args)]
pub struct Calibrate {
    /// Model and data.
    #[command(flatten)]
    pub source: Source,
    /// The ladder, measured of this model on this machine.
    #[arg(long, default_value = "ladder.json")]
    pub ladder: PathBuf,
    /// Period of the quota that is tried, in milliseconds.
    #[arg(long, default_value_t = 20.0, value_parser = period)]
    pub period_ms: f64,
    /// Where the calibration goes.
    #[arg(long, default_value = "calibration.json")]
    pub out: PathBuf,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

fn period(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (1.0..=1000.0).contains(number));
    number.ok_or_else(|| "expected a number from 1 to 1000".to_owned())
}

/// Options of `fidelity`.
#[derive(Debug, Args)]
pub struct Fidelity {
    /// Model and data.
    #[command(flatten)]
    pub source: Source,
    /// The ladder, measured of this model on this machine.
    #[arg(long, default_value = "ladder.json")]
    pub ladder: PathBuf,
    /// What `supple calibrate` stored; without it, the machine is calibrated first.
    #[arg(long)]
    pub calibration: Option<PathBuf>,
    /// Length of the scenario in seconds, instead of its own.
    #[arg(long)]
    pub duration: Option<f64>,
    /// Live runs of each policy, taken together; each has arrivals of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// Folder for `records.csv`, each piece of work of both sides, and `POLICY.RUN.speed.csv`, traces of the machine's speed in the live runs.
    #[arg(long)]
    pub records: Option<PathBuf>,
    /// Scenario and policies.
    #[command(flatten)]
    pub play: Play,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `sweep`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Sweep {
    /// What else to do with sweeps.
    #[command(subcommand)]
    pub command: Option<SweepCommand>,
    /// Scenarios: TOML files, or names of built-in ones; without it, all built-in ones that need no trace file.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub scenarios: Vec<String>,
    /// Policies; the first is what the others are compared with. Without it: hold and kalman.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub policies: Vec<String>,
    /// Seeds: first..end, without the end.
    #[arg(long, default_value = "0..20", value_parser = seeds)]
    pub seeds: Range<u64>,
    /// The ladder that service times and quality come from: a file, or `reference` for the one that Supple ships.
    #[arg(long, default_value = "reference")]
    pub ladder: PathBuf,
    /// The folder that trace files are looked up in.
    #[arg(long)]
    pub traces: Option<PathBuf>,
    /// Length of every scenario in seconds, instead of its own.
    #[arg(long)]
    pub duration: Option<f64>,
    /// Ask hindsight too, and report each policy's regret; of a fleet the best run that a search finds, so that there may be more to regret.
    #[arg(long)]
    pub regret: bool,
    /// Write down every request too, in a table for each chunk.
    #[arg(long)]
    pub events: bool,
    /// Only one of n equal parts of the work, such as 1/4; `supple sweep merge` puts them together.
    #[arg(long)]
    pub shard: Option<Shard>,
    /// The folder of the results. A sweep that was stopped goes on where it was.
    #[arg(long, default_value = "sweep")]
    pub out: PathBuf,
    /// Threads; without it, one a processor.
    #[arg(long)]
    pub threads: Option<usize>,
    /// Print JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// What else `sweep` does.
#[derive(Debug, Subcommand)]
pub enum SweepCommand {
    /// Puts the parts of a sweep together and compares.
    Merge {
        /// The folders of the parts.
        #[arg(required = true)]
        parts: Vec<PathBuf>,
        /// The folder of the whole.
        #[arg(long, default_value = "sweep")]
        out: PathBuf,
        /// Print JSON instead of tables.
        #[arg(long)]
        json: bool,
    },
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let numbers = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    numbers
        .filter(|range: &Range<u64>| !range.is_empty())
        .ok_or_else(|| "expected first..end, such as 0..100".to_owned())
}

/// What `scenario` does.
#[derive(Debug, Subcommand)]
pub enum ScenarioCommand {
    /// Reads scenarios whole and says by line and column what is wrong.
    Check {
        /// TOML files, or names of built-in scenarios.
        #[arg(required = true)]
        scenarios: Vec<String>,
        /// The folder that trace files are looked up in; without it, trace files are not read.
        #[arg(long)]
        traces: Option<PathBuf>,
    },
    /// Prints the JSON schema of a scenario, for editors.
    Schema,
    /// The built-in scenarios and what each shows.
    List {
        /// Print a line of JSON for each.
        #[arg(long)]
        json: bool,
    },
    /// Prints a built-in scenario, to be changed.
    Show {
        /// Its name.
        name: String,
    },
}

/// What `trace` does.
#[derive(Debug, Subcommand)]
pub enum TraceCommand {
    /// The formats that can be read.
    Formats,
    /// What a file holds, and what was noticed in it.
    Info {
        /// The file, compressed by gzip or not.
        file: PathBuf,
        /// Its format, where it is not recognised.
        #[arg(long)]
        format: Option<String>,
        /// Sort times that go back, and let values hold over holes, instead of refusing the file.
        #[arg(long)]
        lenient: bool,
        /// Print a line of JSON for each thing in the file.
        #[arg(long)]
        json: bool,
    },
    /// Writes a file in Supple's own form.
    Convert {
        /// The file, compressed by gzip or not.
        file: PathBuf,
        /// Where to write: a name that ends with .csv or .parquet.
        #[arg(long)]
        to: PathBuf,
        /// The file's format, where it is not recognised.
        #[arg(long)]
        format: Option<String>,
        /// Which trace, where the file holds several.
        #[arg(long)]
        series: Option<String>,
        /// Sort times that go back, and let values hold over holes, instead of refusing the file.
        #[arg(long)]
        lenient: bool,
    },
    /// Writes the trace of a scenario: generated, combined or from a file.
    Generate {
        /// A scenario file, or the name of a built-in scenario.
        spec: String,
        /// Where to write: a name that ends with .csv or .parquet.
        #[arg(long)]
        out: PathBuf,
        /// The folder that trace files are looked up in.
        #[arg(long)]
        traces: Option<PathBuf>,
        /// Seed instead of the scenario's own.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Records how fast this machine is from one moment to the next: 1 is the mean.
    Speed {
        /// Where to write: a name that ends with .csv or .parquet.
        #[arg(long, default_value = "speed.csv")]
        out: PathBuf,
        /// How long to record, in seconds.
        #[arg(long, default_value_t = 60.0)]
        duration: f64,
        /// Model and data.
        #[command(flatten)]
        source: Source,
        /// What every command takes.
        #[command(flatten)]
        common: Common,
    },
}

/// Options of `analyze`.
#[derive(Debug, Args)]
pub struct Analyze {
    /// The name of a built-in model (mlp, cnn, chars, patches), a model file, an ONNX file (.onnx, .onnx.gz), or a graph as JSON (.json).
    #[arg(default_value = "cnn")]
    pub model: String,
    /// Print all verdicts and groups as JSON instead of a table.
    #[arg(long, conflicts_with_all = ["dot", "html"])]
    pub json: bool,
    /// Print the graph for Graphviz, its sites coloured.
    #[arg(long, conflicts_with = "html")]
    pub dot: bool,
    /// Print a page that shows the graph, its sites coloured, and the verdicts of what is clicked.
    #[arg(long)]
    pub html: bool,
    /// The length of an axis that an ONNX file only names.
    #[arg(long = "length", value_name = "AXIS=LENGTH", value_parser = length)]
    pub lengths: Vec<(String, usize)>,
}

fn length(text: &str) -> Result<(String, usize), String> {
    let (axis, length) = text.split_once('=').ok_or("expected AXIS=LENGTH")?;
    let length = length.parse().map_err(|error| format!("length `{length}`: {error}"))?;
    Ok((axis.to_owned(), length))
}

/// Options of `supple bench analyze`.
#[derive(Debug, Args)]
pub struct AnalyzeBench {
    /// Operators of the largest synthetic graph: of 1,000, 10,000, 100,000 and 1,000,000, those up to it are measured.
    #[arg(long, default_value_t = 1_000_000)]
    pub largest: usize,
    /// A folder of ONNX files to measure beside them.
    #[arg(long, value_name = "FOLDER")]
    pub models: Option<PathBuf>,
    /// Print JSON, a line for each graph, instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Options of `bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// What to measure.
    #[command(subcommand)]
    pub what: BenchCommand,
}

/// Options of `supple bench kernels`.
#[derive(Debug, Args)]
pub struct KernelBench {
    /// Shapes as JSON: `{"linear": [{"batch", "in", "out"}], "conv2d": [{"batch", "cin", "cout", "hw", "k", "stride", "pad", "dilation",
    /// "groups"}], "conv1d": [{"batch", "cin", "cout", "length", ..}], "attention": [{"batch", "heads", "tokens", "width", "causal"}], "densities": [..]}`; by
    /// default a few that Supple knows.
    #[arg(long)]
    pub shapes: Option<PathBuf>,
    /// Threads; several numbers are measured one after the other.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    pub threads: Vec<usize>,
    /// Formats of the weights, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "dense")]
    pub formats: Vec<String>,
    /// Only this operator.
    #[arg(long, value_parser = ["linear", "conv2d", "conv1d", "attention"])]
    pub only: Option<String>,
    /// A script of a peer, run as `PYTHON PEER --threads N --shapes FILE`, that prints a JSON object for each shape with `forward_ms` and
    /// `backward_ms`; both are run in turn for each shape.
    #[arg(long)]
    pub against: Option<PathBuf>,
    /// The Python that runs the peer.
    #[arg(long, default_value = "python3")]
    pub python: PathBuf,
    /// Turns for each shape; a figure is the median over its turns.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Print JSON, a line for each shape, instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// What switching a plan and deciding on a rung cost.
    Switch {
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// What kernels need for the shapes of a file, against the machine's limits and against a peer.
    Kernels(KernelBench),
    /// How many events the simulator makes in a second, beside its peers where they are built in (feature `peers`).
    Sim {
        /// Events of each case.
        #[arg(long, default_value_t = 5_000_000)]
        events: u64,
        /// Turns; a figure is the best of its turns.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Print JSON, a line for each case and engine, instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// What an analysis costs, for graphs of growing size.
    Analyze(AnalyzeBench),
    /// What each density of a model costs, against dense.
    Density {
        /// Model and data.
        #[command(flatten)]
        source: Source,
        /// Samples in one request.
        #[arg(long, default_value_t = 8)]
        batch: usize,
        /// Whole steps of training instead of requests.
        #[arg(long)]
        train: bool,
        /// Only this way to be sparse.
        #[arg(long, value_parser = ["axes", "block", "pattern", "unstructured", "threshold", "score", "top_k", "token"])]
        kind: Option<String>,
        /// What every command takes.
        #[command(flatten)]
        common: Common,
    },
}
