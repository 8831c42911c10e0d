//! Real servers, certificates, scripted peers and faults for the tests.
