//! Pieces of HTML.
use super::table::Cells;

/// Text with the characters that HTML reads as its own replaced.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A table of cells.
pub(crate) fn table(cells: &Cells) -> String {
    let header: String = cells.header.iter().map(|cell| format!("<th>{}</th>", escape(cell))).collect();
    let row = |row: &Vec<String>| -> String {
        let cells: String = row.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = cells.rows.iter().map(row).collect();
    format!("<div class=\"wide\"><table>\n<tr>{header}</tr>\n{rows}</table></div>\n")
}

/// One horizontal bar a run: its name, a bar as long as the part, and the part in per cent. `class` gives the colour.
pub(crate) fn bars(title: &str, class: &str, parts: &[(String, f64)]) -> String {
    let bar = |(name, part): &(String, f64)| {
        let percent = 100.0 * part;
        let track =
            format!("<span class=\"track\"><span class=\"{class}\" style=\"width:{percent:.2}%\"></span></span>");
        format!("<div class=\"bar\"><span>{}</span>{track}<span>{percent:.2} %</span></div>\n", escape(name))
    };
    let bars: String = parts.iter().map(bar).collect();
    format!("<section class=\"bars\"><h3>{}</h3>\n{bars}</section>\n", escape(title))
}

/// A line of a plot of intervals: its name, low, mean and high, and whether the interval is good (`true`), bad, or holds zero.
pub(crate) struct Line {
    pub name: String,
    pub low: f64,
    pub mean: f64,
    pub high: f64,
    pub good: Option<bool>,
}

/// One horizontal interval a line about a common zero in the middle; figures are shown times `scale`, with a sign.
pub(crate) fn intervals(title: &str, lines: &[Line], scale: f64) -> String {
    let reach = lines.iter().flat_map(|line| [line.low.abs(), line.high.abs()]).fold(1e-12, f64::max);
    let place = |value: f64| 50.0 + 48.0 * value / reach;
    let draw = |line: &Line| {
        let class = line.good.map_or("even", |good| if good { "good" } else { "bad" });
        let (left, width) = (place(line.low), place(line.high) - place(line.low));
        format!(
            "<div class=\"line\"><span>{}</span><span class=\"axis\"><span class=\"{class}\" style=\"left:{left:.2}%;\
             width:{width:.2}%\"></span><i style=\"left:{:.2}%\"></i></span><span>{:+.2}</span></div>\n",
            escape(&line.name),
            place(line.mean),
            scale * line.mean
        )
    };
    let lines: String = lines.iter().map(draw).collect();
    format!("<section class=\"bars\"><h3>{}</h3>\n{lines}</section>\n", escape(title))
}

/// The title of the page, and a line under it.
pub(crate) fn heading(title: &str, note: &str) -> String {
    format!("<h1>{}</h1>\n<p>{}</p>\n", escape(title), escape(note))
}

/// The title of a part, and a line under it.
pub(crate) fn caption(title: &str, note: &str) -> String {
    format!("<h2>{}</h2>\n<p>{}</p>\n", escape(title), escape(note))
}

/// A part of the page.
pub(crate) fn card(body: &str) -> String {
    format!("<section class=\"card\">\n{body}</section>\n")
}

/// A whole page, with its style inside.
pub(crate) fn page(title: &str, body: &str) -> String {
    let (title, style) = (escape(title), include_str!("style.css"));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}
