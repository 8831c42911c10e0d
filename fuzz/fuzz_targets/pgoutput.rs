//! Hands what the fuzzer makes to the entry function of the same name.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pgmoor_fuzz::pgoutput::pgoutput(data));
