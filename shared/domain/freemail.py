"""Domains where anybody can have an address: such an address says nothing about whose it is, so none is looked up.

Microsoft itself holds some of these, and a provider may be somebody's tenant: without this list a customer with a
private address would be proposed for the tenant of its mail provider. Next: `shared/domain/discovery.py`.
"""

from __future__ import annotations

import re

# Brands that stand under many countries.
_BRANDS = re.compile(r"(aol|gmx|hotmail|live|msn|outlook|yahoo|yandex)\.(com|net|org|[a-z]{2}|com?\.[a-z]{2})")

_PROVIDERS = """
126.com 163.com alice.it arcor.de att.net bell.net bellsouth.net bigpond.com bigpond.net.au bluewin.ch btinternet.com
charter.net comcast.net cox.net earthlink.net eircom.net email.com fastmail.com free.fr freenet.de frontier.com
gmail.com googlemail.com hey.com hispeed.ch icloud.com interia.pl juno.com kpnmail.nl laposte.net libero.it mac.com
mail.com mail.de mail.ru me.com naver.com neuf.fr ntlworld.com o2.pl onet.pl online.de optimum.net optonline.net
optusnet.com.au orange.fr passport.com pm.me posteo.de proton.me protonmail.com qq.com rediffmail.com rocketmail.com
rogers.com sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com sky.com sunrise.ch sympatico.ca t-online.de talktalk.net
telenet.be telus.net tin.it tuta.com tutanota.com tutanota.de verizon.net virgilio.it virginmedia.com wanadoo.fr
web.de windstream.net wp.pl xs4all.nl xtra.co.nz ymail.com ziggo.nl zoho.com zonnet.nl
"""
_KNOWN = frozenset(_PROVIDERS.split())


def is_freemail(domain: str) -> bool:
    """`domain` in lower case."""
    return domain in _KNOWN or _BRANDS.fullmatch(domain) is not None
