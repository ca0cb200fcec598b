//! Blocks of scores: which ones are computed, that they are an attention under a mask, and what they save.
use proptest::prelude::*;
use supple_graph::kinds::Score;
use supple_graph::operators::Attention;
use supple_graph::{Array, Density, Dim, Elastic, Fact, Graph, Kind, Near, Operator, Phase, SparsityKind};

/// Sizes of an attention, and the blocks that are computed.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// Queries and tokens, as many where it is causal.
    lengths: [usize; 2],
    near: Near,
    causal: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    (1usize..12, 1usize..12, 1usize..5, 1usize..6, any::<bool>()).prop_map(|(queries, tokens, side, count, causal)| {
        let lengths = [if causal { tokens } else { queries }, tokens];
        Case { lengths, near: Near { side, count }, causal }
    })
}

impl Case {
    fn attention(&self, near: Option<Near>) -> Attention {
        Attention { near, ..Attention::new(0.7, self.causal) }
    }

    fn is_near(&self, [query, token]: [usize; 2]) -> bool {
        self.near.seen(query / self.near.side, self.lengths, self.causal).contains(&(token / self.near.side))
    }

    /// Queries, keys and values of two heads.
    fn operands(&self) -> [Array; 3] {
        let [queries, tokens] = self.lengths;
        [(queries, 3, 1.0), (tokens, 3, 2.0), (tokens, 2, 3.0)].map(|(length, width, salt)| {
            let number = |at: &[usize]| (salt + 5.0 * at[0] as f32 + 3.0 * at[1] as f32 + at[2] as f32).sin();
            Array::from_fn(&[2, length, width], number)
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_seen_nests_and_is_as_much_for_every_query(case in cases()) {
        let Case { lengths, near, causal } = case;
        let [rows, blocks] = lengths.map(|length| length.div_ceil(near.side));
        for row in 0..rows {
            let seen = near.seen(row, lengths, causal);
            let more = Near { count: near.count + 1, ..near }.seen(row, lengths, causal);
            let visible = if causal { row + 1 } else { blocks };
            prop_assert_eq!(seen.len(), near.count.min(visible));
            prop_assert!(seen.iter().all(|block| *block < visible && more.contains(block)));
            prop_assert!(seen.is_sorted());
            prop_assert!(!causal || seen.contains(&row));
        }
    }

    #[test]
    fn it_is_an_attention_under_a_mask(case in cases()) {
        let [q, k, v] = case.operands();
        let number = |at: &[usize]| {
            if case.is_near([at[0], at[1]]) { 0.0 } else { f32::NEG_INFINITY }
        };
        let mask = Array::from_fn(&case.lengths, number);
        let masked = case.attention(None).eval(&[&q, &k, &v, &mask]).unwrap();
        let found = case.attention(Some(case.near)).eval(&[&q, &k, &v]).unwrap();
        prop_assert_eq!(found, masked);
    }

    #[test]
    fn work_falls_with_what_is_seen(case in cases()) {
        let [queries, tokens] = case.lengths;
        let facts = [[2, queries, 3], [2, tokens, 3], [2, tokens, 2]].map(|shape| Fact::fixed(&shape));
        let facts = facts.each_ref();
        let work = |near| {
            let op = case.attention(near);
            let outputs = op.infer(&facts).unwrap();
            op.work(&facts, &outputs, Phase::Forward).flops
        };
        let part = work(Some(case.near)) / work(None);
        let pairs = (0..queries).flat_map(|query| (0..tokens).map(move |token| [query, token]));
        let seen = pairs.filter(|&pair| case.is_near(pair)).count();
        prop_assert!((part - seen as f64 / (queries * tokens) as f64).abs() < 1e-9);
    }
}

#[test]
fn an_attention_has_a_site_unless_a_mask_is_its_operand() {
    let sites = |masked: bool| {
        let mut graph = Graph::new("attention");
        let fact = Fact::f32([Dim::Batch(1), Dim::Fixed(40), Dim::Fixed(2)]);
        let mut operands = ["q", "k", "v"].map(|name| graph.input(name, fact.clone()).unwrap()).to_vec();
        if masked {
            operands.push(graph.input("mask", Fact::fixed(&[40, 40])).unwrap());
        }
        let y = graph.add("mixed", Attention::new(1.0, false), &operands).unwrap();
        graph.set_outputs(vec![y]);
        let elastic = Elastic::new(graph).unwrap();
        let sites = elastic.analysis().sites.iter().filter(|site| site.kinds.contains(&Kind::Score(Score)));
        sites.map(|site| (site.name.clone(), site.units)).collect::<Vec<_>>()
    };
    assert_eq!(sites(false), [("mixed.scores".to_owned(), 8)]);
    assert_eq!(sites(true), []);
    assert_eq!(Kind::Score(Score).kept(8, Density::new(500).unwrap()), 4);
}
