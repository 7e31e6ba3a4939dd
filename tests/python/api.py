"""Asks for every operation of the API with every role, for the role's own tenant and for another one's, by the document that the server shows.

    api.py FILE     a JSON file: url, tokens {tenant: {role: secret}, "platform": {role: secret}}, worthless [secret],
                    ids {tenant: {policy, run, token, source, secret, asked, …}}

What each role may do stands here once more, in this file's own words: the server's table is not asked. An operation that the document gains is tried the day
it appears; one that says of itself nothing that this file knows fails.
"""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request

MAY = {
    "platform-administrator": {"list-tenants", "manage-tenants", "manage-access", "read", "read-audit"},
    "tenant-administrator": {
        "manage-access", "read", "read-events", "read-audit", "write-policies", "write-targets", "write-modules", "write-events",
        "manage-keeping",
    },
    "policy-author": {"read", "read-events", "write-policies"},
    "module-developer": {"read", "write-modules"},
    "auditor": {"read", "read-events", "read-audit"},
    "ingest": {"write-events"},
}
ALL = set().union(*MAY.values())
METHODS = ["get", "post", "put", "patch", "delete"]


class Server:
    def __init__(self, url):
        self.url, self.requests = url, 0
        self.document = self.ask("GET", "/openapi.json", None)[1]

    def ask(self, method, path, token, body=None, kind="application/json"):
        self.requests += 1
        headers = {"Content-Type": kind} if body is not None else {}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text, shown = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            status, text, shown = error.code, error.read(), error.headers
        assert status < 500, (method, path, status, text)
        if status >= 400:
            assert shown["Content-Type"] == "application/problem+json", (method, path, status, shown.as_string())
            problem = json.loads(text)
            assert problem["status"] == status and problem["code"] and problem["detail"], (method, path, problem)
            return status, problem
        return status, json.loads(text) if (shown["Content-Type"] or "").startswith("application/json") else text

    def operations(self):
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                [security] = operation["security"]
                [permission] = security["token"] or [None]
                assert permission is None or permission in ALL, (path, permission)
                yield method.upper(), path, operation, permission


def fill(path, tenant, ids):
    """An address with its parts, by their names."""
    parts = {"tenant": tenant, **ids}
    for name, value in parts.items():
        path = path.replace("{" + name + "}", urllib.parse.quote(value, safe=""))
    assert "{" not in path, f"{path} names what this test knows no id of: add it to the ids"
    return path


def body_of(operation):
    """Something that is well-formed where that can be had, and does nothing."""
    if "requestBody" not in operation:
        return None, None
    [kind] = operation["requestBody"]["content"]
    return (b"{}" if kind == "application/json" else b""), kind


def query_of(operation, policy):
    named = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
    given = {name: value for name, value in (("policy", policy), ("event", "1")) if name in named}
    return ("?" + urllib.parse.urlencode(given)) if given else ""


def what_there_is(server, tenant, token):
    """All that an administrator sees of a tenant."""
    seen = {}
    for method, path, operation, _ in server.operations():
        if method == "GET" and path.startswith("/v1/tenants/{tenant}/") and path.count("{") == 1 and not path.endswith("/explain"):
            status, seen[path] = server.ask("GET", fill(path, tenant, {}), token)
            assert status == 200, (path, status, seen[path])
    assert len(seen) >= 8, seen
    return seen


def unchanged_but_keys(before, after, more=frozenset()):
    """Whether all is as it was but what those who may have done, whatever ids were asked for: the keys are others, and the log tells of that (and of `more`)."""
    keys, audit = "/v1/tenants/{tenant}/keys", "/v1/tenants/{tenant}/audit"
    new = after[audit]["entries"][len(before[audit]["entries"]):]
    told = {one["entry"]["deed"]["what"] for one in new}
    assert after[audit]["entries"][:len(before[audit]["entries"])] == before[audit]["entries"]
    assert told == {"keys-rotated", "keys-taken-up", *more}, told
    assert len(after[keys]["earlier"]) == sum(one["entry"]["deed"]["what"] == "keys-rotated" for one in new) > 0, after[keys]
    strip = lambda seen: {path: answer for path, answer in seen.items() if path not in (keys, audit)}
    return strip(before) == strip(after)


def main(given):
    server = Server(given["url"])
    tokens, ids = given["tokens"], given["ids"]
    mine, theirs = "acme", "other"
    nothing = {name: "nothing-here" for name in ids[mine]}
    before = what_there_is(server, theirs, tokens[theirs]["tenant-administrator"])
    figures = {"operations": 0, "allowed": 0, "forbidden": 0, "not_theirs": 0, "not_signed_in": 0, "others_ids": 0}

    for method, path, operation, permission in server.operations():
        figures["operations"] += 1
        body, kind = body_of(operation)
        query = query_of(operation, "nothing-here")

        def ask(tenant, token, named=nothing, query=query):
            status, answer = server.ask(method, fill(path, tenant, named) + query, token, body, kind)
            # 401 of who shows nothing, and 404 of a tenant, are said of every operation.
            assert str(status) in operation["responses"], f"{method} {path} answers {status}, which its description does not say"
            return status, answer

        for token in [None, "rubbish", "consign_" + "0" * 64, *given["worthless"]]:
            for tenant in [mine, "nobody"]:
                status, answer = ask(tenant, token)
                assert (status, answer["code"]) == (401, "unauthenticated"), (method, path, token, status, answer)
                figures["not_signed_in"] += 1

        for home, roles in tokens.items():
            for role, token in roles.items():
                is_platform = home == "platform"
                if "{tenant}" not in path:
                    where = [None]
                elif is_platform:
                    where = [mine, theirs]
                else:
                    where = [home]
                for tenant in where:
                    status, answer = ask(tenant or mine, token)
                    if permission is None or permission in MAY[role]:
                        assert status not in (401, 403), (method, path, role, status, answer)
                        assert not (isinstance(answer, dict) and answer.get("code") == "no-such-tenant"), (method, path, role, answer)
                        figures["allowed"] += 1
                    else:
                        assert (status, answer["code"]) == (403, "forbidden"), (method, path, role, status, answer)
                        figures["forbidden"] += 1
                if is_platform or "{tenant}" not in path:
                    continue
                # Another's tenant is not told from one that is not there, whatever the role may do.
                foreign = next(tenant for tenant in [mine, theirs] if tenant != home)
                told = [ask(tenant, token) for tenant in [foreign, "nobody"]]
                for (status, answer), name in zip(told, [foreign, "nobody"]):
                    assert (status, answer["code"]) == (404, "no-such-tenant"), (method, path, role, status, answer)
                    answer["detail"] = answer["detail"].replace(name, "…")
                    figures["not_theirs"] += 1
                assert told[0] == told[1], told

        # What is another's is not there under one's own name.
        named = [name for name in ids[theirs] if "{" + name + "}" in path or name + "=" in query]
        # What is made by its name is another thing under one's own.
        if named and not path.endswith("/events") and method != "PUT":
            status, answer = ask(mine, tokens[mine]["tenant-administrator"], ids[theirs], query_of(operation, ids[theirs]["policy"]))
            assert status in (400, 404) and answer["code"] != "no-such-tenant", (method, path, status, answer)
            figures["others_ids"] += 1

        others = {one.upper() for one in METHODS} - {one.upper() for one in server.document["paths"][path]}
        for other in others:
            status, answer = server.ask(other, fill(path, mine, nothing), tokens[mine]["tenant-administrator"], b"")
            assert (status, answer["code"]) == (405, "no-such-method"), (other, path, status, answer)

    after = what_there_is(server, theirs, tokens[theirs]["tenant-administrator"])
    assert unchanged_but_keys(before, after), "something of another's tenant was changed"
    assert server.ask("GET", "/v1/nothing", None)[0] == 404
    print(json.dumps({**figures, "requests": server.requests}))


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file))
