"""Microsoft's four clouds: where each signs in, where its Graph is, what a token is asked for. One table.

Values only, of Microsoft's pages on national clouds and on Graph deployments (2026). An app registration, its tokens
and its tenants belong to one cloud. Next: `shared/runtime/sections.py`, which takes them where no address is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Cloud(StrEnum):
    """GLOBAL includes GCC. US_GOV_L4 is GCC High, US_GOV_L5 is DoD, CHINA is operated by 21Vianet."""

    GLOBAL = "global"
    US_GOV_L4 = "us-gov-l4"
    US_GOV_L5 = "us-gov-l5"
    CHINA = "china"


@dataclass(frozen=True, slots=True)
class Addresses:
    """`login` and `graph` without a path. `exchange`: the audience of a managed identity's token that stands for us."""

    login: str
    graph: str
    exchange: str

    @property
    def scope(self) -> str:
        return f"{self.graph}/.default"


_GOVERNMENT_LOGIN = "https://login.microsoftonline.us"
_GOVERNMENT_EXCHANGE = "api://AzureADTokenExchangeUSGov"

ADDRESSES: Mapping[Cloud, Addresses] = {
    Cloud.GLOBAL: Addresses(
        "https://login.microsoftonline.com", "https://graph.microsoft.com", "api://AzureADTokenExchange"
    ),
    Cloud.US_GOV_L4: Addresses(_GOVERNMENT_LOGIN, "https://graph.microsoft.us", _GOVERNMENT_EXCHANGE),
    Cloud.US_GOV_L5: Addresses(_GOVERNMENT_LOGIN, "https://dod-graph.microsoft.us", _GOVERNMENT_EXCHANGE),
    # login.chinacloudapi.cn, its older login host, is an alias that MSAL calls deprecated.
    Cloud.CHINA: Addresses(
        "https://login.partner.microsoftonline.cn",
        "https://microsoftgraph.chinacloudapi.cn",
        "api://AzureADTokenExchangeChina",
    ),
}

# Login hosts that Microsoft's instance discovery can vouch for.
LOGIN_HOSTS = frozenset(
    {*(each.login.removeprefix("https://") for each in ADDRESSES.values()), "login.chinacloudapi.cn"}
)
