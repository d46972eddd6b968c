"""The few HTML pages of the login host: consent, device sign-in, and the error page. Plain forms, no scripts.

Next: consent.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from aiohttp import web


def page(title: str, body: str, status: int = 200) -> web.Response:
    """`body` is HTML; whoever builds it escapes what came from outside."""
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>'
        f"<body><h1>{escape(title)}</h1>{body}</body></html>"
    )
    return web.Response(status=status, text=text, content_type="text/html", headers={"Cache-Control": "no-store"})


def error_page(code: int, text: str, status: int = 400) -> web.Response:
    """What a person sees when nobody is sent back to the application."""
    said = f"<p>Sorry, but we&#8217;re having trouble signing you in.</p><p>AADSTS{code}: {escape(text)}</p>"
    return page("Sign in to your account", said, status)


def form(fields: Mapping[str, str], choices: Sequence[tuple[str, str]], inner: str = "") -> str:
    """A form that posts to its own address; `choices`: value and label of its buttons, all named `answer`."""
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items()
    )
    buttons = "".join(
        f'<button type="submit" name="answer" value="{escape(value)}">{escape(label)}</button>'
        for value, label in choices
    )
    return f'<form method="post">{hidden}{inner}{buttons}</form>'


def choice(name: str, options: Sequence[tuple[str, str]]) -> str:
    """A drop-down list; `options`: value and label."""
    listed = "".join(f'<option value="{escape(value)}">{escape(label)}</option>' for value, label in options)
    return f'<label>{escape(name)} <select name="{escape(name)}">{listed}</select></label>'
