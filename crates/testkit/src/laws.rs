//! The laws, run on random cases.
use crate::budgets::menus_with_budgets;
use crate::ladders::ladders;
use crate::observations::observations;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};
use supple_strategy::{Amounts, Answer, Forecast, Ladder, Menu, Observation, Policy, Proof, Shortfall, Solver};

const CASES: u32 = 500;
const ROUNDING: f64 = 1e-9;

/// What is asked of a policy beside the laws that hold for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyLaws {
    /// Pieces of work that run on a rung before the policy climbs to a dearer one; 0 asks nothing.
    pub dwell: usize,
    /// Whether the policy must stay on the rung it picks first.
    pub holds: bool,
    /// Random cases to try.
    pub cases: u32,
}

impl Default for PolicyLaws {
    fn default() -> Self {
        Self { dwell: 0, holds: false, cases: CASES }
    }
}

/// Whether the policies that `make` makes keep the laws: they pick rungs of the ladder; the same observations give the
/// same decisions; the dwell is kept.
///
/// The cases are the same in every run.
///
/// # Errors
/// The first law that is broken, and the smallest case found that breaks it.
pub fn check_policy<P: Policy>(make: impl Fn() -> P, laws: PolicyLaws) -> Result<(), String> {
    check(runs(), laws.cases, |(ladder, seen)| {
        let picked = decisions(&mut make(), &seen, &ladder);
        prop_assert!(picked.iter().all(|&r| r <= ladder.last()), "picked a rung that is not on the ladder: {picked:?}");
        let again = decisions(&mut make(), &seen, &ladder);
        prop_assert!(picked == again, "same input, other decisions: {picked:?}, then {again:?}");
        let steady = picked.iter().all(|&rung| rung == picked[0]);
        prop_assert!(steady || !laws.holds, "does not hold its rung: {picked:?}");
        let early = early_climb(&picked, laws.dwell);
        prop_assert!(early.is_none(), "climbed before {} pieces of work ran, at {early:?} of {picked:?}", laws.dwell);
        Ok(())
    })
}

/// Whether the policies that `make` makes never pick a rung that they do not predict to keep the demand while they
/// predict that another does.
///
/// The cases are the same in every run.
///
/// # Errors
/// The smallest case found that breaks the law.
pub fn check_forecast<P: Forecast>(make: impl Fn() -> P) -> Result<(), String> {
    check(runs(), CASES, |(ladder, seen)| {
        let mut policy = make();
        for (i, s) in seen.iter().enumerate() {
            let picked = policy.decide(s, &ladder).rung;
            let keeping: Vec<usize> = (0..=ladder.last()).filter(|&r| policy.keeps(s, &ladder, r)).collect();
            prop_assert!(
                keeping.is_empty() || keeping.contains(&picked),
                "decision {i} picked rung {picked}, while rungs {keeping:?} were predicted to keep the demand"
            );
        }
        Ok(())
    })
}

/// Whether the solvers that `make` makes keep the laws, against trying every setting: an answer is within the budget,
/// costs and loses what the menu says, is not better than the best and proven no better than it is; there is a
/// shortfall if and only if nothing fits; the same input gives the same answer.
///
/// The cases are the same in every run.
///
/// # Errors
/// The first law that is broken, and the smallest case found that breaks it.
pub fn check_solver<S: Solver>(make: impl Fn() -> S) -> Result<(), String> {
    check(menus_with_budgets(), CASES, |(menu, budget)| {
        let result = make().solve(&menu, &budget);
        let again = make().solve(&menu, &budget);
        prop_assert!(result == again, "same input, other answers: {result:?}, then {again:?}");
        match (result, least_loss(&menu, &budget)) {
            (Ok(answer), Some(least)) => check_answer(&answer, least, &menu, &budget),
            (Err(shortfall), None) => check_shortfall(&shortfall),
            (Ok(answer), None) => fail(format!("nothing fits, yet the answer is {answer:?}")),
            (Err(_), Some(least)) => fail(format!("a shortfall, yet a setting fits that loses {least}")),
        }
    })
}

/// The least loss of all settings of a menu within a budget, by trying every one; `None` when none fits. Slow, and
/// obviously right.
pub fn least_loss(menu: &Menu, budget: &Amounts) -> Option<f64> {
    fn rest(sites: &[Vec<supple_strategy::Offer>], price: Amounts, loss: f64, budget: &Amounts) -> Option<f64> {
        let Some((offers, later)) = sites.split_first() else { return price.within(budget).then_some(loss) };
        offers.iter().filter_map(|o| rest(later, price + o.price, loss + o.loss, budget)).reduce(f64::min)
    }
    rest(&menu.sites, menu.base, 0.0, budget)
}

fn runs() -> impl Strategy<Value = (Ladder, Vec<Observation>)> {
    ladders().prop_flat_map(|ladder| {
        let seen = observations(&ladder);
        (Just(ladder), seen)
    })
}

fn check<T: Strategy>(cases: T, count: u32, law: impl Fn(T::Value) -> TestCaseResult) -> Result<(), String> {
    let config = Config { cases: count, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng).run(&cases, law).map_err(|broken| broken.to_string())
}

fn fail(text: String) -> TestCaseResult {
    Err(TestCaseError::fail(text))
}

fn decisions(policy: &mut impl Policy, seen: &[Observation], ladder: &Ladder) -> Vec<usize> {
    seen.iter().map(|s| policy.decide(s, ladder).rung).collect()
}

/// The first decision that climbs fewer than `dwell` decisions after the last switch.
fn early_climb(picked: &[usize], dwell: usize) -> Option<usize> {
    let mut last_switch = None;
    for i in 1..picked.len() {
        let climbs = picked[i] < picked[i - 1];
        if climbs && last_switch.is_some_and(|at| i - at < dwell) {
            return Some(i);
        }
        if picked[i] != picked[i - 1] {
            last_switch = Some(i);
        }
    }
    None
}

fn check_answer(answer: &Answer, least: f64, menu: &Menu, budget: &Amounts) -> TestCaseResult {
    prop_assert!(answer.price.within(budget), "exceeds the budget: {answer:?}");
    let Some((price, loss)) = terms(answer, menu) else {
        return fail(format!("not on the menu: {:?}", answer.setting));
    };
    prop_assert!(near(&price, &answer.price), "costs {price:?}, not {:?}", answer.price);
    prop_assert!((loss - answer.loss).abs() <= ROUNDING, "loses {loss}, not {}", answer.loss);
    match answer.proof {
        Proof::Optimal => prop_assert!(loss <= least + ROUNDING, "said to be optimal at {loss}, yet {least} fits"),
        Proof::Bound(bound) => prop_assert!(bound <= least + ROUNDING, "said to be at least {bound}, yet {least} fits"),
    }
    Ok(())
}

/// Price and loss of an answer's setting as the menu says; `None` when it is not on the menu.
fn terms(answer: &Answer, menu: &Menu) -> Option<(Amounts, f64)> {
    let choices = answer.setting.choices();
    if choices.len() != menu.sites.len() {
        return None;
    }
    let mut total = (menu.base, 0.0);
    for (offers, choice) in menu.sites.iter().zip(choices) {
        let offer = offers.iter().find(|offer| offer.choice == *choice)?;
        total = (total.0 + offer.price, total.1 + offer.loss);
    }
    Some(total)
}

fn near(a: &Amounts, b: &Amounts) -> bool {
    let room = Amounts { seconds: ROUNDING, resident: ROUNDING, moved: ROUNDING, joules: ROUNDING };
    a.within(&(*b + room)) && b.within(&(*a + room))
}

fn check_shortfall(shortfall: &Shortfall) -> TestCaseResult {
    let missing = &shortfall.missing;
    prop_assert!(Amounts::default().within(missing), "less than nothing is missing: {shortfall:?}");
    prop_assert!(!missing.within(&Amounts::default()), "a shortfall of nothing");
    Ok(())
}
