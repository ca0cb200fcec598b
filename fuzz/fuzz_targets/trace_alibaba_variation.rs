#![no_main]
supple_fuzz::importer!("alibaba_variation");
