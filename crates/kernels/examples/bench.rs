//! Times the kernels without the rest of Supple: `bench SHAPES [--threads N,N] [--formats F,F] [--only OP] [--rounds N] [--against SCRIPT --python PATH]`.
//! `supple bench kernels` prints the same lines with `--json`.
use std::path::{Path, PathBuf};
use supple_kernels::bench::{Peer, Plan, Shapes, run};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).cloned();
    let words = |name: &str, or: &str| -> Vec<String> {
        option(name).unwrap_or_else(|| or.to_owned()).split(',').map(str::to_owned).collect()
    };
    let shapes = match arguments.first().filter(|path| !path.starts_with("--")) {
        Some(path) => Shapes::read(Path::new(path))?,
        None => Shapes::few()?,
    };
    let python = PathBuf::from(option("--python").unwrap_or_else(|| "python3".to_owned()));
    let plan = Plan {
        shapes,
        only: option("--only"),
        formats: words("--formats", "dense"),
        threads: words("--threads", "1").iter().map(|word| word.parse()).collect::<Result<_, _>>()?,
        rounds: option("--rounds").map_or(Ok(1), |word| word.parse())?,
        peer: option("--against").map(|script| Peer { script: script.into(), python }),
    };
    let limit = |threads, limits: supple_kernels::Limits| {
        eprintln!("{threads} threads: {:.1} GFLOP/s, {:.1} GB/s", limits.flops / 1e9, limits.bytes / 1e9);
    };
    run(&plan, limit, |line| println!("{}", line.json()))?;
    Ok(())
}
