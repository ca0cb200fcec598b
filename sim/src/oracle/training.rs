//! The best rungs for training steps: a knapsack whose items are steps and whose size is the processor time that there is.
use super::allowed;
use crate::device::SimulatedDevice;
use crate::error::Error;
use crate::report::{Run, TrainingRun};
use crate::scenario::{Scenario, dense};
use crate::stage::Stage;
use crate::trace::Trace;
use supple_strategy::{Decision, Job, Ladder, Nanos, Observation};

/// Most pairs of a step and a rung; a run with more is refused.
const MOST_PAIRS: usize = 20_000_000;

/// Halvings of the price: the price of a nanosecond is then known to 2^-80 of an answer.
const HALVINGS: usize = 80;

/// The training run of the greatest [`worth`](TrainingRun::worth) that could be found, of all that choose for each step on which rung it is made, and what
/// there may be beyond it at most, as its [`regret`](TrainingRun::regret).
///
/// Training never waits, so that what ends by the deadline depends on nothing but how much processor time the steps ask for, which forks of the device tell.
/// The rest is a multiple-choice knapsack: at a price of processor time each step takes the rung that is worth most after paying, and the price at which the
/// time is used up gives both a choice and a bound (Sinha and Zoltners, "The multiple-choice knapsack problem", 1979). The bound holds but for the scheduler's
/// ticks, where a scenario has them; where a trace stops the run, the step under way is counted on top.
///
/// # Errors
/// As [`simulate_training`](crate::simulate_training()); and when steps times rungs are more than twenty million.
pub fn hindsight_training(scenario: &Scenario, ladder: &Ladder, trace: &Trace) -> Result<TrainingRun, Error> {
    let stage = Stage::new(scenario, ladder, trace)?;
    let training = stage.training()?;
    let rungs = allowed(scenario.demand.accuracy_floor, ladder);
    let most = MOST_PAIRS / rungs.len();
    if training.steps > most {
        let expected = format!("at most {most}, to be chosen for in hindsight");
        let error = Error::field(format!("training.steps = {}", training.steps), expected);
        return Err(error.within(scenario.origin().display()));
    }
    let due = training.deadline(dense(ladder).median());
    let device = stage.device();
    let steps = Steps::of(&device, training.steps, (&rungs, ladder), due);
    let (choices, bound) = steps.best();
    let under_way = if device.stops_at().is_some_and(|end| end < due) { 1.0 } else { 0.0 };
    let mut planned = choices.into_iter();
    let last = rungs.last().copied().unwrap_or_default();
    let mut policy = |_: &Observation, _: &Ladder| Decision { rung: planned.next().map_or(last, |i| rungs[i]) };
    let run = stage.train(&mut policy, Run::ORACLE)?;
    let beyond = ((bound + under_way) / training.steps as f64 - run.worth).max(0.0);
    Ok(TrainingRun { regret: Some(beyond), ..run })
}

/// What steps ask for and are worth on each rung, and the time that there is for them.
struct Steps {
    /// Nanoseconds of processor time, step by step, each with one entry a rung.
    times: Vec<u64>,
    worths: Vec<f64>,
    room: u64,
}

/// Rungs for the first steps, with their time and worth in sum.
#[derive(Clone, Default)]
struct Choices {
    rungs: Vec<usize>,
    time: u64,
    worth: f64,
}

impl Steps {
    fn of(device: &SimulatedDevice<'_>, steps: usize, (rungs, ladder): (&[usize], &Ladder), due: Nanos) -> Self {
        let time = |step| rungs.iter().map(move |&rung| device.demand(Job::Step(step), rung).0);
        let times: Vec<u64> = (0..steps).flat_map(time).collect();
        let worths: Vec<f64> = rungs.iter().map(|&rung| ladder.rungs()[rung].quality).collect();
        let all = times.chunks(worths.len()).filter_map(|times| times.iter().max());
        let all = all.fold(0u64, |sum, time| sum.saturating_add(*time));
        let stop = device.stops_at().map_or(due, |end| end.min(due));
        Self { times, worths, room: device.room(stop, Nanos(all)).0 }
    }

    /// The room that is left when each step ends at a whole nanosecond.
    fn sure_room(&self) -> u64 {
        self.room.saturating_sub(self.len() as u64)
    }

    fn len(&self) -> usize {
        self.times.len() / self.worths.len()
    }

    fn time(&self, step: usize, rung: usize) -> u64 {
        self.times[step * self.worths.len() + rung]
    }

    /// The choices of the greatest worth that were found, and a bound that no choices exceed.
    fn best(&self) -> (Vec<usize>, f64) {
        let (free, mut most) = self.at_price(0.0);
        if free.time <= self.sure_room() {
            return (free.rungs, most);
        }
        let (mut dear, mut over) = (Choices::default(), free);
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let price = f64::midpoint(low, high);
            let (choices, bound) = self.at_price(price);
            most = most.min(bound);
            if choices.time <= self.sure_room() {
                (high, dear) = (price, choices);
            } else {
                (low, over) = (price, choices);
            }
        }
        let (filled, cut) = (self.filled(dear), self.filled(self.cut(over)));
        let best = if filled.worth >= cut.worth { filled } else { cut };
        (best.rungs, most)
    }

    /// What each step takes at this price of a nanosecond, up to the step where the sum is greatest; and the bound that follows from it.
    fn at_price(&self, price: f64) -> (Choices, f64) {
        let mut all = Choices::default();
        let (mut length, mut time, mut worth) = (0, 0, 0.0);
        let (mut paid, mut most) = (0.0, 0.0);
        for step in 0..self.len() {
            let after = |rung: usize| self.worths[rung] - price * self.time(step, rung) as f64;
            let better = |best: usize, rung: usize| if after(rung) > after(best) { rung } else { best };
            let rung = (1..self.worths.len()).fold(0, better);
            self.take(&mut all, step, rung);
            paid += after(rung);
            if paid > most {
                (most, length, time, worth) = (paid, all.rungs.len(), all.time, all.worth);
            }
        }
        all.rungs.truncate(length);
        (Choices { rungs: all.rungs, time, worth }, most + price * self.room as f64)
    }

    fn take(&self, choices: &mut Choices, step: usize, rung: usize) {
        choices.rungs.push(rung);
        choices.time = choices.time.saturating_add(self.time(step, rung));
        choices.worth += self.worths[rung];
    }

    /// As many of the first choices as there is room for.
    fn cut(&self, over: Choices) -> Choices {
        let mut cut = Choices::default();
        for (step, rung) in over.rungs.into_iter().enumerate() {
            if cut.time.saturating_add(self.time(step, rung)) > self.sure_room() {
                break;
            }
            self.take(&mut cut, step, rung);
        }
        cut
    }

    /// The same with what room is left used: for better rungs, then for more steps.
    fn filled(&self, mut choices: Choices) -> Choices {
        for step in 0..choices.rungs.len() {
            let now = choices.rungs[step];
            let rest = choices.time - self.time(step, now);
            if let Some(rung) =
                self.best_within(step, self.sure_room() - rest).filter(|&best| self.worths[best] > self.worths[now])
            {
                choices.rungs[step] = rung;
                choices.time = rest + self.time(step, rung);
                choices.worth += self.worths[rung] - self.worths[now];
            }
        }
        while choices.rungs.len() < self.len()
            && let Some(rung) = self.best_within(choices.rungs.len(), self.sure_room() - choices.time)
        {
            let step = choices.rungs.len();
            self.take(&mut choices, step, rung);
        }
        choices
    }

    /// The rung of the greatest worth on which a step takes no longer than `room`.
    fn best_within(&self, step: usize, room: u64) -> Option<usize> {
        let fits = (0..self.worths.len()).filter(|&rung| self.time(step, rung) <= room);
        fits.max_by(|&a, &b| self.worths[a].total_cmp(&self.worths[b]).then(b.cmp(&a)))
    }
}
