"""Looks for secrets in all files of some folders, in every form that a program would write them in. Prints where each was found, as JSON.

secrets_in.py SECRETS FOLDER…      SECRETS: a JSON file, {"name": {"text": …} or {"hex": …}}
"""

import base64
import json
import os
import sys


def forms(secret):
    """The bytes as they are, as UTF-16, as hexadecimal digits, and in base64 wherever in a longer text they stand."""
    yield "as it is", secret
    if secret.isascii():
        yield "UTF-16", secret.decode().encode("utf-16-le")
        yield "UTF-16", secret.decode().encode("utf-16-be")
        yield "lower case", secret.lower()
    for digits in (secret.hex(), secret.hex().upper()):
        yield "hex", digits.encode()
    yield "a list of numbers", ", ".join(map(str, secret)).encode()
    yield "a list of numbers", ",".join(map(str, secret)).encode()
    for before in range(3):
        whole = base64.b64encode(bytes(before) + secret + bytes(-(before + len(secret)) % 3))
        # What other bytes have a part in is left out.
        own = whole[(before * 8 + 5) // 6 : (before + len(secret)) * 8 // 6]
        yield "base64", own
        yield "base64", own.translate(bytes.maketrans(b"+/", b"-_"))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        secrets = json.load(file)
    needles = []
    for name, value in secrets.items():
        secret = bytes.fromhex(value["hex"]) if "hex" in value else value["text"].encode()
        needles.extend((name, form, needle) for form, needle in forms(secret))
    assert all(len(needle) >= 10 for _, _, needle in needles), "too short: it would be found anywhere"
    found, files, size = {name: [] for name in secrets}, 0, 0
    for top in sys.argv[2:]:
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    content = file.read()
                files, size = files + 1, size + len(content)
                # A name may say it as well as what is in it.
                content += b"\n" + os.path.relpath(path, top).encode()
                for secret, form, needle in needles:
                    place = content.find(needle)
                    if place >= 0:
                        found[secret].append(f"{path}, byte {place}: {form}")
    print(json.dumps({"files": files, "bytes": size, "found": found}))


main()
