"""Asks for every page and action of the console as everybody, by the list that is kept of them.

    console_roles.py LIST FILE     LIST: method, address and permission, a line each; FILE: as of api.py

What each role may do is said by api.py, in its own words. A page that the list gains is tried the day it appears.
"""

import http.client
import json
import sys
import urllib.parse

from api import MAY, Server, fill, unchanged_but_keys, what_there_is

HERE = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}


class Console:
    def __init__(self, url):
        self.host, self.requests = urllib.parse.urlparse(url).netloc, 0

    def ask(self, method, path, cookie=None, headers=HERE, body=None):
        self.requests += 1
        connection = http.client.HTTPConnection(self.host, timeout=60)
        given = {**headers, **({"Cookie": cookie} if cookie else {})}
        connection.request(method, path, body=body if body is not None else (b"" if method == "POST" else None), headers=given)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        assert answer.status < 500, (method, path, answer.status, text)
        policy = answer.getheader("Content-Security-Policy")
        assert policy and "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, (path, policy)
        assert "<script>" not in text and " style=" not in text and " onclick=" not in text, path
        return answer, text

    def sign_in(self, token):
        answer, text = self.ask("POST", "/console/sign-in", body=urllib.parse.urlencode({"token": token}))
        assert answer.status == 303, (answer.status, text)
        cookie = answer.getheader("Set-Cookie")
        assert all(word in cookie for word in ["__Host-", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"]) and "Domain" not in cookie, cookie
        assert token not in cookie, "the token itself is not kept by the browser"
        return cookie.split(";")[0]


def main(listed, given):
    server, console = Server(given["url"]), Console(given["url"])
    tokens, ids = given["tokens"], given["ids"]
    mine, theirs = "acme", "other"
    nothing = {name: "nothing-here" for name in ids[mine]}
    places = [line.rstrip("\n").split("\t") for line in listed]
    before = what_there_is(server, theirs, tokens[theirs]["tenant-administrator"])
    cookies = {home: {role: console.sign_in(token) for role, token in roles.items()} for home, roles in tokens.items()}
    admin = cookies[mine]["tenant-administrator"]
    figures = {"pages": len(places), "allowed": 0, "forbidden": 0, "not_theirs": 0, "not_signed_in": 0, "from_elsewhere": 0, "others_ids": 0}

    for token in ["", "rubbish", "consign_" + "0" * 64, *given["worthless"]]:
        answer, text = console.ask("POST", "/console/sign-in", body=urllib.parse.urlencode({"token": token}))
        assert answer.status == 401 and answer.getheader("Set-Cookie") is None and "none of ours" in text, (token, answer.status)

    for method, path, permission in places:
        if path == "/console/sign-out":
            continue

        def ask(tenant, cookie, named=nothing, headers=HERE):
            return console.ask(method, fill(path, tenant, named), cookie, headers)

        forged = admin.replace("acme:", "other:")
        for cookie in [None, "__Host-consign=rubbish", f"__Host-consign=acme:consign_{'0' * 64}", forged, f"__Host-consign=acme:{tokens[mine]['auditor']}"]:
            answer, _ = ask(mine, cookie)
            assert answer.status == 303 and answer.getheader("Location").startswith("/console/sign-in"), (method, path, cookie, answer.status)
            figures["not_signed_in"] += 1

        if method == "POST":
            for headers in [{}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]:
                answer, text = ask(mine, admin, headers=headers)
                assert answer.status == 403 and "not asked for from here" in text, (method, path, headers, answer.status)
                figures["from_elsewhere"] += 1

        for home, roles in cookies.items():
            for role, cookie in roles.items():
                is_platform = home == "platform"
                if "{tenant}" not in path:
                    where = [mine]
                else:
                    where = [mine, theirs] if is_platform else [home]
                for tenant in where:
                    answer, text = ask(tenant, cookie)
                    if permission == "session" or permission in MAY[role]:
                        assert answer.status in (200, 303, 400, 404, 422) and "/sign-in" not in (answer.getheader("Location") or ""), (method, path, role, answer.status, text)
                        assert "there is no tenant" not in text, (method, path, role)
                        figures["allowed"] += 1
                    else:
                        assert answer.status == 403 and "Your role does not permit this" in text, (method, path, role, answer.status, text)
                        figures["forbidden"] += 1
                if is_platform or "{tenant}" not in path:
                    continue
                foreign = next(tenant for tenant in [mine, theirs] if tenant != home)
                # What the role may not do at all is said first, of whatever tenant.
                told = [(answer.status, text.replace(f"'{name}'", "…")) for name in [foreign, "nobody"] for answer, text in [ask(name, cookie)]]
                assert told[0] == told[1] and told[0][0] in (403, 404), (method, path, role, told[0][0])
                if permission in MAY[role]:
                    assert told[0][0] == 404 and "there is no tenant" in told[0][1], (method, path, role, told)
                figures["not_theirs"] += 1

        if any("{" + name + "}" in path for name in ids[theirs]):
            answer, text = ask(mine, admin, ids[theirs])
            assert answer.status in (400, 404), (method, path, answer.status, text)
            figures["others_ids"] += 1

    # A token that is taken back takes its sessions with it.
    made = server.ask("POST", f"/v1/tenants/{mine}/tokens", tokens[mine]["tenant-administrator"], json.dumps({"name": "brief", "role": "auditor"}).encode())[1]
    cookie = console.sign_in(made["secret"])
    assert console.ask("GET", f"/console/t/{mine}", cookie)[0].status == 200
    server.ask("DELETE", f"/v1/tenants/{mine}/tokens/{made['id']}", tokens[mine]["tenant-administrator"])
    assert console.ask("GET", f"/console/t/{mine}", cookie)[0].status == 303
    # What a session has is good for pages alone.
    assert server.ask("GET", f"/v1/tenants/{mine}/runs", admin.split(":")[1])[0] == 401
    assert console.ask("GET", "/console/nothing", admin)[0].status == 404

    after = what_there_is(server, theirs, tokens[theirs]["tenant-administrator"])
    assert unchanged_but_keys(before, after, {"signed-in"}), "something of another's tenant was changed"
    print(json.dumps({**figures, "requests": console.requests}))


if __name__ == "__main__":
    with open(sys.argv[1]) as listed, open(sys.argv[2]) as given:
        main(listed.readlines(), json.load(given))
