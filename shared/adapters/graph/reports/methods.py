"""Optional, tenants without Entra ID P1: what each user has registered, 20 users a request.

The answers hold telephone numbers and names of devices; only the kinds of methods leave this file. Next:
`shared/adapters/graph/reports/judging.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from shared.adapters.graph.errors import NOT_FOUND, worst
from shared.adapters.graph.reports.batch import batch, chunks
from shared.adapters.graph.reports.patience import PatientCaller
from shared.adapters.graph.wire import unreadable
from shared.adapters.lenient import Json, objects, text
from shared.domain.errors import SyncError

_PATH = "/users/{}/authentication/methods"

# Graph's type without "#microsoft.graph." and "AuthenticationMethod" -> the registration report's word.
_WORDS: Mapping[str, str] = {
    "microsoftauthenticator": "microsoftAuthenticatorPush",
    "passwordlessmicrosoftauthenticator": "microsoftAuthenticatorPasswordless",
    "softwareoath": "softwareOneTimePasscode",
    "hardwareoath": "hardwareOneTimePasscode",
    "fido2": "fido2SecurityKey",
    "windowshelloforbusiness": "windowsHelloForBusiness",
    "platformcredential": "macOsSecureEnclaveKey",
    "external": "externalAuthMethod",
    "temporaryaccesspass": "temporaryAccessPass",
    "qrcodepin": "qrCodePin",
    "email": "email",
    "password": "password",
}
_PHONES: Mapping[str, str] = {
    "mobile": "mobilePhone",
    "alternatemobile": "alternateMobilePhone",
    "office": "officePhone",
}


@dataclass(frozen=True, slots=True)
class RegisteredMethods:
    """`by_user`: user id -> kinds in the report's words. `error`: the worst of those who are missing, or None."""

    by_user: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    error: SyncError | None = None


async def read_methods(caller: PatientCaller, user_ids: Sequence[str]) -> RegisteredMethods:
    """A refusal that holds for the whole tenant ends the asking; other failures cost one user's answer each."""
    found: dict[str, tuple[str, ...]] = {}
    failed: list[SyncError] = []
    for some in chunks(user_ids):
        answers = await _asked(caller, some)
        found |= {user: answer for user, answer in answers.items() if not isinstance(answer, SyncError)}
        failed += (answer for answer in answers.values() if isinstance(answer, SyncError))
        if any(error.code != NOT_FOUND for error in failed) and not found.keys() & set(some):
            break  # nobody's answer came: nobody's will
    told = [error for error in failed if error.code != NOT_FOUND]  # a user who left since the listing is no failure
    return RegisteredMethods(found, worst(told) if told else None)


async def _asked(caller: PatientCaller, user_ids: Sequence[str]) -> Mapping[str, tuple[str, ...] | SyncError]:
    try:
        answers = await batch(caller, {user: _PATH.format(quote(user, safe="")) for user in user_ids})
    except SyncError as error:
        return dict.fromkeys(user_ids, error)
    return {user: answer if isinstance(answer, SyncError) else kinds(answer) for user, answer in answers.items()}


def kinds(body: Json) -> tuple[str, ...] | SyncError:
    """The kinds of one answer, each once; an answer without a list is none."""
    if not isinstance(body.get("value"), list):
        return unreadable("a user's methods")
    return tuple(dict.fromkeys(_kind(method) for method in objects(body["value"])))


def _kind(method: Json) -> str:
    name = (
        (text(method.get("@odata.type")) or "").removeprefix("#microsoft.graph.").removesuffix("AuthenticationMethod")
    )
    if name.lower() == "phone":
        return _PHONES.get((text(method.get("phoneType")) or "").lower(), "mobilePhone")
    return _WORDS.get(name.lower(), name)
