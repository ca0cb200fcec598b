//! Tokens that leave: on random transformers, as if attention and mean did not see them; and why some cannot.
use proptest::prelude::*;
use supple_graph::kinds::{Channel, Token};
use supple_graph::operators::{Attention, Binary, BinaryFunction, Linear, Reduce, Reduction, Reshape};
use supple_graph::{
    Analysis, Choice, Density, Dim, Elastic, Fact, Graph, Kind, Op, Phase, Site, SiteId, SparsityKind, Value, Verdict,
};
use supple_testkit::{ElasticCase, check_elastic, check_tokens, elastic_cases_of, token_cases};

const TOKENS: usize = 6;
const WIDTH: usize = 4;

/// A case of all kinds of sites of a transformer over tokens.
fn mixed() -> impl Strategy<Value = ElasticCase> {
    token_cases().prop_flat_map(|case| elastic_cases_of(case.elastic()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tokens_that_leave_are_not_seen(case in token_cases()) {
        prop_assert_eq!(check_tokens(&case), Ok(()));
    }

    #[test]
    fn tokens_leave_beside_heads_and_weights(case in mixed()) {
        prop_assert_eq!(check_elastic(&case), Ok(()));
    }
}

/// Tokens of four features, and blocks of attention whose projections are one layer.
struct Draft(Graph);

impl Draft {
    fn new() -> (Self, Value) {
        let mut draft = Self(Graph::new("tokens"));
        let x = draft.0.input("x", Fact::f32([Dim::Batch(1), Dim::Fixed(TOKENS), Dim::Fixed(2)])).unwrap();
        let x = draft.linear("patches", x, 2, WIDTH);
        let x = draft.plus("embedded", x, &[TOKENS, WIDTH]);
        (draft, x)
    }

    fn add(&mut self, name: &str, op: impl Into<Op>, inputs: &[Value]) -> Value {
        self.0.add(name, op, inputs).unwrap()
    }

    fn weight(&mut self, name: &str, shape: &[usize]) -> Value {
        self.0.parameter(name, Fact::fixed(shape)).unwrap()
    }

    fn linear(&mut self, name: &str, x: Value, inputs: usize, outputs: usize) -> Value {
        let weight = self.weight(&format!("{name}.weight"), &[inputs, outputs]);
        self.add(name, Linear::default(), &[x, weight])
    }

    /// A sum with weights of this shape.
    fn plus(&mut self, name: &str, x: Value, shape: &[usize]) -> Value {
        let weight = self.weight(&format!("{name}.weight"), shape);
        self.add(name, Binary { function: BinaryFunction::Add }, &[x, weight])
    }

    fn block(&mut self, name: &str, x: Value, mask: Option<Value>, causal: bool) -> Value {
        let read = self.linear(&format!("{name}.read"), x, WIDTH, WIDTH);
        let operands: Vec<Value> = [read; 3].into_iter().chain(mask).collect();
        let mixed = self.add(&format!("{name}.attention"), Attention::new(0.5, causal), &operands);
        self.add(&format!("{name}.sum"), Binary { function: BinaryFunction::Add }, &[x, mixed])
    }

    fn mean(&mut self, x: Value) -> Value {
        self.add("mean", Reduce { reduction: Reduction::Mean, axes: vec![1], keep: false }, &[x])
    }

    fn analysed(mut self, output: Value) -> (Graph, Analysis) {
        self.0.set_outputs(vec![output]);
        let analysis = Analysis::of(&self.0).unwrap();
        (self.0, analysis)
    }
}

fn tokens(sites: &[Site]) -> Vec<(&str, &str)> {
    let tokens = sites.iter().filter(|site| site.level == "token");
    tokens.map(|site| (site.name.as_str(), site.verdict.reason())).collect()
}

/// Why tokens cannot leave before the only attention.
fn why_not((_, analysis): (Graph, Analysis)) -> String {
    assert!(analysis.tokens().is_empty(), "{:?}", tokens(&analysis.sites));
    let fixed = tokens(&analysis.fixed);
    assert_eq!(fixed.len(), 1);
    fixed[0].1.to_owned()
}

#[test]
fn tokens_leave_before_each_attention_where_the_residual_sum_reads_them() {
    let (mut draft, x) = Draft::new();
    let y = draft.block("one", x, None, false);
    let y = draft.block("two", y, None, true);
    let y = draft.mean(y);
    let (_, analysis) = draft.analysed(y);
    let names: Vec<&str> = tokens(&analysis.sites).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["embedded.tokens", "one.sum.tokens"]);
    assert_eq!(tokens(&analysis.fixed), []);
    let site = &analysis.sites[analysis.tokens()[0].1.0];
    assert_eq!((site.units, site.has_weights(), site.is_of_axes()), (TOKENS, false, false));
    assert!(
        matches!(&site.verdict, Verdict::Sparsifiable(why) if why.ends_with("through 7 operators")),
        "{:?}",
        site.verdict
    );
    assert!(site.saves(Phase::BackwardWeight) && !site.saves(Phase::Update));
}

#[test]
fn what_is_made_of_every_token_keeps_them_all() {
    let (mut draft, x) = Draft::new();
    let y = draft.block("one", x, None, false);
    let y = draft.linear("logits", y, WIDTH, 3);
    assert_eq!(why_not(draft.analysed(y)), "model output");
}

#[test]
fn what_is_stored_for_every_token_keeps_them_all() {
    let (mut draft, x) = Draft::new();
    let mask = draft.weight("mask", &[TOKENS, TOKENS]);
    let y = draft.block("one", x, Some(mask), false);
    let y = draft.mean(y);
    assert_eq!(why_not(draft.analysed(y)), "one.attention reads mask, where all tokens are");

    let (mut draft, x) = Draft::new();
    let y = draft.block("one", x, None, false);
    let y = draft.plus("later", y, &[TOKENS, 1]);
    let y = draft.mean(y);
    assert_eq!(why_not(draft.analysed(y)), "later reads later.weight, where all tokens are");

    let (mut draft, x) = Draft::new();
    let y = draft.block("one", x, None, false);
    let y = draft.add("flat", Reshape { to: vec![Dim::Batch(1), Dim::Fixed(TOKENS * WIDTH)] }, &[y]);
    let y = draft.linear("logits", y, TOKENS * WIDTH, 3);
    assert_eq!(why_not(draft.analysed(y)), "logits reads logits.weight, where all tokens are");
}

#[test]
fn what_depends_on_how_many_there_are_keeps_them_all() {
    let (mut draft, x) = Draft::new();
    let y = draft.block("one", x, None, false);
    let y = draft.add("product", Reduce { reduction: Reduction::Prod, axes: vec![1], keep: false }, &[y]);
    assert_eq!(why_not(draft.analysed(y)), "product: multiplies along the axis");
}

#[test]
fn the_least_so_far_goes_on_and_all_of_them_need_no_operator() {
    let (mut draft, x) = Draft::new();
    let y = draft.block("one", x, None, false);
    let y = draft.block("two", y, None, false);
    let y = draft.mean(y);
    let (graph, analysis) = draft.analysed(y);
    let elastic = Elastic::new(graph.clone()).unwrap();
    let [(first, one), (second, two)] = analysis.tokens().try_into().unwrap();
    let at = |parts: [u16; 2]| {
        let choice = |part| Choice { kind: Kind::Token(Token), density: Density::new(part).unwrap() };
        let setting = analysis.dense().with_choice(one, choice(parts[0])).with_choice(two, choice(parts[1]));
        let left = elastic.shrink(&setting).unwrap();
        let lengths = [first, second].map(|node| left.node(node).facts[0].shape[1].count());
        (lengths, [first, second].map(|node| matches!(left.node(node).op, Op::Then(_))), left == graph)
    };
    assert_eq!(at([1000, 1000]), ([6, 6], [false, false], true));
    assert_eq!(at([900, 1000]), ([6, 6], [false, false], true));
    assert_eq!(at([500, 1000]), ([3, 3], [true, false], false));
    assert_eq!(at([1000, 500]), ([6, 3], [false, true], false));
    assert_eq!(at([500, 333]), ([3, 2], [true, true], false));
    assert_eq!(at([333, 500]), ([2, 2], [true, false], false));
}

#[test]
fn tokens_leave_in_no_other_way() {
    let (mut draft, x) = Draft::new();
    let y = draft.block("one", x, None, false);
    let y = draft.mean(y);
    let (graph, analysis) = draft.analysed(y);
    let site = SiteId(analysis.tokens()[0].1.0);
    let choice = Choice { kind: Kind::Channel(Channel), density: Density::new(500).unwrap() };
    let error =
        Elastic::new(graph).unwrap().shrink(&analysis.dense().with_choice(site, choice)).unwrap_err().to_string();
    assert_eq!(error, format!("embedded.tokens: {}, expected one of [\"token\"]", choice.kind.name()));
}
