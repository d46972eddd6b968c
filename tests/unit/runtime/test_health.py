"""Readiness: per service, and for the process."""

from __future__ import annotations

from shared.runtime.health import Health, State


def test_each_service_has_its_own_state() -> None:
    health = Health()
    health.watch("receiver", lambda: True)
    health.watch("registrar", lambda: False)
    assert health.report() == {"receiver": State.READY, "registrar": State.NOT_READY}
    assert not health.ready()
    assert health.state("unheard-of") is None


def test_a_crash_and_a_stop_outrank_what_a_service_says() -> None:
    health = Health()
    health.watch("receiver", lambda: True)
    assert health.ready()
    health.crashed("receiver")
    assert health.state("receiver") is State.CRASHED
    health.running("receiver")
    assert health.ready()
    health.stop()
    assert health.state("receiver") is State.STOPPING
    assert not health.ready()


def test_a_process_without_services_is_not_ready() -> None:
    assert not Health().ready()
