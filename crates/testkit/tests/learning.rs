//! What a setting leaves learns as the masked dense graph does, on random graphs, by every loss and optimizer.
use proptest::prelude::*;
use proptest::sample::select;
use supple_graph::operators::{Adam, Sgd};
use supple_graph::training::{Loss, Optimizer};
use supple_testkit::{check_learning, elastic_cases};

/// Both losses, and both optimizers with everything that they know. Where gradients are next to zero, Adam's steps are next to arbitrary unless its epsilon
/// is larger than they are.
fn ways() -> impl Strategy<Value = (Loss, Optimizer)> {
    let sgd = |decay| Sgd { momentum: 0.9, decay, nesterov: true };
    let adam = |decoupled| Adam { betas: [0.9, 0.99], epsilon: 0.1, decay: 0.01, decoupled };
    let optimizers: Vec<Optimizer> = vec![
        Optimizer::Sgd(sgd(0.0)),
        Optimizer::Sgd(sgd(0.01)),
        Optimizer::Adam(adam(false)),
        Optimizer::Adam(adam(true)),
    ];
    (select(vec![Loss::MeanSquare, Loss::CrossEntropy]), select(optimizers))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_random_graph_learns_what_it_would_with_zeros((case, (loss, optimizer)) in (elastic_cases(), ways())) {
        prop_assert_eq!(check_learning(&case, loss, &optimizer), Ok(()));
    }
}
