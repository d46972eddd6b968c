"""Which failed changes a technician means: the options that several commands share, and how they are typed again.

Next: `console/cli/letters.py`, the commands that take them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from shlex import quote
from typing import Annotated, TypeVar

import typer

from console.cli.moments import HELP, moment
from console.operations import LetterWish, OperatorPorts

Told = TypeVar("Told")
Customer = Annotated[int | None, typer.Option("--customer", help="Only of this customer (Syncro's number).")]
Cause = Annotated[
    str, typer.Option("--cause", help='Only of this cause, as listed: CODE, SERVICE:CODE or "CODE: DETAIL".')
]
Since = Annotated[str | None, typer.Option("--since", help=f"Only those that failed since: {HELP}")]
Until = Annotated[str | None, typer.Option("--until", help="Only those that failed until then.")]
RunId = Annotated[str, typer.Option("--run", help="Only those of this run.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters as they were typed."""

    ids: tuple[str, ...] = ()
    customer: int | None = None
    cause: str = ""
    since: str | None = None
    until: str | None = None
    run_id: str = ""

    def wish(self, ports: OperatorPorts) -> LetterWish:
        since, until = self._moments(ports)
        return LetterWish(self.ids, self.customer, self.cause, since, until, self.run_id)

    def settled(self, ports: OperatorPorts) -> Asked:
        """With moments instead of "3d ago", which would be others when they are typed again."""
        since, until = self._moments(ports)
        return replace(self, since=since.isoformat() if since else None, until=until.isoformat() if until else None)

    def _moments(self, ports: OperatorPorts) -> tuple[datetime | None, datetime | None]:
        now = ports.clock.now()
        return moment(self.since, now), moment(self.until, now)

    @property
    def is_everything(self) -> bool:
        return self == Asked()

    @property
    def nothing_found(self) -> str:
        """There may be others where some were asked for."""
        if self.is_everything:
            return "No failed changes."
        return "No failed change is like that. Look at all of them: entra-syncro dead-letters list"

    @property
    def words(self) -> str:
        """As they are to be typed again, with a blank before each."""
        options = {
            "--customer": "" if self.customer is None else str(self.customer),
            "--cause": self.cause,
            "--since": self.since or "",
            "--until": self.until or "",
            "--run": self.run_id,
        }
        typed = [*map(quote, self.ids), *(f"{name} {quote(value)}" for name, value in options.items() if value)]
        return "".join(f" {each}" for each in typed) or " --all"


def meant(
    asked: Asked, act: Callable[[OperatorPorts, LetterWish], Awaitable[Told]]
) -> Callable[[OperatorPorts], Awaitable[Told]]:
    """The operation with what the filters mean now."""

    async def acted(ports: OperatorPorts) -> Told:
        return await act(ports, asked.wish(ports))

    return acted
