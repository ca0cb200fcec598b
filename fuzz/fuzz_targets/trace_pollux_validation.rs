#![no_main]
supple_fuzz::importer!("pollux_validation");
