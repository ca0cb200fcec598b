use crate::generators::{density, ladders};
use proptest::collection::vec;
use proptest::prelude::*;
use supple_graph::{Kind, Setting};
use supple_strategy::ladder::{pareto, worth_answering};
use supple_strategy::{Amounts, Ladder, Rung, Spread, Stamp};

fn rungs() -> impl Strategy<Value = Vec<Rung>> {
    vec((0usize..=10, 1u8..20, 0u8..20), 1..12).prop_map(|all| {
        all.into_iter()
            .map(|(i, cost, quality)| Rung {
                setting: Setting::uniform(&[Kind::ALL[0]], density(1000 - 90 * i as u16)),
                cost: Amounts::of_seconds(f64::from(cost)),
                service: Spread::of(vec![f64::from(cost)]).expect("a time"),
                quality: f64::from(quality) / 20.0,
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pareto_makes_a_ladder(measured in rungs()) {
        let kept = pareto(measured.clone());
        prop_assert!(Ladder::new(Stamp::default(), kept.clone()).is_ok());
        let dense = measured.iter().find(|rung| rung.setting.is_dense());
        prop_assert!(dense.is_none_or(|rung| *rung == kept[0]));
        let below = &kept[usize::from(dense.is_some())..];
        prop_assert!(below.windows(2).all(|pair| pair[0].quality > pair[1].quality));
        let as_good = |r: &Rung| kept.iter().any(|k| k.cost.seconds <= r.cost.seconds && k.quality >= r.quality);
        let ceiling = dense.map_or(f64::INFINITY, |rung| rung.cost.seconds);
        prop_assert!(measured.iter().filter(|r| r.cost.seconds < ceiling).all(as_good));
        prop_assert_eq!(pareto(kept.clone()), kept);
    }

    #[test]
    fn a_rung_left_out_answers_fewer_right_in_a_second_than_a_dearer_one(measured in rungs()) {
        let all = pareto(measured);
        let kept = worth_answering(all.clone());
        let right = |rung: &Rung| rung.quality / rung.cost.seconds;
        prop_assert_eq!(kept.first(), all.first());
        prop_assert!(kept.windows(2).all(|pair| right(&pair[0]) <= right(&pair[1])));
        for rung in all.iter().filter(|rung| !kept.contains(rung)) {
            prop_assert!(kept.iter().any(|k| k.cost.seconds > rung.cost.seconds && right(k) > right(rung)));
        }
        prop_assert_eq!(worth_answering(kept.clone()), kept);
    }

    #[test]
    fn json_round_trip(ladder in ladders()) {
        let text = serde_json::to_string(&ladder).expect("json");
        prop_assert_eq!(serde_json::from_str::<Ladder>(&text).expect("a ladder"), ladder);
    }
}
