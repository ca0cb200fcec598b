//! Requests to language models (Patel et al., "Splitwise", ISCA 2024).
use crate::error::Error;
use crate::format::{Content, ReadOptions, Source, TraceFormat};
use crate::note::Noted;
use crate::records::{self, Field, Kind, Records};
use crate::samples::Where;
use crate::stamps;
use crate::unit::Unit;

/// CSV with the header `TIMESTAMP,ContextTokens,GeneratedTokens`: one event for each request, with `context_tokens` and `generated_tokens`.
#[derive(Clone, Copy, Debug)]
pub struct AzureLlm;

const HEADER: [&str; 3] = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"];

impl TraceFormat for AzureLlm {
    fn name(&self) -> &'static str {
        "azure_llm"
    }

    fn about(&self) -> &'static str {
        "Azure LLM inference: arrivals of requests with their tokens (CSV)"
    }

    fn knows(&self, source: &Source<'_>) -> bool {
        source.has_header(&HEADER)
    }

    fn read(&self, source: &Source<'_>, options: &ReadOptions) -> Result<Noted<Content>, Error> {
        let mut sheet = source.sheet(options.limits)?;
        sheet.expect_header(&HEADER)?;
        let field = |name: &str| Field::new(name, Unit::Count, Kind::Count);
        let mut marks = Records::new(vec![field("context_tokens"), field("generated_tokens")], options.limits);
        let mut times = Vec::new();
        while let Some(row) = sheet.next_row()? {
            let what = "a time YYYY-mm-dd HH:MM:SS.fffffff";
            times.push((row.time(0, stamps::civil, what)?, row.line()));
            marks.push(&row, 1)?;
        }
        records::events(times, &marks.finish()?, (false, Where::Text(1)), options, sheet.into_notes())
    }
}
