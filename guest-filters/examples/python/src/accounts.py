"""Account numbers: IBANs, by ISO 13616. Nothing here knows of Consign, so it is tested by Python as it is."""

import re

# Which countries have them, and how long they are there.
COUNTRIES = """
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18
    FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20
    LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24
    SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20
"""
LENGTHS = {known[:2]: int(known[2:]) for known in COUNTRIES.split()}

START = re.compile("(?<![A-Za-z0-9])[A-Z]{2}")
RESTS = {length: re.compile("(?: ?[A-Z0-9]){%d}(?![A-Za-z0-9])" % (length - 2)) for length in set(LENGTHS.values())}


def holds_account(text, counts):
    """Whether a text holds an account number, alone or in groups with single spaces between them, of a country that counts."""
    for start in START.finditer(text):
        country = start.group()
        if country not in LENGTHS or not counts(country):
            continue
        rest = RESTS[LENGTHS[country]].match(text, start.end())
        if rest and checks(country + rest.group().replace(" ", "")):
            return True
    return False


def checks(number):
    """The two check digits: the country and they go to the end, letters become numbers from 10 on, and the whole leaves 1 when it is divided by 97."""
    if not re.match("..[0-9]{2}", number):
        return False
    return int("".join(str(int(character, 36)) for character in number[4:] + number[:4])) % 97 == 1
