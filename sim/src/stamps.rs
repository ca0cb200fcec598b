//! Times in files, exact to the nanosecond.

/// Nanoseconds of a decimal number without sign and exponent, of units of `unit` nanoseconds; rounded to the nearest.
pub(crate) fn decimal(text: &str, unit: u64) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || whole.len() > 19 {
        return None;
    }
    let part = &part[..part.len().min(15)];
    let scale = 10i128.pow(part.len() as u32);
    let mantissa = whole.parse::<i128>().ok()? * scale + if part.is_empty() { 0 } else { part.parse::<i128>().ok()? };
    i64::try_from((mantissa * i128::from(unit) + scale / 2) / scale).ok()
}

/// Nanoseconds of a number of seconds.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    decimal(text, 1_000_000_000)
}

/// Nanoseconds of a number of milliseconds.
pub(crate) fn millis(text: &str) -> Option<i64> {
    decimal(text, 1_000_000)
}

/// Nanoseconds since 1970-01-01 00:00:00 of `YYYY-mm-dd HH:MM:SS`, with a fraction of seconds or without; no time zones, no leap seconds,
/// nothing before 1970.
pub(crate) fn civil(stamp: &str) -> Option<i64> {
    let (date, time) = stamp.split_once(' ')?;
    date_and_time(date, time)
}

/// The same of a date `YYYY-mm-dd` and a time `HH:MM:SS`.
pub(crate) fn date_and_time(date: &str, time: &str) -> Option<i64> {
    let (clock, fraction) = time.split_at_checked(8)?;
    let [year, month, day] = three_numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = three_numbers(clock, ':', [2, 2, 2])?;
    let valid = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    let valid = valid && hour < 24 && minute < 60 && second < 60;
    let fraction = match fraction.strip_prefix('.') {
        Some(digits) if !digits.is_empty() => seconds(&format!("0.{digits}"))?,
        Some(_) => return None,
        None if fraction.is_empty() => 0,
        None => return None,
    };
    let whole = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    valid.then(|| whole.checked_mul(1_000_000_000)?.checked_add(fraction))?.filter(|nanos| *nanos >= 0)
}

fn three_numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next()?;
        let digits = part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = digits.then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

fn days_in(year: i64, month: i64) -> i64 {
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days(next.0, next.1, 1) - days(year, month, 1)
}

/// Days from 1970-01-01 in the Gregorian calendar (H. Hinnant, `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_nanoseconds_since_1970() {
        assert_eq!(civil("1970-01-01 00:00:00"), Some(0));
        assert_eq!(civil("2014-02-14 14:27:00"), Some(1_392_388_020_000_000_000));
        assert_eq!(civil("2000-02-29 23:59:59"), Some(951_868_799_000_000_000));
        assert_eq!(civil("2023-11-16 18:17:03.9799600"), Some(1_700_158_623_979_960_000));
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        let bad =
            ["", "2014-02-14", "2014-02-30 00:00:00", "2014-13-01 00:00:00", "2014-02-14 24:00:00", "2014-02-14 14:2"];
        let more = ["2014-02-14 14:27:00:00", "2014-02-+4 14:27:00", "1900-02-29 00:00:00", "2014-02-14 14:27:00."];
        for stamp in bad.iter().chain(&more).chain(&["0001-01-01 00:00:00", "2014-02-14 14:27:0\u{e9}"]) {
            assert_eq!(civil(stamp), None, "{stamp}");
        }
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(seconds("0.000000001"), Some(1));
        assert_eq!(seconds("529134.314032642"), Some(529_134_314_032_642));
        assert_eq!(decimal("7.065", 3_600_000_000_000), Some(25_434_000_000_000));
        assert_eq!(millis("1.5"), Some(1_500_000));
        for bad in ["", ".", ".5", "-1", "+1", "1e3", "nan", "99999999999999999999", "9999999999999999999", "1.2.3"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
        assert_eq!(seconds("1."), Some(1_000_000_000));
    }
}
