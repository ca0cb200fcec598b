//! The plots of a run, as SVG.
use crate::error::Error;
use crate::trace::Trace;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use supple_strategy::{Nanos, Record};

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// What the plots of one run need: its records, the density of each rung, and how far the time axis goes.
pub(super) struct Plots<'a> {
    pub records: &'a [Record],
    pub densities: &'a [f64],
    pub until: Nanos,
    /// What a latency is called on its axis.
    pub latency: &'static str,
    /// The latency that is due, in milliseconds, where it is the same for all.
    pub due_ms: Option<f64>,
}

const WIDTH: u32 = 960;
const SHARE: RGBColor = RGBColor(0x7a, 0x9c, 0xc6);
const DENSITY: RGBColor = RGBColor(0x2f, 0x9e, 0x6e);
const IN_TIME: RGBColor = RGBColor(0x3f, 0x6f, 0xb5);
const MISSED: RGBColor = RGBColor(0xd6, 0x3a, 0x2f);
/// Axes, labels and the deadline: readable on white and on black.
const INK: RGBColor = RGBColor(0x80, 0x80, 0x80);

impl Plots<'_> {
    /// The share of the processor over time.
    pub(super) fn share(&self, trace: &Trace) -> Result<String, Error> {
        self.panel(120, 1.05, "CPU share", false, |chart| {
            let line = steps(changes(trace, self.until), self.until);
            let area = AreaSeries::new(line, 0.0, SHARE.mix(0.35)).border_style(SHARE);
            chart.draw_series(area).map(drop).map_err(Error::plot)
        })
    }

    /// The density of the rung that was set, over time.
    pub(super) fn density(&self) -> Result<String, Error> {
        self.panel(120, 1.05, "density", false, |chart| {
            let of = |record: &Record| self.densities.get(record.rung).copied().unwrap_or(1.0);
            let points = self.records.iter().map(|record| (record.started, of(record))).collect();
            let line = LineSeries::new(steps(points, self.until), DENSITY.stroke_width(2));
            chart.draw_series(line).map(drop).map_err(Error::plot)
        })
    }

    /// Latency of each piece of work at the time of its arrival; what missed its deadline in red, what was dropped or is beyond the
    /// axis at the upper edge.
    pub(super) fn latencies(&self) -> Result<String, Error> {
        let top = self.top_ms();
        self.panel(200, top, self.latency, true, |chart| {
            let place = |record: &Record| (record.arrival.seconds(), millis(record).map_or(top, |ms| ms.min(top)));
            for (missed, colour) in [(false, IN_TIME), (true, MISSED)] {
                let some = self.records.iter().filter(|record| record.missed() == missed);
                let dots = some.map(|record| Circle::new(place(record), 2, colour.mix(0.75).filled()));
                chart.draw_series(dots).map_err(Error::plot)?;
            }
            let due = self.due_ms.map(|due| [(0.0, due), (self.until.seconds(), due)]);
            let line = LineSeries::new(due.into_iter().flatten(), INK.stroke_width(1));
            chart.draw_series(line).map(drop).map_err(Error::plot)
        })
    }

    /// Upper end of the latency axis: twice the deadline; without one, a little above the longest.
    fn top_ms(&self) -> f64 {
        let longest = self.records.iter().filter_map(millis).fold(0.0, f64::max);
        let top = self.due_ms.map_or(1.1 * longest, |due| 2.0 * due);
        if top > 0.0 { top } else { 1.0 }
    }

    fn panel(
        &self,
        height: u32,
        top: f64,
        label: &str,
        time_label: bool,
        draw: impl FnOnce(&mut Chart) -> Result<(), Error>,
    ) -> Result<String, Error> {
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        let x_labels = if time_label { 32 } else { 8 };
        let mut chart = ChartBuilder::on(&area)
            .margin(6)
            .margin_right(18)
            .set_label_area_size(LabelAreaPosition::Left, 58)
            .set_label_area_size(LabelAreaPosition::Bottom, x_labels)
            .build_cartesian_2d(0.0..self.until.seconds().max(1e-9), 0.0..top)
            .map_err(Error::plot)?;
        let font = ("sans-serif", 13).into_font().color(&INK);
        let mut mesh = chart.configure_mesh();
        mesh.disable_x_mesh().light_line_style(TRANSPARENT).bold_line_style(INK.mix(0.2)).axis_style(INK);
        mesh.label_style(font).y_desc(label).y_labels(if time_label { 7 } else { 4 }).x_labels(if time_label {
            10
        } else {
            0
        });
        if time_label {
            mesh.x_desc("seconds");
        }
        mesh.draw().map_err(Error::plot)?;
        draw(&mut chart)?;
        drop(chart);
        area.present().map_err(Error::plot)?;
        drop(area);
        Ok(svg)
    }
}

fn millis(record: &Record) -> Option<f64> {
    record.finished.map(|end| (end - record.arrival).millis())
}

/// The points of a trace up to `until`.
fn changes(trace: &Trace, until: Nanos) -> Vec<(Nanos, f64)> {
    let next = |&when: &Nanos| trace.next_change(when).filter(|next| *next < until);
    std::iter::successors(Some(Nanos::ZERO), next).map(|when| (when, trace.at(when))).collect()
}

/// The corners of a piecewise constant line that ends at `until`, in seconds; points without a change are left out.
fn steps(mut points: Vec<(Nanos, f64)>, until: Nanos) -> Vec<(f64, f64)> {
    points.dedup_by_key(|(_, value)| *value);
    let ends = points.iter().skip(1).map(|&(when, _)| when).chain([until]);
    let corners = points.iter().zip(ends).flat_map(|(&(from, value), to)| [(from, value), (to, value)]);
    corners.map(|(when, value)| (when.seconds(), value)).collect()
}
