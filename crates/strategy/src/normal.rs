//! The standard normal distribution.

/// The quantile of the standard normal distribution at `p`; infinite at 0 and 1, NaN outside [0, 1].
///
/// M. J. Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37 (1988),
/// routine PPND7: relative error about 1e-7.
pub fn quantile(p: f64) -> f64 {
    let centred = p - 0.5;
    if centred.abs() <= 0.425 {
        let r = 0.180625 - centred * centred;
        return centred * polynomial(&[3.387_132_717_9, 50.434_271_938, 159.291_132_02, 59.109_374_72], r)
            / polynomial(&[1.0, 17.895_169_469, 78.757_757_664, 67.187_563_6], r);
    }
    let tail = if centred < 0.0 { p } else { 1.0 - p };
    if tail == 0.0 {
        return f64::INFINITY.copysign(centred);
    }
    upper((-tail.ln()).sqrt()).copysign(centred)
}

fn upper(r: f64) -> f64 {
    if r <= 5.0 {
        let r = r - 1.6;
        polynomial(&[1.423_437_277_7, 2.756_815_39, 1.306_728_481_6, 0.170_238_211_03], r)
            / polynomial(&[1.0, 0.737_001_642_5, 0.120_211_329_75], r)
    } else {
        let r = r - 5.0;
        polynomial(&[6.657_905_115, 3.081_226_386, 0.428_682_943_37, 0.017_337_203_997], r)
            / polynomial(&[1.0, 0.241_978_942_25, 0.012_258_202_635], r)
    }
}

fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn known_quantiles() {
        for (p, z) in [
            (0.5, 0.0),
            (0.9, 1.281_551_566),
            (0.95, 1.644_853_627),
            (0.999, 3.090_232_306),
            (1e-6, -4.753_424_309),
            (1e-12, -7.034_483_825),
        ] {
            assert!((quantile(p) - z).abs() <= 2e-6 * (1.0 + z.abs()), "{p}: {} instead of {z}", quantile(p));
        }
        assert_eq!(quantile(1.0), f64::INFINITY);
        assert_eq!(quantile(0.0), f64::NEG_INFINITY);
        assert!(quantile(f64::NAN).is_nan() && quantile(1.5).is_nan());
    }
}
