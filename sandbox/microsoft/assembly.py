"""Puts the Graph host together: every part that has routes, in the order in which paths are matched.

Next: graph.py.
"""

from __future__ import annotations

import aiohttp

from sandbox.microsoft.applications import Applications
from sandbox.microsoft.batch import Batch
from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.delivery import Deliveries
from sandbox.microsoft.delta import Delta
from sandbox.microsoft.graph import Graph
from sandbox.microsoft.groups import Groups
from sandbox.microsoft.handshake import Handshakes
from sandbox.microsoft.licences import Licences
from sandbox.microsoft.listing import Listings
from sandbox.microsoft.methods import Methods
from sandbox.microsoft.overlay import Overlay
from sandbox.microsoft.registration import Registration
from sandbox.microsoft.scores import Scores
from sandbox.microsoft.subscriptions import Subscriptions
from sandbox.microsoft.tenant_settings import TenantSettings
from sandbox.microsoft.tokens import TokenMint
from sandbox.microsoft.usage import Usage
from sandbox.microsoft.users import Users


def assemble(
    cloud: Cloud, mint: TokenMint, session: aiohttp.ClientSession, deliveries: Deliveries, usage: Usage
) -> Graph:
    """A Graph host with all its routes; `session` makes the handshakes."""
    graph = Graph(cloud, mint)
    # delta before users: /users/delta would read as a user called delta
    graph.add_routes(Delta(cloud).routes())
    overlay = Overlay(cloud, graph.throttle)
    graph.add_routes(Users(cloud, Listings(cloud, overlay), overlay).routes())
    graph.add_routes(Groups(cloud).routes() + Licences(cloud).routes())
    graph.add_routes(Registration(cloud).routes() + Methods(cloud).routes())
    graph.add_routes(Scores(cloud).routes() + TenantSettings(cloud).routes())
    graph.add_routes(usage.routes() + Applications(cloud).routes())
    graph.add_routes(Batch(cloud, graph).routes())
    graph.add_routes(Subscriptions(cloud, Handshakes(cloud, session), deliveries).routes())
    return graph
