"""Checks an exported audit log by the text of host/README.md alone: json, hashlib and openssl, and nothing of Consign's.

    audit.py KEY FILE [MANIFEST...]     prints {"entries": N, "deeds": [...]} or {"broken": N, "why": "..."}
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile


class Broken(Exception):
    """Entry, and what is wrong."""


def canonical(value):
    """RFC 8785 for what a log holds: ASCII keys, integers."""

    def no_fractions(value):
        if isinstance(value, float):
            raise ValueError("a number with a fraction")
        for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
            no_fractions(one)

    no_fractions(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def is_signed(key, digest, signature):
    """Asks openssl whether the Ed25519 signature over these 32 bytes is by this key (base64)."""
    der = bytes.fromhex("302a300506032b6570032100") + base64.b64decode(key)
    pem = b"-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(der) + b"-----END PUBLIC KEY-----\n"
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("key", "digest", "signature")]
        for path, contents in zip(paths, (pem, digest, signature)):
            with open(path, "wb") as file:
                file.write(contents)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", paths[0], "-rawin", "-in", paths[1], "-sigfile", paths[2]]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def signed(line, name, key, seq):
    """What a line says, where it is signed by the key."""
    try:
        whole = json.loads(line)
        body, signature = whole[name], whole["signature"]
        digest = hashlib.sha256(canonical(body))
        if canonical(whole) != line or digest.hexdigest() != signature["digest"]:
            raise Broken(seq, "changed")
        value = base64.b64decode(signature["value"], validate=True)
    except (ValueError, KeyError, TypeError) as error:
        raise Broken(seq, f"no line of a log: {type(error).__name__}") from error
    if signature["algorithm"] != "ed25519-sha256" or signature["key"] != key or not is_signed(key, digest.digest(), value):
        raise Broken(seq, "not signed by the key")
    return body, digest.hexdigest()


def read_manifest(path, keys):
    """Its run, its SHA-256, and the entry that it names: none in what is older than the log. Signed by one of the keys that the log leads to."""
    with open(path, "rb") as file:
        text = file.read().rstrip(b"\n")
    key = json.loads(text)["signature"]["key"]
    manifest, digest = signed(text, "manifest", key if key in keys else keys[-1], path)
    return manifest["run"], digest, manifest.get("audit")


def first_key(key, lines):
    """The key of the first line, from which the log leads to the given one; that itself, where it does not."""
    keys = []
    for line in lines:
        try:
            whole = json.loads(line)
            if not keys:
                keys.append(whole["signature"]["key"])
            if whole["entry"]["deed"]["what"] == "keys-rotated":
                keys.append(whole["entry"]["deed"]["signing_key"])
        except (ValueError, KeyError, TypeError):
            continue
    return keys[0] if key in keys else key


def check(key, path, manifests):
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    if lines.pop() != b"":
        raise Broken(len(lines), "no line feed at the end")
    if not lines or not lines[-1].startswith(b'{"head":'):
        raise Broken(len(lines), "no head at the end")
    previous, digests, deeds, tenant, ended = None, [], [], None, {}
    current, keys = first_key(key, lines), []
    for seq, line in enumerate(lines[:-1], 1):
        entry, digest = signed(line, "entry", current, seq)
        if current not in keys:
            keys.append(current)
        tenant = tenant or entry["tenant"]
        if (entry["seq"], entry["previous"], entry["tenant"], entry["version"]) != (seq, previous, tenant, 1):
            raise Broken(seq, "does not follow")
        previous = digest
        digests.append(digest)
        deeds.append(entry["deed"]["what"])
        if deeds[-1] == "keys-rotated":
            current = entry["deed"]["signing_key"]
        if deeds[-1] == "run-ended":
            ended[entry["deed"]["run"]] = (seq, entry["deed"]["manifest"])
    head, _ = signed(lines[-1], "head", current, len(digests))
    if set(head) != {"version", "tenant", "last", "at"} or head["tenant"] != (tenant or head["tenant"]):
        raise Broken(len(digests), "no head of this log")
    if not deeds or deeds[0] not in ("tenant-made", "log-begun"):
        raise Broken(1, "no beginning")
    if key not in keys:
        raise Broken(1, "not by the key")
    named = [("the head", head["last"])]
    for path in manifests:
        run, digest, last = read_manifest(path, keys)
        named.append((path, last))
        if run in ended and ended[run][1] != digest:
            raise Broken(ended[run][0], f"another manifest: {path}")
    for by, last in named:
        if last is None:
            continue
        if last["seq"] > len(digests):
            raise Broken(len(digests) + 1, f"cut: {by}")
        if digests[last["seq"] - 1] != last["digest"]:
            raise Broken(last["seq"], f"another: {by}")
    if (head["last"]["seq"] if head["last"] else 0) != len(digests):
        raise Broken(len(digests), "more than the head knows")
    return {"entries": len(digests), "deeds": deeds}


if __name__ == "__main__":
    try:
        print(json.dumps(check(sys.argv[1], sys.argv[2], sys.argv[3:])))
    except Broken as broken:
        print(json.dumps({"broken": broken.args[0], "why": broken.args[1]}))
