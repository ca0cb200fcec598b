#![no_main]
supple_fuzz::importer!("azure_llm");
