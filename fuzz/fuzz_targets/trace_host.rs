#![no_main]
supple_fuzz::importer!("host");
