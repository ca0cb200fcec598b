//! A drawing as a page that needs nothing else: no network, no other file.
use super::{Drawing, hue};
use serde::Serialize;
use serde_json::{Value, json};

const TEMPLATE: &str = include_str!("page.html");

/// A site as the page shows it.
#[derive(Clone, Debug, Serialize)]
pub struct ShownSite {
    /// Its name.
    pub name: String,
    /// What a unit is.
    pub level: &'static str,
    /// Its units.
    pub units: usize,
    /// Names of the kinds that fit.
    pub kinds: Vec<String>,
    /// Why units can be left out.
    pub reason: String,
    /// What of the forward work its operators do, 0 to 1.
    pub share: f64,
}

/// The page: the drawing with its sites coloured, and for each operator what `report` says of it.
///
/// # Errors
/// When `report` is no JSON.
pub fn page(drawing: &Drawing, sites: &[ShownSite], report: &impl Serialize) -> serde_json::Result<String> {
    let hues: Vec<f64> = (0..sites.len()).map(hue).collect();
    let data: Value =
        json!({ "drawing": drawing, "sites": sites, "hues": hues, "report": serde_json::to_value(report)? });
    Ok(TEMPLATE.replacen("/*DATA*/null", &embedded(&data.to_string()), 1))
}

/// JSON that can stand inside a script: no tag can end it, no line separator break it.
fn embedded(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_the_script() {
        let drawing = Drawing { nodes: Vec::new(), edges: Vec::new() };
        let page = page(&drawing, &[], &json!({ "model": "</script><b>" })).unwrap();
        assert_eq!(page.matches("</script>").count(), TEMPLATE.matches("</script>").count());
        assert!(page.contains("\\u003c/script>") && !page.contains("/*DATA*/null"));
    }
}
