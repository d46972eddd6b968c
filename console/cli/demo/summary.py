"""The demo's last word: figures that a person can judge and a program can compare.

Syncro's calls are counted by the simulated Syncro, never by us. The two ratios count only live looks that ended in
an update of an existing contact; creations are counted apart, for Syncro may need a second write for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.cli.demo.arrival import Arrival
from console.cli.demo.night import Night
from console.cli.demo.poison import Poison
from console.cli.output import print_table, say
from console.cli.run import LookReport
from sandbox.world import World


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0..1) of the values do not exceed; 0.0 for none."""
    ordered = sorted(values)
    position = max(0, -int(-share * len(ordered) // 1) - 1)
    return ordered[position] if ordered else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """`wrong` names what Syncro holds otherwise than planned (for people; empty when all is well)."""

    in_scope: int
    equal_to_plan: int
    conflicts: int
    dead_letters: int
    arrivals: Sequence[Arrival]
    looks: Sequence[LookReport]  # of the live changes alone
    world: World
    wrong: Sequence[str]
    night: Night | None
    poison: Poison | None = None

    @property
    def as_planned(self) -> bool:
        return self.equal_to_plan == self.in_scope and not self.dead_letters and not self.wrong

    @property
    def latencies(self) -> list[float]:
        return [one.latency for one in self.arrivals if one.latency is not None]

    def live(self) -> dict[str, float]:
        return {
            "changes": len(self.arrivals),
            "latency_p50_s": round(percentile(self.latencies, 0.5), 3),
            "latency_p95_s": round(percentile(self.latencies, 0.95), 3),
        }

    def syncro(self) -> dict[str, float]:
        calls = self.world.syncro.calls
        updates = [look for look in self.looks if look.outcome == "update" and look.writes]
        return {
            "calls": len(calls),
            "writes": len(calls.writes()),
            "creations": sum(call.method == "POST" for call in calls.writes()),
            "max_calls_in_60s": calls.max_calls_in(60),
            "writes_per_change": _ratio(sum(look.writes for look in updates), len(updates)),
            "calls_per_change": _ratio(sum(look.calls for look in updates), len(updates)),
        }

    def document(self) -> dict[str, object]:
        return {
            "in_scope": self.in_scope,
            "equal_to_plan": self.equal_to_plan,
            "conflicts": self.conflicts,
            "dead_letters": self.dead_letters,
            "live": self.live(),
            "syncro": self.syncro(),
            "refused": self.poison.document() if self.poison else None,
            "nightly": self.night.document() if self.night else None,
        }


def _ratio(total: int, count: int) -> float:
    return round(total / count, 3) if count else 0.0


def show_summary(summary: Summary) -> None:
    live, syncro = summary.live(), summary.syncro()
    rows = [
        ("users with a contact by the plan", summary.in_scope),
        ("of these, contact equal to the plan", summary.equal_to_plan),
        ("conflicts for a person", summary.conflicts),
        ("failed changes", summary.dead_letters),
        ("live changes", live["changes"]),
        ("from change to contact, half of them within", f"{live['latency_p50_s']:.2f} s"),
        ("from change to contact, 95 % within", f"{live['latency_p95_s']:.2f} s"),
        ("Syncro calls", syncro["calls"]),
        ("Syncro writes", f"{syncro['writes']} ({syncro['creations']} of them creations)"),
        ("most Syncro calls in any 60 s", f"{syncro['max_calls_in_60s']} (Syncro allows 180)"),
        ("writes per changed contact", syncro["writes_per_change"]),
        ("calls per changed contact", syncro["calls_per_change"]),
    ]
    if summary.poison is not None:
        told = summary.poison
        rows.append(("refused by Syncro, tried again, synced", f"{told.failed}, {told.tried_again}, {told.synced}"))
    if summary.night is not None:
        rows += [
            ("full sync: users planned", summary.night.planned),
            (
                "full sync: Syncro writes, and right after it",
                f"{summary.night.writes_first}, {summary.night.writes_second}",
            ),
            ("full sync: contacts held for a person", summary.night.held),
        ]
    print_table("Summary", ["what", "figure"], rows, empty="")
    for sentence in summary.wrong:
        say(f"WRONG: {sentence}")
    say("Syncro holds what the plan said." if summary.as_planned else "Syncro does NOT hold what the plan said.")
