//! `supple ladder`
use super::{End, Opened, ladder_table, read_json, write_json};
use crate::ladders::{self, Effort, Known};
use crate::options::Ladder;
use crate::samples;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use supple_strategy::{Profile, Sensitivity, Stamp};

/// Measures, solves, validates, and writes the ladder.
///
/// # Errors
/// When something cannot be read or written, or the profile is of another model or machine.
pub fn run(options: &Ladder) -> Result<End> {
    let Opened { model, data, mut executor, batches, stamp } = options.source.open(&options.common, options.batch)?;
    let input = &batches[0];
    let sensitivity = options.sensitivity.as_deref().map(|path| read_sensitivity(path, &stamp)).transpose()?;
    let profile = match &options.profile {
        None => ladders::profile(&mut executor, stamp.clone(), input, Effort::FULL.rounds)?,
        Some(path) => {
            let profile: Profile = read_json(path)?;
            let checked = profile.check().and_then(|()| profile.stamp.matches(&stamp));
            checked.with_context(|| path.display().to_string())?;
            for entry in &profile.entries {
                executor.prepare(&entry.setting).with_context(|| path.display().to_string())?;
            }
            profile
        }
    };
    let calibration = samples::calibration(&data.held_out, Effort::FULL.rows, 100);
    let known = Known { profile: &profile, sensitivity: sensitivity.as_ref() };
    let ladder = ladders::ladder(&model, &mut executor, known, &calibration, input, Effort::FULL)?;
    write_json(&options.out, &ladder)?;
    if options.common.json {
        println!("{}", serde_json::to_string_pretty(&ladder)?);
    } else {
        println!("{}", ladder_table(&ladder));
        eprintln!("ladder: {}", options.out.display());
    }
    Ok(End::Done)
}

/// Losses of the same weights on the same data; the machine does not matter to them.
fn read_sensitivity(path: &Path, stamp: &Stamp) -> Result<Sensitivity> {
    let found: Sensitivity = read_json(path)?;
    found.check().with_context(|| path.display().to_string())?;
    let (here, there) = (&found.stamp, stamp);
    let same = here.weights == there.weights && here.data == there.data;
    let about = |stamp: &Stamp| format!("weights {} on {}", stamp.weights, stamp.data);
    ensure!(same, "{}: stamp: {}, expected {}", path.display(), about(here), about(there));
    Ok(found)
}
