"""Which permissions a tenant must grant, which it may, and what each is for."""

from __future__ import annotations

import pytest

from shared.domain.permissions import ASKED, OPTIONAL, REQUIRED, USES, missing_optional, missing_required, named


@pytest.mark.parametrize(
    ("roles", "missing"),
    [(set(), ("User.Read.All",)), ({"Mail.Read"}, ("User.Read.All",)), ({"User.Read.All", "Mail.Read"}, ())],
)
def test_what_is_required(roles: set[str], missing: tuple[str, ...]) -> None:
    assert missing_required(roles) == missing


def test_nothing_optional_is_missing_when_all_of_it_is_granted() -> None:
    everything = {each.role for each in OPTIONAL}
    assert missing_optional(everything) == ()
    assert missing_optional(everything - {"Reports.Read.All"}) == ("Reports.Read.All",)


def test_a_permission_that_gives_the_same_will_do() -> None:
    assert "LicenseAssignment.Read.All" in missing_optional(set())
    assert "LicenseAssignment.Read.All" not in missing_optional({"Organization.Read.All"})


def test_each_is_named_with_its_use() -> None:
    assert named(["User.Read.All"]) == "User.Read.All (to read users and to be notified of their changes)"
    assert named(["Odd.Role", "Reports.Read.All"]).startswith("Odd.Role, Reports.Read.All (for the last activity")
    assert set(USES) == {each.role for each in (*REQUIRED, *OPTIONAL)}


def test_what_a_partner_grants_holds_all_that_is_required_and_nothing_sensitive() -> None:
    assert {each.role for each in REQUIRED} <= set(ASKED)
    assert "UserAuthenticationMethod.Read.All" not in ASKED
