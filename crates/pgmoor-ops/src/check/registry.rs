//! The one list of checks: runs, `pgmoor check --list`, `pgmoor explain` and the reference page all read it.

use super::declared::Check;
use super::{
    application, capacity, configuration, extensions, latency, login, moving, network, rights,
    server, tls,
};

/// The checks by layer, in the layers' order.
const LAYERS: &[&[&Check]] = &[
    configuration::ALL,
    network::ALL,
    tls::ALL,
    login::ALL,
    latency::ALL,
    server::ALL,
    rights::ALL,
    extensions::ALL,
    capacity::ALL,
    application::ALL,
    moving::ALL,
];

/// Every check, in the order they are judged and listed.
pub fn all() -> impl Iterator<Item = &'static Check> {
    LAYERS.iter().flat_map(|layer| layer.iter().copied())
}

/// The check of this id, in any case: `pgm-net-001` is one too.
pub fn find(id: &str) -> Option<&'static Check> {
    all().find(|check| check.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::check::Layer;

    #[test]
    fn every_check_has_an_id_of_its_own_and_says_all_that_there_is_to_say() {
        let mut ids = BTreeSet::new();
        for check in all() {
            let parts: Vec<&str> = check.id.split('-').collect();
            let [prefix, layer, number] = parts[..] else {
                panic!("{}", check.id)
            };
            assert_eq!(prefix, "PGM", "{}", check.id);
            assert!(layer.len() == 3 && number.len() == 3, "{}", check.id);
            assert!(number.parse::<u16>().is_ok(), "{}", check.id);
            assert!(ids.insert(check.id), "{} is there twice", check.id);
            for text in [check.title, check.why, check.needs] {
                assert!(text.len() > 3, "{}: {text:?}", check.id);
            }
            assert!(!check.title.ends_with('.'), "{}", check.id);
            assert!(check.why.ends_with('.'), "{}", check.id);
        }
    }

    #[test]
    fn a_layers_checks_have_its_prefix_and_stand_together() {
        let layers: Vec<Layer> = all().map(|check| check.layer).collect();
        assert!(layers.is_sorted(), "{layers:?}");
        for check in all() {
            let prefix = match check.layer {
                Layer::Configuration => "CFG",
                Layer::Network => "NET",
                Layer::Tls => "TLS",
                Layer::Login => "LOG",
                Layer::Latency => "LAT",
                Layer::Server => "SRV",
                Layer::Rights => "RGT",
                Layer::Extensions => "EXT",
                Layer::Capacity => "CAP",
                Layer::Application => "APP",
                Layer::Move => "MOV",
            };
            assert!(
                check.id.starts_with(&format!("PGM-{prefix}-")),
                "{}",
                check.id
            );
        }
    }
}
