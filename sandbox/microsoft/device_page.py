"""The page on which a person enters a device code and says yes or no; only needed with the switch `device_code` wait.

Next: pages.py.
"""

from __future__ import annotations

from aiohttp import web

from sandbox.microsoft.delegated import Delegated
from sandbox.microsoft.pages import form, page

_ANSWERS = ("approve", "decline")
_CHOICES = (("approve", "Continue"), ("decline", "Cancel"))


class DevicePage:
    """Shown at the `verification_uri` of every device code."""

    def __init__(self, delegated: Delegated) -> None:
        self._delegated = delegated

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/{tenant}/oauth2/deviceauth", self._show),
            web.post("/{tenant}/oauth2/deviceauth", self._answered),
        ]

    async def _show(self, request: web.Request) -> web.Response:
        return page("Enter code", form({}, _CHOICES, '<label>code <input name="otc"></label>'))

    async def _answered(self, request: web.Request) -> web.Response:
        given = await request.post()
        code = self._delegated.waiting(str(given.get("otc", "")))
        answer = str(given.get("answer", "approve"))
        if code is None or answer not in _ANSWERS:
            return page("Enter code", "<p>That code didn&#8217;t work. Check the code and try again.</p>", 400)
        code.answer = answer
        return page("Signed in" if answer == "approve" else "Cancelled", "<p>You may now close this window.</p>")
