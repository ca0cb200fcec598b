//! The program `supple`.
use clap::Parser;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::process::ExitCode;
use supple::commands::{self, End};
use supple::options::{Bench, BenchCommand, Command, Options};
use supple::{machine, stop};

/// Counts allocations, so that `bench switch` can show that a switch makes none.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    env_logger::Builder::from_env(env_logger::Env::new().filter_or("SUPPLE_LOG", "warn")).init();
    match stop::install().map_err(anyhow::Error::from).and_then(|()| run(&options.command)) {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::DemandNotKept) => ExitCode::from(1),
        Ok(End::Interrupted) => ExitCode::from(130),
        Err(error) => {
            eprintln!("error: {}", format!("{error:#}").replace('\n', " "));
            ExitCode::from(2)
        }
    }
}

/// Threads that compute, this one included. Requests are served on this thread alone, so that the share of this thread is the share of the work;
/// training and sweeps use every core, and the kernels as many as are asked for.
fn threads(command: &Command) -> usize {
    match command {
        Command::Train(_) => machine::cpus(),
        Command::Sweep(options) => options.threads.unwrap_or_else(machine::cpus).max(1),
        Command::Bench(Bench { what: BenchCommand::Kernels(options) }) => {
            options.threads.iter().copied().max().unwrap_or(1)
        }
        _ => 1,
    }
}

fn run(command: &Command) -> anyhow::Result<End> {
    rayon::ThreadPoolBuilder::new().num_threads(threads(command)).use_current_thread().build_global()?;
    match command {
        Command::Demo(options) => commands::demo::run(options),
        Command::Train(options) => commands::train::run(options),
        Command::Profile(options) => commands::profile::run(options),
        Command::Ladder(options) => commands::ladder::run(options),
        Command::Sensitivity(options) => commands::sensitivity::run(options),
        Command::Serve(options) => commands::serve::run(options),
        Command::Simulate(options) => commands::simulate::run(options),
        Command::Sweep(options) => commands::sweep::run(options),
        Command::Calibrate(options) => commands::calibrate::run(options),
        Command::Fidelity(options) => commands::fidelity::run(options),
        Command::Scenario(command) => commands::scenario::run(command),
        Command::Trace(command) => commands::trace::run(command),
        Command::Analyze(options) => commands::analyze::run(options),
        Command::Bench(options) => commands::bench::run(&options.what),
    }
}
