#![no_main]
supple_fuzz::importer!("native");
