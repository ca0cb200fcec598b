#![no_main]
supple_fuzz::importer!("bamboo_events");
