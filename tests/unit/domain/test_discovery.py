"""Which tenant a customer may belong to: by its own domains, never by a mail provider's, never quietly by a guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.contact import Customer
from shared.domain.discovery import Confidence, Found, Proposal, company, discover, domain_of, evidence
from shared.domain.freemail import is_freemail
from shared.domain.onboarding import PartnerCustomer

ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
CONTOSO = Customer(5, "Contoso Ltd", email="Office@Contoso.example")
FABRIKAM = Customer(6, "Fabrikam", email="hello@fabrikam.example")


def proposals(*customers: Customer, **found: object) -> tuple[Proposal, ...]:
    return discover(customers, Found(**found)).proposals  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("Office@Contoso.example", "contoso.example"),
        ("https://www.contoso.example/about?x=1", "contoso.example"),
        ("http://contoso.example:8443", "contoso.example"),
        ("contoso.example.", "contoso.example"),
        ("münchen.example", "münchen.example"),
        ("a@xn--mnchen-3ya.xn--p1ai", "xn--mnchen-3ya.xn--p1ai"),
        ("", ""),
        ("n/a", ""),
        ("192.0.2.7", ""),
        ("office@localhost", ""),
        ("../v2.0@x", ""),
        ("a@b..example", ""),
        (f"a@{'x' * 300}.example", ""),
    ],
)
def test_a_domain_is_read_out_of_what_people_type(text: str, domain: str) -> None:
    assert domain_of(text) == domain


@given(st.text())
def test_whatever_is_typed_gives_a_host_name_or_nothing(text: str) -> None:
    found = domain_of(text)
    assert found == "" or (len(found) <= 253 and "." in found and not set(found) & set("/?#@: \t\n%"))


@pytest.mark.parametrize("domain", ["gmail.com", "yahoo.co.uk", "gmx.de", "t-online.de", "live.com.au", "icloud.com"])
def test_an_address_at_a_mail_provider_says_nothing(domain: str) -> None:
    assert is_freemail(domain)
    customer = Customer(5, "Contoso", email=f"contoso@{domain}", addresses=(f"a@{domain}", f"b@{domain}"))
    assert evidence(customer) == ()
    found = discover([customer], Found({domain: ONE}))
    assert found.proposals == ()
    assert "free mail" in found.unplaced[0].why


@pytest.mark.parametrize("domain", ["live.contoso.example", "outlook.example", "notgmail.com", "gmx.contoso.de"])
def test_a_name_that_only_looks_like_a_mail_provider_counts(domain: str) -> None:
    assert not is_freemail(domain)


def test_evidence_comes_from_mail_website_and_most_contacts_the_strongest_first() -> None:
    customer = Customer(
        5,
        "Contoso",
        properties={"Website": "https://www.contoso-shop.example, contoso.example", "Reg No.": "reg.example"},
        email="office@contoso.example",
        addresses=("a@contoso-mail.example", "b@contoso-mail.example", "c@guest.example", "me@gmail.com"),
    )
    assert [(each.domain, each.why) for each in evidence(customer)] == [
        ("contoso.example", "the customer's e-mail"),
        ("contoso-shop.example", "the customer's website"),
        ("contoso-mail.example", "2 of 3 contacts' addresses"),
    ]


def test_a_tenant_that_holds_the_customers_domain_is_proposed() -> None:
    (only,) = proposals(CONTOSO, tenants={"contoso.example": ONE})
    assert (only.customer_id, only.tenant_id, only.domain) == (5, ONE, "contoso.example")
    assert only.confidence is Confidence.DOMAIN
    assert only.is_plain
    assert "contoso.example" in only.why


def test_a_single_contact_may_be_anybodys_and_is_left_to_a_person() -> None:
    (only,) = proposals(
        Customer(5, "Contoso", addresses=("visitor@supplier.example",)), tenants={"supplier.example": ONE}
    )
    assert only.confidence is Confidence.CONTACT
    assert not only.is_plain


def test_two_customers_with_one_tenant_are_rivals() -> None:
    one, other = proposals(CONTOSO, FABRIKAM, tenants={"contoso.example": ONE, "fabrikam.example": ONE})
    assert not one.is_plain
    assert not other.is_plain
    assert "6 (Fabrikam)" in one.rivals[0]
    assert "5 (Contoso Ltd)" in other.rivals[0]


def test_one_customer_with_two_tenants_has_both_shown() -> None:
    customer = Customer(5, "Contoso", email="a@contoso.example", properties={"Website": "contoso-labs.example"})
    one, other = proposals(customer, tenants={"contoso.example": ONE, "contoso-labs.example": TWO})
    assert (one.tenant_id, other.tenant_id) == (ONE, TWO)
    assert not one.is_plain
    assert not other.is_plain
    assert TWO in one.rivals[0]


def test_two_domains_of_one_tenant_are_one_proposal() -> None:
    customer = Customer(5, "Contoso", email="a@contoso.example", properties={"Website": "contoso-labs.example"})
    (only,) = proposals(customer, tenants={"contoso.example": ONE, "contoso-labs.example": ONE})
    assert only.is_plain


def test_a_tenant_that_another_customer_is_connected_to_is_a_rival() -> None:
    (only,) = proposals(CONTOSO, tenants={"contoso.example": ONE}, taken={ONE: "customer 9 (Northwind)"})
    assert not only.is_plain
    assert "customer 9 (Northwind)" in only.rivals[0]


def test_an_equal_name_alone_is_said_to_be_no_more_than_that() -> None:
    related = [PartnerCustomer(TWO, "CONTOSO, Limited", "contoso.onmicrosoft.example")]
    (only,) = proposals(Customer(5, "Contoso Ltd"), tenants={}, related=related)
    assert only.confidence is Confidence.NAME
    assert not only.is_plain
    assert only.tenant_name == "CONTOSO, Limited"


def test_a_name_is_not_asked_where_a_domain_speaks() -> None:
    related = [PartnerCustomer(TWO, "Contoso", "other.example"), PartnerCustomer(ONE, "Contoso Holding", "")]
    (only,) = proposals(CONTOSO, tenants={"contoso.example": ONE}, related=related)
    assert (only.tenant_id, only.tenant_name) == (ONE, "Contoso Holding")


@pytest.mark.parametrize(
    ("one", "other"), [("Contoso Ltd.", "contoso"), ("Müller & Söhne GmbH", "müller söhne"), ("A.B.C. Inc", "ABC")]
)
def test_legal_forms_do_not_make_another_company(one: str, other: str) -> None:
    assert company(one) == company(other)


def test_a_legal_form_alone_is_no_name() -> None:
    related = [PartnerCustomer(TWO, "The Company Ltd", "")]
    assert proposals(Customer(5, "Company"), tenants={}, related=related) == ()


def test_customers_without_a_tenant_are_told_apart_by_reason() -> None:
    unknown, free = Customer(1, "A", email="a@nobody.example"), Customer(2, "B", email="b@gmail.com")
    silent, blank = Customer(3, "C", email="c@silent.example"), Customer(4, "D")
    found = discover([blank, silent, free, unknown], Found({"nobody.example": None}), settled=3)
    assert [(each.customer_id, each.was_asked) for each in found.unplaced] == [
        (1, True),
        (2, True),
        (3, False),
        (4, True),
    ]
    assert found.settled == 3


@given(st.permutations([CONTOSO, FABRIKAM, Customer(7, "Adatum", email="x@adatum.example")]))
def test_the_order_of_the_listing_does_not_matter(customers: list[Customer]) -> None:
    found = Found({"contoso.example": ONE, "fabrikam.example": ONE, "adatum.example": TWO})
    assert discover(customers, found) == discover(reversed(customers), found)
