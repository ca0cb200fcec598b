//! The format of the Numenta Anomaly Benchmark (<https://github.com/numenta/NAB>).
use crate::error::Error;
use crate::format::{Columns, TraceFormat};

/// CSV with the header `timestamp,value`; timestamps are `YYYY-mm-dd HH:MM:SS`. In the files on processor load a value is the
/// percentage that somebody else uses.
#[derive(Clone, Copy, Debug)]
pub struct Nab;

impl TraceFormat for Nab {
    fn name(&self) -> &'static str {
        "nab"
    }

    fn read(&self, text: &str) -> Result<Vec<(f64, f64)>, Error> {
        Columns { header: ["timestamp", "value"], time: "a time YYYY-mm-dd HH:MM:SS", seconds }.read(text)
    }
}

/// Seconds since 1970-01-01 00:00:00 of a timestamp, without time zones and leap seconds.
fn seconds(stamp: &str) -> Option<f64> {
    let (date, time) = stamp.split_once(' ')?;
    let [year, month, day] = three_numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = three_numbers(time, ':', [2, 2, 2])?;
    let valid = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    let valid = valid && hour < 24 && minute < 60 && second < 60;
    valid.then(|| (days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second) as f64)
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
    fn timestamps_are_seconds_since_1970() {
        assert_eq!(seconds("1970-01-01 00:00:00"), Some(0.0));
        assert_eq!(seconds("2014-02-14 14:27:00"), Some(1_392_388_020.0));
        assert_eq!(seconds("2000-02-29 23:59:59"), Some(951_868_799.0));
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        let bad =
            ["", "2014-02-14", "2014-02-30 00:00:00", "2014-13-01 00:00:00", "2014-02-14 24:00:00", "2014-02-14 14:2"];
        for stamp in bad.iter().chain(&["2014-02-14 14:27:00:00", "2014-02-+4 14:27:00", "1900-02-29 00:00:00"]) {
            assert_eq!(seconds(stamp), None, "{stamp}");
        }
    }
}
