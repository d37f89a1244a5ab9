#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| gateway_fuzz::reply(octets));
