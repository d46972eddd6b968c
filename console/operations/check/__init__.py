"""The doctor: looks at every organ and says who must do what, where, step by step. One file per organ.

Nothing is written unless a contact is named for the probe, and that contact is put back. An organ that is away or slow
is a finding; it never hides the others. Next: `console/operations/check/examine.py`.
"""

from console.operations.check.examine import check
from console.operations.check.probe import ProbeWish

__all__ = ["ProbeWish", "check"]
