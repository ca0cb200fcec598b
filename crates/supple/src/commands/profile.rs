//! `supple profile`
use super::{End, Opened, table, write_json};
use crate::ladders::{self, DENSITIES, Effort};
use crate::options::Profile;
use anyhow::Result;
use supple_graph::{SiteId, SparsityKind};
use supple_strategy::{LayerTimes, Versus, break_even};

/// Measures what settings cost and writes the profile.
///
/// # Errors
/// When the model or data cannot be read, or the profile not be written.
pub fn run(options: &Profile) -> Result<End> {
    let Opened { model, mut executor, batches, stamp, .. } = options.source.open(&options.common, options.batch)?;
    let (elastic, input) = (model.elastic(), &batches[0]);
    let profile = ladders::profile(&mut executor, stamp, input, Effort::FULL.rounds)?;
    write_json(&options.out, &profile)?;
    if options.common.json {
        println!("{}", serde_json::to_string_pretty(&profile)?);
        return Ok(End::Done);
    }
    let dense = profile.entries.first().map_or(0.0, |entry| entry.service.median());
    let rows = profile.entries.iter().map(|entry| {
        let densities: Vec<String> = entry.setting.choices().iter().map(|c| c.density.to_string()).collect();
        let (median, tail) = (entry.service.median(), entry.service.quantile(0.95));
        vec![
            densities.join(" "),
            format!("{:.3}", 1e3 * median),
            format!("{:.3}", 1e3 * tail),
            format!("{:.2}x", dense / median),
            format!("{:.1}", entry.work.flops / median / 1e9),
        ]
    });
    println!("{}", table(&["densities", "p50 ms", "p95 ms", "speed-up", "GFLOP/s"], rows));
    if !profile.layers.is_empty() {
        println!("\n{}", layers(&profile.layers, |site| elastic.analysis().sites[site.0].name.clone()));
    }
    eprintln!("profile: {}", options.out.display());
    Ok(End::Done)
}

/// For each layer and kind what is gained over all weights at each density, forward and forward with backward, and up to which density they pay.
fn layers(times: &[LayerTimes], name: impl Fn(SiteId) -> String) -> String {
    let mut rows = Vec::new();
    for (pass, asked) in
        [("forward", LayerTimes::inference as fn(&LayerTimes) -> Versus), ("training", LayerTimes::training)]
    {
        for ((site, kind), limit) in break_even(times, asked) {
            let mine: Vec<&LayerTimes> =
                times.iter().filter(|times| (times.site, times.kind) == (site, kind)).collect();
            let dense = mine.first().map_or(0.0, |&times| asked(times).dense);
            let gain = |density: &u16| {
                let at = mine.iter().find(|times| times.density.per_mille() == *density);
                at.map(|times| asked(times)).map_or(String::new(), |v| format!("{:.2}x", v.dense / v.blocks))
            };
            let limit = limit.map_or_else(|| "never".to_owned(), |density| density.to_string());
            let head = [name(site), kind.name().to_owned(), pass.to_owned(), format!("{:.3}", 1e3 * dense)];
            rows.push(head.into_iter().chain(DENSITIES.iter().skip(1).map(gain)).chain([limit]).collect::<Vec<_>>());
        }
    }
    let densities = DENSITIES.iter().skip(1).map(u16::to_string);
    let head = ["layer", "kind", "pass", "dense ms"].map(str::to_owned).into_iter().chain(densities);
    let head: Vec<String> = head.chain(["pays up to".to_owned()]).collect();
    table(&head.iter().map(String::as_str).collect::<Vec<_>>(), rows).to_string()
}
