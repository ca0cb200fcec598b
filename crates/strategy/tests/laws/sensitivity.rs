//! Laws of measured losses of quality.
use crate::generators::density;
use proptest::collection::vec;
use proptest::prelude::*;
use supple_graph::{Kind, Setting, SiteId};
use supple_strategy::sensitivity::{Alone, Combined, SiteLosses, rank_correlation};
use supple_strategy::{Pair, Proxy, Quality, Sensitivity, Stamp};

const DENSITIES: [u16; 3] = [750, 500, 250];

fn site(losses: &[f64; 3]) -> SiteLosses {
    let alone = |(&per_mille, &nats): (&u16, &f64)| Alone {
        kind: None,
        density: density(per_mille),
        nats,
        accuracy: nats / 2.0,
        proxies: Some([nats, nats * nats * nats, -nats]),
    };
    SiteLosses { site: "s".to_owned(), units: 8, alone: DENSITIES.iter().zip(losses).map(alone).collect() }
}

fn sensitivities() -> impl Strategy<Value = Sensitivity> {
    let sites = vec(prop::array::uniform3(-1.0..1.0f64), 2..5);
    (sites, -1.0..1.0f64).prop_map(|(sites, nats)| Sensitivity {
        stamp: Stamp::default(),
        seed: 1,
        rows: 10,
        dense: Quality::default(),
        sites: sites.iter().map(site).collect(),
        pairs: vec![Pair { sites: [SiteId(0), SiteId(1)], density: density(500), nats, accuracy: 0.0 }],
        combined: Vec::new(),
    })
}

fn dense(found: &Sensitivity) -> Setting {
    Setting::uniform(&vec![Kind::ALL[0]; found.sites.len()], density(1000))
}

proptest! {
    #[test]
    fn what_was_measured_is_what_is_expected(found in sensitivities()) {
        prop_assert!(found.check().is_ok());
        prop_assert_eq!(found.nats(&dense(&found)), 0.0);
        for (i, losses) in found.sites.iter().enumerate() {
            for alone in &losses.alone {
                let setting = dense(&found).with(SiteId(i), alone.density);
                prop_assert!((found.nats(&setting) - alone.nats).abs() < 1e-12);
                prop_assert!((found.accuracy(&setting) - alone.accuracy).abs() < 1e-12);
            }
        }
        let pair = found.pairs[0];
        let both = dense(&found).with(pair.sites[0], pair.density).with(pair.sites[1], pair.density);
        let sum = found.sites[0].alone[1].nats + found.sites[1].alone[1].nats + pair.nats;
        prop_assert!((found.nats(&both) - sum).abs() < 1e-12);
    }

    #[test]
    fn between_two_densities_the_expectation_lies_between_their_losses(found in sensitivities(), per_mille in 250u16..=1000) {
        let at = |per_mille: u16| found.nats(&dense(&found).with(SiteId(0), density(per_mille)));
        let above = [1000, 750, 500, 250].into_iter().filter(|&d| d >= per_mille).min().unwrap_or(1000);
        let below = [1000, 750, 500, 250].into_iter().filter(|&d| d <= per_mille).max().unwrap_or(250);
        let (low, high) = (at(above).min(at(below)), at(above).max(at(below)));
        prop_assert!((low - 1e-12..=high + 1e-12).contains(&at(per_mille)));
    }

    #[test]
    fn a_proxy_in_the_order_of_the_losses_correlates_fully(found in sensitivities()) {
        prop_assert!((found.correlation(Proxy::Magnitude).unwrap() - 1.0).abs() < 1e-9);
        prop_assert!((found.correlation(Proxy::Taylor).unwrap() - 1.0).abs() < 1e-9);
        prop_assert!((found.correlation(Proxy::Fisher).unwrap() + 1.0).abs() < 1e-9);
    }

    #[test]
    fn rank_correlation_is_symmetric_and_at_most_one(pairs in vec((-9i32..9, -9i32..9), 0..12)) {
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().map(|(a, b)| (f64::from(a), f64::from(b))).unzip();
        let (found, swapped) = (rank_correlation(&a, &b), rank_correlation(&b, &a));
        prop_assert_eq!(found, swapped);
        prop_assert!(found.is_none_or(|found| found.abs() <= 1.0 + 1e-12));
    }
}

proptest! {
    #[test]
    fn what_is_expected_fits_fully(found in sensitivities(), drawn in vec(vec(250u16..=1000, 5), 2..9)) {
        let setting = |drawn: &Vec<u16>| {
            let sites = (0..found.sites.len()).map(|i| (SiteId(i), density(drawn[i])));
            sites.fold(dense(&found), |setting, (site, density)| setting.with(site, density))
        };
        let combined = |with_pairs: bool| drawn.iter().map(setting).map(|setting| {
            let nats = if with_pairs { found.nats(&setting) } else { found.nats_alone(&setting) };
            Combined { setting, nats, accuracy: 0.0 }
        }).collect();
        prop_assert_eq!(found.fit(true), None);
        for with_pairs in [false, true] {
            let found = Sensitivity { combined: combined(with_pairs), ..found.clone() };
            prop_assert!(found.check().is_ok());
            let fit = found.fit(with_pairs).unwrap();
            prop_assert!(fit.error < 1e-12 && fit.correlation.is_none_or(|r| r > 1.0 - 1e-9), "{:?}", fit);
        }
    }
}

#[test]
fn ties_share_their_rank() {
    assert_eq!(rank_correlation(&[1.0, 1.0, 2.0], &[3.0, 3.0, 9.0]), Some(1.0));
    assert_eq!(rank_correlation(&[1.0, 1.0], &[3.0, 4.0]), None);
    assert_eq!(rank_correlation(&[1.0], &[3.0, 4.0]), None);
    let found = rank_correlation(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 1.0, 4.0, 3.0, 5.0]).unwrap();
    assert!((found - 0.8).abs() < 1e-12);
}
