#![no_main]
supple_fuzz::importer!("zeus_train");
