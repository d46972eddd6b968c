"""Private servers: a RabbitMQ, a Redis and a PostgreSQL of one's own, from the system's packages.

For tests, benches and `make demo-distributed`: each listens on a free loopback port, keeps its data in a folder of
its own and ends with the process that started it, however that process ends. Never for production, and never the
system's own services. Next: `process.py` (what all three share), then one file per server.
"""

from __future__ import annotations

from sandbox.servers.postgresql import PostgresServer
from sandbox.servers.process import Server, ServerError
from sandbox.servers.rabbitmq import RabbitServer
from sandbox.servers.redis import RedisServer

__all__ = ["PostgresServer", "RabbitServer", "RedisServer", "Server", "ServerError"]
