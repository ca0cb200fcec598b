//! How much slower the machine is than when the ladder was measured.

/// The slow-down factor, observed time divided by the rung's median time at full share, filtered. It is the same for
/// every rung, so that one observation tells the cost of all.
///
/// The adaptive Kalman filter of Wan, Santriaji, Rogers, Hoffmann, Maire and Lu, "ALERT: Accurate Learning for Energy
/// and Timeliness", USENIX ATC 2020. With an observed factor x, in each step
///
/// ```text
/// K = P / (P + R)          y = x - mu          mu <- mu + K y
/// Q <- max(Q0, a Q + (1 - a) (K y)^2)          P  <- (1 - K) P + Q
/// ```
///
/// Two things differ from the paper:
/// * the innovation y is limited to [`LIMIT`](Self::LIMIT) predicted standard deviations (Huber's bounded influence),
///   so that one outlier, such as a cold first run, is not taken for a new level; a lasting change widens the limit by
///   itself and is through in a few steps;
/// * Q falls slower than it rises ([`RELEASE`](Self::RELEASE)). Under a CPU quota a request runs at full speed until
///   the quota is used up and then waits for the next period: factors come from two levels, and the higher must not be
///   forgotten in the few requests between two waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slowdown {
    mean: f64,
    variance: f64,
    noise: f64,
}

impl Slowdown {
    /// Variance of an observation, R.
    pub const OBSERVATION_NOISE: f64 = 0.001;
    /// Lowest variance by which the factor itself moves from one piece of work to the next, Q0.
    pub const PROCESS_NOISE: f64 = 0.1;
    /// Part of Q that stays when the innovation exceeds it, a.
    pub const ATTACK: f64 = 0.3;
    /// Part of Q that stays when the innovation is below it, a.
    pub const RELEASE: f64 = 0.9;
    /// Largest innovation, in predicted standard deviations.
    pub const LIMIT: f64 = 3.0;
    /// Largest factor that is told apart from larger ones.
    pub const CEILING: f64 = 1e9;
    const START_VARIANCE: f64 = 0.1;

    /// Full speed, not yet sure of it.
    pub const fn new() -> Self {
        Self { mean: 1.0, variance: Self::START_VARIANCE, noise: Self::PROCESS_NOISE }
    }

    /// Expected factor of the next piece of work.
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// Variance of the factor of the next piece of work.
    pub fn variance(&self) -> f64 {
        self.variance + Self::OBSERVATION_NOISE
    }

    /// Takes in an observed factor; one that is negative or not finite is ignored.
    pub fn observe(&mut self, factor: f64) {
        if !factor.is_finite() || factor < 0.0 {
            return;
        }
        let limit = Self::LIMIT * self.variance().sqrt();
        let gain = self.variance / self.variance();
        let moved = gain * (factor.min(Self::CEILING) - self.mean).clamp(-limit, limit);
        let keep = if moved * moved > self.noise { Self::ATTACK } else { Self::RELEASE };
        self.mean += moved;
        self.noise = (keep * self.noise + (1.0 - keep) * moved * moved).max(Self::PROCESS_NOISE);
        self.variance = (1.0 - gain) * self.variance + self.noise;
    }
}

impl Default for Slowdown {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Slowdown;

    fn after(factors: &[f64]) -> Slowdown {
        let mut slowdown = Slowdown::new();
        factors.iter().for_each(|&f| slowdown.observe(f));
        slowdown
    }

    #[test]
    fn one_cold_run_is_not_a_level() {
        assert!(after(&[50.0]).mean() < 2.5);
        assert!((after(&[50.0, 1.0, 1.0]).mean() - 1.0).abs() < 0.05);
    }

    #[test]
    fn a_lasting_change_is_through_in_a_few_steps() {
        assert!((after(&[10.0; 6]).mean() - 10.0).abs() < 0.2);
        assert!((after(&[[10.0; 50], [1.0; 50]].concat()).mean() - 1.0).abs() < 0.01);
    }

    #[test]
    fn two_levels_are_remembered() {
        let calm = after(&[1.0; 40]);
        let bursty = after(&[3.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0].repeat(4));
        assert!(bursty.variance() > 4.0 * calm.variance(), "{bursty:?} {calm:?}");
    }

    #[test]
    fn nonsense_is_ignored() {
        assert_eq!(after(&[f64::NAN, f64::INFINITY, -1.0]), Slowdown::new());
        let far = after(&[1e300; 2000]);
        assert!(far.mean().is_finite() && far.variance() > 0.0);
    }
}
