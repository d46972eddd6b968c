"""A simulated Microsoft, as harsh as the real one: Entra login, Graph users and change notifications.

Unmodified third-party clients (MSAL, the Graph SDKs) are pointed at it. Start with facade.py: `Microsoft` is the only
class the rest of the sandbox needs. Nothing here imports the product.
"""

from __future__ import annotations

from sandbox.microsoft.facade import Microsoft
from sandbox.microsoft.switches import Fault, Switches

__all__ = ["Fault", "Microsoft", "Switches"]
