//! Laws of every resource: nothing is lost or made, and what is fast equals what is plain.
use proptest::prelude::*;
use supple_sim::resources::{AnyResource, Fifo, MaxMin, Shared};
use supple_sim::{Capacity, JobId, Resource, Work};
use supple_strategy::Nanos;

/// A deed on a resource after a span in nanoseconds; numbers pick among what began.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Begin(Work),
    Capacity(u64),
    Withdraw(usize),
}

fn work() -> impl Strategy<Value = Work> {
    let cap = prop_oneof![2 => Just(None), 1 => (1..Capacity::WHOLE.grains()).prop_map(|grains| Some(Capacity::from_grains(grains)))];
    (0..5000u64, 1..4u32, cap).prop_map(|(units, weight, cap)| Work { units, weight, cap })
}

fn capacity() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0), 1 => Just(Capacity::WHOLE.grains()), 4 => 1..3 * Capacity::WHOLE.grains()]
}

fn deeds(withdraw: u32) -> impl Strategy<Value = Vec<(u64, Deed)>> {
    let deed = prop_oneof![
        6 => work().prop_map(Deed::Begin),
        3 => capacity().prop_map(Deed::Capacity),
        withdraw => any::<usize>().prop_map(Deed::Withdraw),
    ];
    prop::collection::vec((0..3000u64, deed), 1..40)
}

fn resources() -> Vec<AnyResource> {
    let whole = Capacity::WHOLE;
    vec![Shared::new(whole).into(), MaxMin::new(whole).into(), Fifo::new(whole, 1).into(), Fifo::new(whole, 3).into()]
}

/// A run of one resource: what ended when, and the grains that its capacity gave while there were jobs.
#[derive(Default)]
struct Run {
    now: Nanos,
    capacity: u64,
    ended: Vec<(JobId, Nanos)>,
    began: Vec<(JobId, Work, Nanos)>,
    withdrawn: Vec<JobId>,
    busy: u128,
}

impl Run {
    fn pass(&mut self, resource: &mut dyn Resource, until: Nanos) {
        while let Some(next) = resource.next().filter(|next| *next <= until) {
            self.go(resource, next);
            while let Some(job) = resource.done(next) {
                self.ended.push((job, next));
            }
        }
        if until < Nanos::MAX {
            self.go(resource, until);
        }
    }

    fn go(&mut self, resource: &dyn Resource, now: Nanos) {
        assert!(now >= self.now, "time went back");
        if resource.jobs() > 0 {
            self.busy += u128::from(self.capacity) * u128::from((now - self.now).0);
        }
        self.now = now;
    }

    fn perform(resource: &mut dyn Resource, deeds: &[(u64, Deed)]) -> Self {
        let mut run = Self { capacity: Capacity::WHOLE.grains(), ..Self::default() };
        for &(span, deed) in deeds {
            run.pass(resource, run.now + Nanos(span));
            match deed {
                Deed::Begin(work) => run.began.push((resource.begin(run.now, work), work, run.now)),
                Deed::Capacity(grains) => {
                    run.capacity = grains;
                    resource.set_capacity(run.now, Capacity::from_grains(grains));
                }
                Deed::Withdraw(which) => {
                    let picked = run.began.get(which % run.began.len().max(1)).map(|(job, ..)| *job);
                    run.withdrawn.extend(picked.filter(|&job| resource.withdraw(run.now, job).is_some()));
                }
            }
        }
        run
    }

    fn finish(&mut self, resource: &mut dyn Resource) {
        self.capacity = Capacity::WHOLE.grains();
        resource.set_capacity(self.now, Capacity::WHOLE);
        self.pass(resource, Nanos::MAX);
    }
}

/// Grains that the capacity gives from the beginning to `until`, with [`Capacity::WHOLE`] before and after the deeds.
fn offered(deeds: &[(u64, Deed)], until: u64) -> u128 {
    let (mut now, mut capacity, mut sum) = (0, Capacity::WHOLE.grains(), 0);
    for &(span, deed) in deeds {
        sum += u128::from(capacity) * u128::from((now + span).min(until).saturating_sub(now));
        now += span;
        if let Deed::Capacity(grains) = deed {
            capacity = grains;
        }
    }
    sum + u128::from(Capacity::WHOLE.grains()) * u128::from(until.saturating_sub(now))
}

fn grains(units: u64) -> u128 {
    u128::from(units) << Capacity::BITS
}

proptest! {
    #[test]
    fn work_served_is_work_offered_to_the_last_grain(deeds in deeds(0)) {
        for mut resource in resources() {
            let mut run = Run::perform(&mut resource, &deeds);
            let account = resource.account();
            prop_assert_eq!(account.given + account.left(), account.asked);
            prop_assert!(account.given <= run.busy);
            run.finish(&mut resource);
            let asked: u128 = run.began.iter().map(|(_, work, _)| grains(work.units)).sum();
            let account = resource.account();
            prop_assert_eq!((account.asked, account.given, account.left()), (asked, asked, 0));
            prop_assert_eq!((account.ended as usize, resource.jobs()), (run.began.len(), 0));
        }
    }

    #[test]
    fn no_job_is_lost_or_ends_twice(deeds in deeds(2)) {
        for mut resource in resources() {
            let mut run = Run::perform(&mut resource, &deeds);
            run.finish(&mut resource);
            let mut seen: Vec<JobId> = run.ended.iter().map(|(job, _)| *job).chain(run.withdrawn.iter().copied()).collect();
            let mut began: Vec<JobId> = run.began.iter().map(|(job, ..)| *job).collect();
            seen.sort();
            began.sort();
            prop_assert_eq!(seen, began);
            let account = resource.account();
            prop_assert_eq!(account.given + account.withdrawn, account.asked);
            prop_assert!(run.ended.windows(2).all(|pair| pair[0].1 <= pair[1].1));
            prop_assert!(run.began.iter().all(|(job, ..)| resource.withdraw(run.now, *job).is_none()));
        }
    }

    #[test]
    fn sharing_wastes_nothing(deeds in deeds(0)) {
        let mut resource = Shared::new(Capacity::WHOLE);
        let run = Run::perform(&mut resource, &deeds);
        let account = resource.account();
        let most = 3 * Capacity::WHOLE.grains();
        let idle = run.ended.len() as u128 * u128::from(most);
        prop_assert!(account.given + idle + resource.jobs() as u128 >= run.busy, "at most the rest of a nanosecond at each end");
    }

    #[test]
    fn equal_weights_without_caps_are_processor_sharing(deeds in deeds(0)) {
        let plain: Vec<_> = deeds.iter().map(|&(span, deed)| match deed {
            Deed::Begin(work) => (span, Deed::Begin(Work::of(work.units))),
            other => (span, other),
        }).collect();
        let (mut shared, mut max_min) = (Shared::new(Capacity::WHOLE), MaxMin::new(Capacity::WHOLE));
        let (mut one, mut other) = (Run::perform(&mut shared, &plain), Run::perform(&mut max_min, &plain));
        one.finish(&mut shared);
        other.finish(&mut max_min);
        let times = |run: &Run| -> Vec<u64> {
            run.began.iter().map(|(job, ..)| run.ended.iter().find(|(ended, _)| ended == job).expect("it ended").1.0).collect()
        };
        let capacities = plain.iter().map(|(_, deed)| if let Deed::Capacity(grains) = deed { *grains } else { 0 });
        let most = capacities.max().unwrap_or(0).max(Capacity::WHOLE.grains());
        let allowed = (2 + 2 * one.began.len() as u128) * u128::from(most);
        for (a, b) in times(&one).into_iter().zip(times(&other)) {
            let apart = offered(&plain, a).abs_diff(offered(&plain, b));
            prop_assert!(apart <= allowed, "{a} and {b}: more than two nanoseconds of the largest capacity for each job apart");
        }
    }

    #[test]
    fn shares_are_max_min_fair(works in prop::collection::vec(work(), 1..12), capacity in capacity()) {
        let mut resource = MaxMin::new(Capacity::from_grains(capacity));
        let jobs: Vec<JobId> = works.iter().map(|&work| resource.begin(Nanos::ZERO, work)).collect();
        let rates: Vec<u64> = jobs.iter().map(|&job| resource.rate(job).grains()).collect();
        let total: u64 = rates.iter().sum();
        prop_assert!(total <= capacity);
        let level = |i: usize| rates[i] / u64::from(works[i].weight);
        let open: Vec<usize> = (0..works.len()).filter(|&i| works[i].cap.is_none_or(|cap| rates[i] < cap.grains())).collect();
        prop_assert!(works.iter().zip(&rates).all(|(work, &rate)| work.cap.is_none_or(|cap| rate <= cap.grains())));
        prop_assert!(open.is_empty() || total + works.len() as u64 > capacity, "capacity is left, and someone wants it");
        let highest = (0..works.len()).map(level).max().unwrap_or(0);
        prop_assert!(open.iter().all(|&i| level(i) + works.len() as u64 >= highest), "{rates:?}");
    }

    #[test]
    fn a_constant_capacity_gives_the_closed_form(units in 1..1_000_000_000u64, part in 0.001..2.0f64, begin in 0..1_000_000u64) {
        for mut resource in resources().into_iter().take(3) {
            let capacity = Capacity::WHOLE.times(part);
            resource.set_capacity(Nanos(begin), capacity);
            resource.begin(Nanos(begin), Work::of(units));
            let span = grains(units).div_ceil(capacity.grains().into()) as u64;
            prop_assert_eq!(resource.next(), Some(Nanos(begin + span)));
            prop_assert!((span as f64 - units as f64 / part).abs() <= 1.0 + 1e-6 * span as f64);
        }
    }

    #[test]
    fn a_resource_that_was_written_goes_on_alike(deeds in deeds(1), more in deeds(1)) {
        for mut resource in resources() {
            let run = Run::perform(&mut resource, &deeds);
            let text = serde_json::to_string(&resource).expect("json");
            let mut read: AnyResource = serde_json::from_str(&text).expect("a resource");
            let go_on = |resource: &mut AnyResource| {
                resource.set_capacity(run.now, Capacity::WHOLE);
                let mut then = Run { now: run.now, ..Run::default() };
                for &(span, deed) in &more {
                    then.pass(resource, then.now + Nanos(span));
                    if let Deed::Begin(work) = deed {
                        resource.begin(then.now, work);
                    }
                }
                then.pass(resource, Nanos::MAX);
                (then.ended, resource.account())
            };
            prop_assert_eq!(go_on(&mut read), go_on(&mut resource));
        }
    }
}

#[test]
fn three_jobs_share_one_processor() {
    let mut shared = Shared::new(Capacity::WHOLE);
    let jobs = [30, 60, 90].map(|units| shared.begin(Nanos::ZERO, Work::of(units)));
    let mut ends = Vec::new();
    while let Some(next) = shared.next() {
        ends.extend(shared.done(next).map(|job| (job, next.0)));
    }
    assert_eq!(ends, vec![(jobs[0], 90), (jobs[1], 150), (jobs[2], 180)]);
}

#[test]
fn without_capacity_nothing_ever_ends() {
    for mut resource in resources().into_iter().take(3) {
        resource.set_capacity(Nanos(5), Capacity::ZERO);
        resource.begin(Nanos(9), Work::of(1));
        assert_eq!((resource.next(), resource.done(Nanos(1000))), (None, None));
        resource.set_capacity(Nanos(1000), Capacity::WHOLE);
        assert_eq!(resource.next(), Some(Nanos(1001)));
    }
}
