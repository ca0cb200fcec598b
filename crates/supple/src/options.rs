//! The command line.
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

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
    /// Measures quality, solves, and writes the rungs worth choosing.
    Ladder(Ladder),
    /// Serves a scenario's requests live, under its CPU share.
    Serve(Serve),
    /// Serves a scenario's requests in virtual time.
    Simulate(Simulate),
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
    /// A scenario: a TOML file, or the name of a built-in one (demo, co-tenant, night, training).
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
    /// The model: mlp, cnn or chars.
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
    /// The ladder that service times and quality come from.
    #[arg(long, default_value = "ladder.json")]
    pub ladder: PathBuf,
    /// Scenario and report.
    #[command(flatten)]
    pub play: Play,
    /// Print JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// Options of `analyze`.
#[derive(Debug, Args)]
pub struct Analyze {
    /// A model file, or the name of a built-in model: mlp, cnn, chars.
    #[arg(default_value = "cnn")]
    pub model: String,
    /// Print JSON instead of tables.
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
    /// "groups"}], "conv1d": [{"batch", "cin", "cout", "length", ..}], "densities": [..]}`; by default a few that Supple knows.
    #[arg(long)]
    pub shapes: Option<PathBuf>,
    /// Threads; several numbers are measured one after the other.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    pub threads: Vec<usize>,
    /// Formats of the weights, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "dense")]
    pub formats: Vec<String>,
    /// Only this operator.
    #[arg(long, value_parser = ["linear", "conv2d", "conv1d"])]
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
    /// What each density of a model costs, against dense.
    Density {
        /// Model and data.
        #[command(flatten)]
        source: Source,
        /// Samples in one request.
        #[arg(long, default_value_t = 8)]
        batch: usize,
        /// What every command takes.
        #[command(flatten)]
        common: Common,
    },
}
