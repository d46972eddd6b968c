"""A private RabbitMQ with its own node name, cookie and epmd, small enough for several on one machine.

Runs as whoever starts it: Debian's wrapper insists on the system's user and folders, so the program behind it is
called. `fresh_url` gives an empty virtual host, which is cheaper than a fresh broker.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from sandbox.servers.child import Child
from sandbox.servers.process import HOST, Server, ServerError, exchange, free_port, program

USER = "entra_syncro"
_BEHIND_THE_WRAPPER = "/usr/lib/rabbitmq/bin"
_AT_ONCE = 10  # virtual hosts made by one call of rabbitmqctl, which costs one to two seconds itself

# One scheduler of each kind: an idle broker then costs next to nothing.
_SMALL = "+S 1:1 +SDcpu 1:1 +SDio 2 +A 2 +sbwt none +sbwtdcpu none +sbwtdio none"


class RabbitServer(Server):
    name = "rabbitmq"
    package = "rabbitmq-server"

    def __init__(self) -> None:
        super().__init__()
        self._epmd, self._distribution = free_port(), free_port()
        self._spare: list[str] = []
        self._made = 0

    @property
    def url(self) -> str:
        """Of the virtual host "/"."""
        return f"amqp://{USER}:{self.password}@{HOST}:{self.port}/"

    def fresh_url(self) -> str:
        """Of an empty virtual host."""
        if not self._spare:
            names = [f"fresh{self._made + number}" for number in range(_AT_ONCE)]
            self._made += _AT_ONCE
            self.eval(_MAKE_VHOSTS % (USER, ", ".join(f'<<"{name}">>' for name in names)))
            self._spare = names[::-1]
        return self.url + self._spare.pop()

    def ctl(self, *words: str) -> str:
        """What `rabbitmqctl` prints. Raises ServerError when it fails."""
        command = [str(program("rabbitmqctl", self.package, _BEHIND_THE_WRAPPER)), "-q", *words]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **self._environment()}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False, cwd=self.folder
        )
        if done.returncode:
            raise ServerError(f"rabbitmqctl {words[0]} failed: {(done.stderr or done.stdout).strip()[-400:]}")
        return done.stdout.strip()

    def eval(self, erlang: str) -> str:
        """The value of an Erlang expression on the broker, printed."""
        return self.ctl("eval", erlang)

    def _prepare(self) -> None:
        lines = [
            f"listeners.tcp.1 = {HOST}:{self.port}",
            f"default_user = {USER}",
            f"default_pass = {self.password}",
            "disk_free_limit.absolute = 50MB",
            "log.console = true",
            "log.console.level = warning",
            "log.file = false",
        ]
        self._file("rabbitmq.conf", "\n".join(lines) + "\n")
        self._file("enabled_plugins", "[].\n")

    def _environment(self) -> Mapping[str, str]:
        return {
            "HOME": str(self.folder),  # the cookie lives there
            "RABBITMQ_NODENAME": f"entra-syncro-{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RUNNING_UNDER_SYSTEMD": "true",  # the script then becomes the broker, so that its pid is the broker's
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _SMALL + " -kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CTL_ERL_ARGS": "+S 1:1 +sbwt none",
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": HOST,
            "ERL_CRASH_DUMP_BYTES": "0",
        }

    def _launch(self) -> Sequence[Child]:
        # An epmd that Erlang starts by itself would outlive us, so ours runs in the foreground.
        epmd = self._spawn(
            [program("epmd", "erlang-base"), "-port", str(self._epmd), "-address", HOST],
            environment={"ERL_EPMD_RELAXED_COMMAND_CHECK": "1"},
        )
        while epmd.alive and not exchange(self._epmd, b"\x00\x01n"):
            pass
        server = program("rabbitmq-server", self.package, _BEHIND_THE_WRAPPER)
        return [epmd, self._spawn([server], environment=self._environment())]

    def _answers(self) -> bool:
        """A broker greets whoever names the protocol with Connection.Start (a method frame, type 1)."""
        return exchange(self.port, b"AMQP\x00\x00\x09\x01").startswith(b"\x01")


_MAKE_VHOSTS = """
lists:foreach(fun(Name) ->
  rabbit_vhost:add(Name, <<"acting">>),
  rabbit_auth_backend_internal:set_permissions(<<"%s">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"acting">>)
end, [%s]).
"""
