"""The operator's ports for one command: adapters opened and closed again, the worker's part loaded once it is asked.

Most commands read the ledger alone and answer sooner without the rooms. Next: `console/cli/desk.py`, `run.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from functools import cache

from console.cli.desk import operator_desk
from console.cli.patience import PatientPasses
from console.operations import OperatorPorts, Passes
from console.operations.ports import Undos
from shared.domain.undo_steps import Undone, UndoPlan
from shared.runtime.settings import Settings
from shared.runtime.wiring import Adapters, open_adapters


@asynccontextmanager
async def open_operator_ports(settings: Settings, *, lazy: bool = False) -> AsyncIterator[OperatorPorts]:
    """`lazy`: also while a store is away, for the one who looks why."""
    async with open_adapters(settings, lazy=lazy) as adapters:
        passes = PatientPasses(_passes(settings, adapters), settings.facts.sign_in_lists_per_minute)
        yield operator_desk(settings, adapters, passes, LateUndos(_undos(settings, adapters)))


def _passes(settings: Settings, adapters: Adapters) -> Callable[[], Passes]:
    @cache
    def made() -> Passes:
        from console.cli.run import worker_passes

        return worker_passes(settings, adapters)

    return made


def _undos(settings: Settings, adapters: Adapters) -> Callable[[], Undos]:
    @cache
    def made() -> Undos:
        from console.cli.run import worker_undos

        return worker_undos(settings, adapters)

    return made


class LateUndos:
    """`Undos` that are made when they are asked for."""

    def __init__(self, undos: Callable[[], Undos]) -> None:
        self._undos = undos

    async def plan(self, customer_id: int, chosen: Collection[int]) -> UndoPlan:
        return await self._undos().plan(customer_id, chosen)

    async def undo(self, customer_id: int, chosen: Collection[int], code: str, by: str) -> Undone:
        return await self._undos().undo(customer_id, chosen, code, by)
