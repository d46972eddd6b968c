"""After the demo, on a terminal: everything stays up, and every change that somebody makes is shown as it arrives.

Tells how to make one: the simulated Microsoft takes the calls that the real one takes. Ends with Ctrl-C.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from console.cli.demo.stage import Stage
from console.cli.output import say

POLL = 0.2  # seconds

RECIPE = """
Everything stays up. Change somebody from another terminal and watch the line appear here; Ctrl-C ends it.

  token=$(curl -s --cacert {ca_file} {login}/{tenant}/oauth2/v2.0/token \\
    -d grant_type=client_credentials -d client_id={app_id} -d client_secret={app_secret} \\
    -d scope=https://graph.microsoft.com/.default | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')
  curl -X PATCH {graph}/v1.0/users/{user} -H "Authorization: Bearer $token" \\
    -H 'Content-Type: application/json' -d '{{"jobTitle": "Head of Everything"}}'
  curl {syncro}/api/v1/contacts?customer_id={customer} -H 'Authorization: Bearer {syncro_token}'
"""


async def show_live(stage: Stage, fallen: asyncio.Event) -> None:
    """Until the curtain falls."""
    say(_recipe(stage))
    seen = len(stage.looks)
    while not fallen.is_set():
        for look in stage.looks[seen:]:
            if look.writes:
                say(f"  {look.age:5.2f} s   customer {look.customer_id}, user {look.user_id}: {', '.join(look.fields)}")
        seen = len(stage.looks)
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL):
                await fallen.wait()
    say("Ended.")


def _recipe(stage: Stage) -> str:
    info = stage.world.info()
    company = stage.world.companies[0]
    return RECIPE.format(
        **{
            name: info[name] for name in ("ca_file", "login", "graph", "syncro", "app_id", "app_secret", "syncro_token")
        },
        tenant=company.tenant_id,
        user=company.people[0].id,
        customer=info["customers"][0]["id"],
    )
