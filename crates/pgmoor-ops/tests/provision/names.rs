//! Names that PostgreSQL would not take as they are.

use pgmoor_ops::provision::{Identity, Wanted, WantedRole};
use pgmoor_ops::requirement::SystemSettings;

use crate::site::HOSTILE;

#[test]
fn names_that_would_not_stay_what_they_are_are_refused() {
    let system = SystemSettings::default();
    let wanted = |name: &str| {
        let role = WantedRole::login(name, Identity::Password);
        Wanted::new(&system, role, "shop")
    };
    for name in ["", "a\nb", "a\0b", &"x".repeat(64)] {
        assert_eq!(wanted(name).check_names().unwrap_err().0, name);
        let mut taking = wanted("shop");
        taking.take_over.push(name.to_owned());
        assert_eq!(taking.check_names().unwrap_err().0, name);
        let mut further = wanted("shop");
        further.further.push(name.to_owned());
        assert_eq!(further.check_names().unwrap_err().0, name);
    }
    wanted(HOSTILE).check_names().unwrap();
}
