"""A private RabbitMQ, an empty virtual host, and a proxy in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from yarl import URL

from sandbox.servers import RabbitServer
from tests.support.tcp_proxy import TcpProxy


@dataclass(frozen=True)
class Site:
    """A broker under test: straight and through the proxy."""

    server: RabbitServer
    proxy: TcpProxy
    url: str

    @property
    def url_by_proxy(self) -> str:
        return str(URL(self.url).with_port(self.proxy.port))

    @property
    def vhost(self) -> str:
        return URL(self.url).path.removeprefix("/")


@pytest.fixture
async def site(rabbit_server: RabbitServer) -> AsyncIterator[Site]:
    async with TcpProxy(rabbit_server.port).listening() as proxy:
        yield Site(rabbit_server, proxy, rabbit_server.fresh_url())
