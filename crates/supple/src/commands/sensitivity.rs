//! `supple sensitivity`
use super::{End, Opened, table, write_json};
use crate::options::Sensitivity as Options;
use crate::{samples, sensitivity};
use anyhow::Result;
use supple_graph::SparsityKind;
use supple_strategy::sensitivity::{Alone, Fit, SiteLosses};
use supple_strategy::{Pair, Proxy, Sensitivity};

/// Measures what each site loses at each density, and writes it.
///
/// # Errors
/// When the model or data cannot be read, or the file not be written.
pub fn run(options: &Options) -> Result<End> {
    let Opened { model, data, mut executor, stamp, .. } = options.source.open(&options.common, 1)?;
    let calibration = samples::calibration(&data.held_out, options.rows, usize::from(options.batch));
    let found = sensitivity::measure(&model, &mut executor, &calibration, stamp, options.combined)?;
    write_json(&options.out, &found)?;
    if options.common.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(End::Done);
    }
    println!(
        "{}",
        table(&["site", "units", "kind", "density", "nats", "accuracy", "magnitude", "taylor", "fisher"], rows(&found))
    );
    println!("\n{}", table(&["pair", "density", "nats beyond both", "accuracy beyond both"], pairs(&found)));
    println!("\nrank correlation with the measured nats, {} rows of {}:", found.rows, found.stamp.data);
    for proxy in Proxy::ALL {
        let text = found.correlation(proxy).map_or("not defined".to_owned(), |r| format!("{r:.3}"));
        println!("  {proxy:?}: {text}");
    }
    for (name, with_pairs) in [("each site alone", false), ("sites and pairs", true)] {
        if let Some(fit) = found.fit(with_pairs) {
            println!("\n{}", expected(name, found.combined.len(), &fit));
        }
    }
    eprintln!("sensitivity: {}", options.out.display());
    Ok(End::Done)
}

/// How well settings that combine sites cost what was expected.
fn expected(name: &str, settings: usize, fit: &Fit) -> String {
    let correlation = fit.correlation.map_or("not defined".to_owned(), |r| format!("{r:.3}"));
    format!(
        "{settings} drawn settings, expected from {name}: rank correlation {correlation}, {:.4} nats off on average",
        fit.error
    )
}

fn rows(found: &Sensitivity) -> Vec<Vec<String>> {
    let of_site = |site: &SiteLosses| -> Vec<Vec<String>> {
        let row = |alone: &Alone| {
            let kind = alone.kind.map_or("first", |kind| kind.name());
            let head = [&site.site, &site.units.to_string(), kind, &alone.density.to_string()];
            let mut cells: Vec<String> = head.map(str::to_owned).to_vec();
            cells.extend([alone.nats, alone.accuracy].map(|number| format!("{number:.4}")));
            cells.extend(match alone.proxies {
                Some([magnitude, rest @ ..]) => {
                    [format!("{magnitude:.4}")].into_iter().chain(rest.map(|number| format!("{number:.3e}"))).collect()
                }
                None => vec!["none".to_owned(); 3],
            });
            cells
        };
        site.alone.iter().map(row).collect()
    };
    found.sites.iter().flat_map(of_site).collect()
}

fn pairs(found: &Sensitivity) -> Vec<Vec<String>> {
    let row = |pair: &Pair| {
        let names = pair.sites.map(|site| found.sites[site.0].site.clone());
        let numbers = [pair.nats, pair.accuracy].map(|number| format!("{number:.4}"));
        [vec![names.join(" and "), pair.density.to_string()], numbers.to_vec()].concat()
    };
    found.pairs.iter().map(row).collect()
}
