//! A drawing in Graphviz' language.
use super::{Drawing, Drawn, hue};
use std::fmt::Write;

/// The drawing as a `digraph`; operators of a site have its colour.
pub fn dot(name: &str, drawing: &Drawing) -> String {
    let mut text = format!("digraph {} {{\n  node [shape=box, style=filled, fontname=\"sans-serif\"];\n", quoted(name));
    for (i, node) in drawing.nodes.iter().enumerate() {
        let label = quoted(&format!("{}\n{} {}", node.name, node.op, node.shape));
        let _ = writeln!(text, "  n{i} [label={label}, fillcolor=\"{}\"];", colour(node));
    }
    for [from, to] in &drawing.edges {
        let _ = writeln!(text, "  n{from} -> n{to};");
    }
    text.push_str("}\n");
    text
}

/// Hue, saturation and value, as Graphviz reads them.
fn colour(node: &Drawn) -> String {
    node.sites.first().map_or_else(|| "0.0 0.0 0.92".to_owned(), |&site| format!("{:.3} 0.35 0.95", hue(site) / 360.0))
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(quoted("a\"];\nb\\"), "\"a\\\"];\\nb\\\\\"");
    }
}
