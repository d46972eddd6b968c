"""A silent command says once, and only when it is slow, what it waits for; what it reads comes through unchanged."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from console.cli.patience import PatientPasses
from shared.domain.errors import Transient
from shared.domain.messages import Reason
from tests.support.virtual_time import run_virtual


class SlowPasses:
    """Every reading takes `seconds` and answers with its own arguments, or raises."""

    def __init__(self, seconds: float, error: Exception | None = None) -> None:
        self._seconds = seconds
        self._error = error

    async def preview(self, customer_id: int, policy: object = None) -> Any:
        return await self._answer("preview", customer_id)

    async def compare(self, customer_id: int, policy: object) -> Any:
        return await self._answer("compare", customer_id)

    async def begin(self, customer_id: int, **options: Any) -> Any:
        return await self._answer("begin", customer_id, options)

    async def explain(self, customer_id: int, user_id: str) -> Any:
        return await self._answer("explain", customer_id, user_id)

    async def suppose(self, customer_id: int, user_id: str, **supposed: Any) -> Any:
        return await self._answer("suppose", customer_id, user_id, supposed)

    async def billing(self, customer_id: int) -> Any:
        return await self._answer("billing", customer_id)

    async def clear(self, customer_id: int, code: str, by: str) -> Any:
        return await self._answer("clear", customer_id, code, by)

    async def _answer(self, *asked: Any) -> Any:
        await asyncio.sleep(self._seconds)
        if self._error:
            raise self._error
        return asked


@pytest.mark.parametrize(("seconds", "times"), [(0.0, 0), (4.9, 0), (5.1, 1), (41.0, 1)])
def test_only_a_slow_reading_is_explained(seconds: float, times: int, capsys: pytest.CaptureFixture[str]) -> None:
    async def read() -> Any:
        return await PatientPasses(lambda: SlowPasses(seconds), 10).preview(7)

    assert run_virtual(read()) == ("preview", 7)
    said = capsys.readouterr()
    assert (said.out, said.err.count("Microsoft allows 10 readings")) == ("", times)


def test_many_readings_of_one_command_are_explained_once(capsys: pytest.CaptureFixture[str]) -> None:
    async def read() -> None:
        passes = PatientPasses(lambda: SlowPasses(60.0), 3)
        await asyncio.gather(*(passes.billing(number) for number in range(4)))
        await passes.billing(9)

    run_virtual(read())
    assert capsys.readouterr().err.count("Microsoft allows 3 readings") == 1


def test_everything_comes_through_unchanged() -> None:
    async def ask() -> None:
        passes = PatientPasses(lambda: SlowPasses(0.0), 10)
        options = {"reason": Reason.MANUAL, "run_id": "r", "release": "c", "first": 2, "by": "ada"}
        begun: Any = await passes.begin(7, reason=Reason.MANUAL, run_id="r", release="c", first=2, by="ada")
        cleared: Any = await passes.clear(7, "c", "ada")
        assert begun == ("begin", 7, options)
        assert cleared == ("clear", 7, "c", "ada")
        assert [await passes.explain(7, "u"), await passes.billing(7)] == [("explain", 7, "u"), ("billing", 7)]

    run_virtual(ask())


def test_a_reading_that_fails_fails_and_says_nothing_later(capsys: pytest.CaptureFixture[str]) -> None:
    async def read() -> None:
        with pytest.raises(Transient):
            await PatientPasses(lambda: SlowPasses(1.0, Transient("graph", "timeout")), 10).preview(7)
        await asyncio.sleep(30)

    run_virtual(read())
    assert not capsys.readouterr().err
