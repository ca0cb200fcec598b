#![no_main]
supple_fuzz::importer!("opendc_states");
