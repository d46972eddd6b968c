"""The pages of the consent flow: a title, what happened, what happens next. Read by the customer's administrator.

Fixed texts written by us: nothing of the request, of Microsoft's answer or of our insides is ever shown. The strict
content policy of the public site (`receiver/app.py`) needs no style and no script.
"""

from __future__ import annotations

from enum import Enum
from html import escape

_AGAIN = "If you expected something else, ask your IT service provider for a new link."
_LATER = "Open the link from your IT service provider again in a few minutes; it still works."


class Page(Enum):
    """Status, title, what happened, what happens next."""

    RECEIVED = (
        200,
        "Consent received",
        "Thank you. Your organization's consent has arrived and was checked. Nothing has been changed anywhere.",
        "Your IT service provider looks at a preview before anything is brought in step. You can close this page.",
    )
    MISSING = (
        200,
        "Consent is not complete",
        "The consent has arrived, but it does not cover every permission that is needed. Nothing has been changed.",
        "Your IT service provider sees which one is missing and will get in touch. You can close this page.",
    )
    NOT_CHECKED = (503, "Consent could not be checked", "Microsoft did not confirm the consent just now.", _LATER)
    FAILED = (
        200,
        "Consent was not found",
        "Microsoft does not confirm a consent of your organization. Nothing has been changed.",
        "Your IT service provider sees why and will get in touch. You can close this page.",
    )
    DECLINED = (
        200,
        "Consent was not given",
        "Microsoft reports that no consent was given: it was declined, or the account may not give it. "
        "Nothing has been changed.",
        "If that was not what you wanted, ask your IT service provider for a new link, and sign in as an "
        "administrator of your organization.",
    )
    USED = (409, "Already used", "This answer was used already, and nothing was done again.", _AGAIN)
    EXPIRED = (410, "Link expired", "This link is too old. Nothing has been changed.", _AGAIN)
    TOO_SLOW = (
        410,
        "It took too long",
        "The sign-in took longer than an hour. Nothing has been changed.",
        "Open the link from your IT service provider again; if it is too old as well, ask for a new one.",
    )
    REPLACED = (410, "Link replaced", "A newer link took the place of this one. Nothing has been changed.", _AGAIN)
    NOT_OURS = (
        400,
        "Link not recognized",
        "This address is not a link of ours, or it was altered on its way. Nothing has been changed.",
        "Open the link exactly as your IT service provider sent it, or ask for a new one.",
    )
    OTHER_BROWSER = (
        403,
        "Another browser",
        "This consent was not begun in this browser, or the browser keeps no cookies. Nothing has been changed.",
        "Open the link from your IT service provider again and finish in the same browser.",
    )
    UNREADABLE = (
        400,
        "Answer not understood",
        "Microsoft's answer names no organization. Nothing has been changed.",
        "Open the link from your IT service provider again.",
    )
    UNAVAILABLE = (503, "Not available just now", "The service cannot look anything up just now.", _LATER)

    @property
    def status(self) -> int:
        return self.value[0]

    @property
    def title(self) -> str:
        return self.value[1]

    @property
    def html(self) -> str:
        _, title, happened, following = (escape(str(part)) for part in self.value)
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{title}</title></head><body><h1>{title}</h1><p>{happened}</p><p>{following}</p></body></html>\n"
        )
