"""A simulated Syncro, as harsh as the real one may be. Start with `facade.Syncro`."""

from __future__ import annotations

from sandbox.syncro.facade import DEFAULT_TOKEN, Syncro

__all__ = ["DEFAULT_TOKEN", "Syncro"]
