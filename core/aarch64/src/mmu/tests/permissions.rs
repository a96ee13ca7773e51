//! Stage 1 permissions, from the manual's table D8-60 onwards.

use crate::mmu::spaces::Rights;
use crate::mmu::walk::Permissions;
use crate::mmu::{Access, Kind};

#[test]
fn privileged_access_never_spares_fetches_and_kernel_pages() {
    let user = Permissions::USER_READ
        | Permissions::USER_WRITE
        | Permissions::WRITE
        | Permissions::EXECUTE;
    let kernel = Permissions::WRITE | Permissions::EXECUTE;
    let may = |kind, p| {
        Access {
            kind,
            rights: Rights::PrivilegedNeverUser,
        }
        .allowed(p)
    };
    assert!(!may(Kind::Read, user));
    assert!(!may(Kind::Write, user));
    assert!(may(Kind::Fetch, user));
    for kind in [Kind::Read, Kind::Write, Kind::Fetch] {
        assert!(may(kind, kernel));
    }
    assert!(!may(Kind::Write, Permissions::EXECUTE));
}

#[test]
fn execute_only_pages_can_only_be_executed_by_el0() {
    let p = Permissions::USER_EXECUTE;
    let may = |kind| {
        Access {
            kind,
            rights: Rights::User,
        }
        .allowed(p)
    };
    assert!(may(Kind::Fetch));
    assert!(!may(Kind::Read) && !may(Kind::Write));
}
