"""A whole tenant in one reading, with the least requests: users, licences, MFA, last activity, Secure Score.

`reading.py` is the call plan and the place to begin; every other file is one report or one part of the asking. Only a
list of users that cannot be read fails a reading: whatever else is refused, late or concealed stays unknown, with a
sentence that says why.
"""

from __future__ import annotations

from shared.adapters.graph.reports.reading import GraphReports

__all__ = ["GraphReports"]
