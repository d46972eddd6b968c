"""Which tenant a Syncro customer may belong to: proposals for a person to confirm, and why. Pure.

Evidence is a domain of the customer's that a tenant holds, or, weaker, an equal name. Nothing is ever connected from
here: what speaks for two sides is shown with its rivals. Who asks Microsoft: `console/operations/discover.py`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from shared.domain import normalise
from shared.domain.contact import Customer
from shared.domain.freemail import is_freemail
from shared.domain.onboarding import PartnerCustomer

# Custom fields that people make for it; Syncro itself has no field for a customer's website.
WEBSITE_FIELDS = frozenset({"website", "web site", "homepage", "home page", "web", "url", "domain", "domains"})
_LABEL = r"[^\W_]([\w-]{0,61}[^\W_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.(xn--[a-z0-9-]{{1,59}}|[^\W\d_]{{2,63}})")
_FORMS = "ag and bv co company corp corporation gmbh inc incorporated kg limited llc llp lp ltd nv plc pty sa srl"
_LEGAL = frozenset([*_FORMS.split(), "the", "und"])


class Confidence(StrEnum):
    """DOMAIN: the tenant holds a domain of the customer's. CONTACT: that of a single contact, who may be anybody's.
    NAME: only the names are equal."""

    DOMAIN = "domain"
    CONTACT = "one contact only"
    NAME = "name only"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One domain of a customer's, and where it stands."""

    domain: str
    why: str
    confidence: Confidence = Confidence.DOMAIN


@dataclass(frozen=True, slots=True)
class Proposal:
    """A customer and a tenant that may belong together. `rivals`: what speaks against it, a sentence each."""

    customer_id: int
    customer_name: str
    tenant_id: str
    tenant_name: str
    domain: str
    confidence: Confidence
    why: str
    rivals: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Nothing is left to choose. A person confirms it all the same."""
        return self.confidence is Confidence.DOMAIN and not self.rivals


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A customer for which no tenant was found, and why. `was_asked`: False when Microsoft did not answer."""

    customer_id: int
    customer_name: str
    why: str
    was_asked: bool = True


@dataclass(frozen=True, slots=True)
class Discovery:
    """`settled`: customers left out because they are connected, without Entra, or disabled in Syncro."""

    proposals: tuple[Proposal, ...]
    unplaced: tuple[Unplaced, ...]
    settled: int


@dataclass(frozen=True, slots=True)
class Found:
    """What Microsoft knows. `tenants`: domain -> tenant, None: nobody holds it; absent: it could not be asked.

    `related`: tenants under the partner relationship. `taken`: tenant -> the connected customer that it belongs to.
    """

    tenants: Mapping[str, str | None]
    related: Sequence[PartnerCustomer] = ()
    taken: Mapping[str, str] = field(default_factory=dict)


def evidence(customer: Customer) -> tuple[Evidence, ...]:
    """The customer's own domains, the strongest first, each once.

    Domains of contacts count only where at least half of the business addresses agree: a lone guest proves nothing.
    """
    found: dict[str, Evidence] = {}
    for each in _domains(customer):
        found.setdefault(each.domain, each)
    return tuple(found.values())


def discover(customers: Iterable[Customer], found: Found, *, settled: int = 0) -> Discovery:
    """Proposals and customers without one, in the order of the customers' names."""
    proposals: list[Proposal] = []
    unplaced: list[Unplaced] = []
    for customer in sorted(customers, key=lambda each: (normalise.folded(each.name), each.id)):
        own = list(_by_domain(customer, found)) or list(_by_name(customer, found))
        proposals += own
        if not own:
            unplaced.append(_unplaced(customer, found))
    return Discovery(tuple(_with_rivals(proposals, found)), tuple(unplaced), settled)


def domain_of(text: str) -> str:
    """The domain of an e-mail address, or the host of a website without "www."; "" when it is neither."""
    host = normalise.folded(text).rpartition("@")[2]
    host = re.sub(r"^[a-z]+://", "", host)
    host = re.split(r"[/?#:\s]", host, maxsplit=1)[0].strip(".").removeprefix("www.")
    return host if len(host) <= 253 and _HOST.fullmatch(host) else ""


def company(name: str) -> str:
    """A company's name as a key: case, punctuation and legal forms do not count."""
    words = re.findall(r"\w+", normalise.folded(name).replace(".", ""))
    return " ".join(word for word in words if word not in _LEGAL)


def _domains(customer: Customer) -> Iterator[Evidence]:
    for domain in _business([customer.email]):
        yield Evidence(domain, "the customer's e-mail")
    sites = [v for name, v in customer.properties.items() if normalise.folded(name) in WEBSITE_FIELDS]
    for domain in _business(part for site in sites for part in re.split(r"[,;\s]+", site)):
        yield Evidence(domain, "the customer's website")
    counts = Counter(_business(customer.addresses))
    for domain, count in counts.most_common():
        if count * 2 >= counts.total():
            confidence = Confidence.CONTACT if count == 1 else Confidence.DOMAIN
            yield Evidence(domain, f"{count} of {counts.total()} contacts' addresses", confidence)


def _business(texts: Iterable[str]) -> Iterator[str]:
    for each in texts:
        domain = domain_of(each)
        if domain and not is_freemail(domain):
            yield domain


def _by_domain(customer: Customer, found: Found) -> Iterator[Proposal]:
    names = {each.tenant_id: each.name for each in found.related}
    seen: set[str] = set()
    for each in evidence(customer):
        tenant = found.tenants.get(each.domain)
        if tenant is None or tenant in seen:
            continue
        seen.add(tenant)
        why = f"{each.domain} ({each.why}) belongs to this tenant"
        yield _proposal(customer, tenant, names.get(tenant, ""), each.domain, each.confidence, why)


def _by_name(customer: Customer, found: Found) -> Iterator[Proposal]:
    key = company(customer.name)
    for each in found.related:
        if key and company(each.name) == key:
            why = "only the names are equal"
            yield _proposal(customer, each.tenant_id, each.name, each.domain, Confidence.NAME, why)


def _proposal(
    customer: Customer, tenant: str, tenant_name: str, domain: str, confidence: Confidence, why: str
) -> Proposal:
    return Proposal(customer.id, customer.name, tenant, tenant_name, domain, confidence, why)


def _with_rivals(proposals: Sequence[Proposal], found: Found) -> Iterator[Proposal]:
    for each in proposals:
        yield replace(each, rivals=tuple(_rivals(each, proposals, found)))


def _rivals(one: Proposal, proposals: Sequence[Proposal], found: Found) -> Iterator[str]:
    if one.tenant_id in found.taken:
        yield f"the tenant is connected to {found.taken[one.tenant_id]} already"
    for other in proposals:
        if other.customer_id == one.customer_id and other.tenant_id != one.tenant_id:
            yield f"the customer may as well belong to tenant {other.tenant_id} ({other.domain or other.tenant_name})"
        if other.customer_id != one.customer_id and other.tenant_id == one.tenant_id:
            yield f"the tenant may as well belong to customer {other.customer_id} ({other.customer_name})"


def _unplaced(customer: Customer, found: Found) -> Unplaced:
    domains = [each.domain for each in evidence(customer)]
    unasked = [domain for domain in domains if domain not in found.tenants]
    if unasked:
        why = f"Microsoft could not be asked about {', '.join(unasked)}; try again"
        return Unplaced(customer.id, customer.name, why, was_asked=False)
    if domains:
        return Unplaced(customer.id, customer.name, f"no tenant holds {', '.join(domains)}")
    if any(map(domain_of, (customer.email, *customer.addresses))):
        return Unplaced(customer.id, customer.name, "it has addresses at free mail providers only")
    return Unplaced(customer.id, customer.name, "Syncro knows no domain of it")
