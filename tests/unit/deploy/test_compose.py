"""What `deploy/compose.yaml` sets exists, and what it asks for is in the example that people copy."""

from __future__ import annotations

import re
from pathlib import Path

from shared.runtime.settings import describe

DEPLOY = Path(__file__).parents[3] / "deploy"
COMPOSE = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")


def test_every_variable_is_a_setting() -> None:
    known = {variable for _, variable, _ in describe()} | {"ENTRA_SYNCRO_RECEIVER__SECRETS__K1"}
    used = set(re.findall(r"ENTRA_SYNCRO_[A-Z0-9_]+", COMPOSE + (DEPLOY / "Dockerfile").read_text(encoding="utf-8")))
    assert used - known == set()
    assert used >= {f"ENTRA_SYNCRO_{name}__URL" for name in ("BROKER", "STATE", "LEDGER")}


def test_every_blank_is_in_the_example() -> None:
    example = (DEPLOY / "compose.env.example").read_text(encoding="utf-8")
    offered = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    assert set(re.findall(r"\$\{([A-Z_]+)", COMPOSE)) == offered


def test_the_set_is_whole() -> None:
    section = COMPOSE.partition("\nservices:\n")[2].partition("\nvolumes:")[0]
    services = set(re.findall(r"^  ([a-z0-9-]+):", section, re.MULTILINE))
    assert services == {"receiver-1", "receiver-2", "worker", "operator", "rabbitmq", "redis", "postgres"}


def test_no_container_of_ours_may_write_or_rise() -> None:
    assert "read_only: true" in COMPOSE
    assert "cap_drop: [ALL]" in COMPOSE
    assert "no-new-privileges:true" in COMPOSE
    assert "\nUSER 10001:10001\n" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
