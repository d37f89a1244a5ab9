#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| gateway_fuzz::spool_file(octets));
