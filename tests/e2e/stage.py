"""A sandbox and a deployment of ours with one or more customers connected, approved and in step.

What every test of a running service starts from. Next: the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.outside import Vendors, personal_data
from tests.e2e.poster import SECRET, client_state
from tests.support.processes import Product, eventually, product, sandbox_process


@dataclass(slots=True)
class Stage:
    vendors: Vendors
    product: Product

    def tenant(self, number: int) -> str:
        return str(self.vendors.info["tenants"][number]["id"])

    def customer(self, number: int) -> int:
        return int(self.vendors.info["customers"][number]["id"])

    def status(self) -> Any:
        return self.product.cli("status", "--json").json

    def connect(self, numbers: Sequence[int]) -> None:
        """Connect, preview, approve, watch the first sync to its end. The services must be running."""
        for number in numbers:
            customer = str(self.customer(number))
            self._did("customers", "connect", customer, "--tenant", self.tenant(number), "--yes")
            code = self._did("preview", "--customer", customer, "--json").json["approval_code"]
            self._did("customers", "approve", customer, code)
        tenants = [self.tenant(number) for number in numbers]
        eventually(lambda: all(map(self.vendors.subscriptions, tenants)), 20, "every tenant is subscribed")

    def _did(self, *args: str) -> Any:
        done = self.product.cli(*args)
        assert done.code == 0, done.err
        return done

    def secrets(self) -> list[str]:
        info = self.vendors.info
        states = [client_state(tenant["id"]).partition(".")[2] for tenant in info["tenants"]]
        return [info["app_secret"], info["syncro_token"], SECRET, *states]

    def assert_nothing_personal_was_logged(self) -> None:
        assert_silent_about(self.product.spoken, [*personal_data(self.vendors), *self.secrets()])


def assert_silent_about(text: str, values: Sequence[str]) -> None:
    """No value occurs as a word of the text, in whatever case; nor does anything that looks like an e-mail address."""
    assert text.strip(), "there is no text to judge"
    words = "|".join(sorted({re.escape(value) for value in values}, key=len, reverse=True))
    found = re.findall(rf"(?<!\w)(?:{words})(?!\w)", text, re.IGNORECASE)
    assert not found, f"{len(found)} private values were written, such as {found[0]!r}"
    assert "eyJ" not in text, "an access token was written"
    assert "@" not in text, text[max(0, text.index("@") - 80) : text.index("@") + 40]


@contextmanager
def stage(folder: Path, settings: Mapping[str, str], *, lifted: bool = True) -> Iterator[Stage]:
    """Nothing of ours runs yet and no customer is connected."""
    with sandbox_process(folder / "sandbox") as info, product(info, folder / "product", SECRET, settings) as ours:
        made = Stage(Vendors(info), ours)
        if lifted:
            made.vendors.lift_limits()
        yield made
