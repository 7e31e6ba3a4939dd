"""Signs in as a browser does, by an issuer that stands beside (issuer.py) and misbehaves when it is told to.

    sign_in.py FILE     a JSON file: url, issuer (its address), token (of a tenant administrator of acme)

Each misbehaviour has to be answered by a page that says so, and with no session.
"""

import http.client
import json
import sys
import threading
import urllib.parse
import urllib.request

SESSION, BEGUN = "__Host-consign", "__Host-consign-begun"
ANN = {"sub": "s-ann", "email": "Ann@acme.example", "email_verified": True, "groups": ["staff", "consign-officers"]}
# What is wrong, and what the page says of it.
WRONG = {
    "wrong-nonce": "answer to another sign-in",
    "no-nonce": "answer to another sign-in",
    "wrong-aud": "made for another program",
    "several-aud": "does not say which of them asked",
    "their-azp": "made for another program",
    "wrong-iss": "by another issuer",
    "two-iss": "by another issuer",
    "expired": "it is over",
    "no-exp": "lacks something",
    "text-exp": "lacks something",
    "old": "made just now",
    "of-tomorrow": "made just now",
    "not-yet": "begins later",
    "no-sub": "lacks something",
    "none": "an algorithm that is not taken",
    "None": "an algorithm that is not taken",
    "hs256": "an algorithm that is not taken",
    "shared": "an algorithm that is not taken",
    "other-key": "signature does not fit",
    "changed": "signature does not fit",
    "other-algorithm": "for another algorithm",
    "encryption-key": "no such key",
    "no-kid": "no such key",
    "huge": "more than 131072 bytes",
    "no-json": "not what it should be",
}
GOOD = ["good", "es256", "eddsa", "ps256", "our-azp", "just-expired"]


def get(url, headers=None):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    connection.request("GET", parts.path + ("?" + parts.query if parts.query else ""), headers=headers or {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


class Browser:
    def __init__(self, url):
        self.url, self.cookies = url, {}

    def get(self, path, follow=False):
        url = urllib.parse.urljoin(self.url, path)
        answer, text = get(url, {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {})
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            assert all(word in cookie for word in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"]) and "Domain" not in cookie, cookie
            name, _, value = cookie.split(";")[0].partition("=")
            if "Max-Age=0" in cookie:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        if follow and answer.status in (302, 303):
            return self.get(answer.headers["Location"], follow)
        return answer, text, url


def main(given):
    url, issuer = given["url"], given["issuer"]

    def control(**told):
        request = urllib.request.Request(issuer + "/control", data=json.dumps(told).encode(), method="POST")
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def there(name="corp", back=None, how="good", claims=ANN):
        """To the issuer's and as far as the address that it sends the browser back to."""
        browser = Browser(url)
        answer, text, _ = browser.get(f"/console/sign-in/{name}" + (f"?back={urllib.parse.quote(back)}" if back else ""))
        assert answer.status == 303 and BEGUN in browser.cookies, (answer.status, text)
        assert answer.headers["Location"].startswith(issuer), answer.headers["Location"]
        control(how=how, claims=claims)
        answer, _ = get(answer.headers["Location"])
        return browser, answer.headers["Location"]

    def refused(browser, way, says, status=403):
        answer, text, _ = browser.get(way)
        assert answer.status == status and says in text, (way[:60], answer.status, says, text[text.find("<main"):])
        assert SESSION not in browser.cookies, "there is a session all the same"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]

    figures = {"wrong": 0, "good": 0, "elsewhere": 0}
    # It hangs while all else goes on.
    hanging = there(how="slow")
    waited = []
    slow = threading.Thread(target=lambda: waited.append(refused(*hanging, "did not answer within", 503)))
    slow.start()

    answer, text, _ = Browser(url).get("/console/sign-in?back=/console/t/acme/runs")
    assert "Sign in with Corp &amp; Sons" in text and "Your token" in text, text

    for how in GOOD:
        browser, way = there(how=how, back="/console/t/acme/policies")
        answer, text, at = browser.get(way, follow=True)
        assert answer.status == 200 and urllib.parse.urlsplit(at).path == "/console/t/acme/policies", (how, answer.status, at, text[text.find("<main"):])
        assert "ann@acme.example, tenant-administrator" in text and BEGUN not in browser.cookies, (how, browser.cookies)
        figures["good"] += 1
        if how == "good":
            # The code is used up with the issuer, and the answer with the browser.
            kept = browser.cookies.pop(SESSION)
            refused(browser, way, "no answer to a sign-in that this browser has begun")
            given["session"] = f"{SESSION}={kept}"

    for how, says in WRONG.items():
        refused(*there(how=how), says)
        figures["wrong"] += 1

    # Its keys were asked for again once, however many made-up keys there were.
    asked = control()["/keys"]
    assert asked == 2, asked
    refused(*there(how="unknown-kid"), "no such key")
    assert control()["/keys"] == asked

    # Answers that were not for this browser, of this sign-in, by this issuer.
    browser, way = there()
    refused(Browser(url), way, "no answer to a sign-in that this browser has begun")
    other, _ = there()
    refused(other, way, "no answer to a sign-in that this browser has begun")
    for changed in [way.replace("state=", "state=x"), way.split("&state")[0], way.replace("/corp/", "/other/")]:
        browser, way = there()
        refused(browser, changed, "no answer to a sign-in that this browser has begun")
        figures["elsewhere"] += 1
    browser, way = there()
    forged = dict(browser.cookies)
    browser.cookies[BEGUN] = browser.cookies[BEGUN].split(".")[0] + "." + "A" * 43
    refused(browser, way, "no answer to a sign-in that this browser has begun")
    browser.cookies = forged
    refused(browser, way.replace("code=", "code=x"), "(invalid_grant)")
    browser, way = there()
    refused(browser, way + "&iss=" + urllib.parse.quote(issuer + "/other"), "another issuer has answered")
    browser, way = there("named")
    refused(browser, way.split("&iss=")[0], "does not say which issuer")
    browser, way = there("named")
    assert browser.get(way, follow=True)[0].status == 200
    browser, way = there()
    refused(browser, way.split("?")[0] + "?error=access_denied%3Cscript%3E&state=" + urllib.parse.parse_qs(urllib.parse.urlsplit(way).query)["state"][0], "access_denied&lt;script&gt;")
    browser, way = there()
    refused(browser, way.replace("code=", "coda="), "neither a code nor an error")

    # Nobody is led elsewhere, whatever the link said.
    for back in ["https://evil.example/", "//evil.example", "/console//evil.example", "/console/\\evil"]:
        browser, way = there(back=back)
        answer, _, at = browser.get(way, follow=True)
        assert at.startswith(url) and urllib.parse.urlsplit(at).path == "/console/t/acme" and answer.status == 200, at

    # Whom it vouches for, and no rule lets in; and who comes in as something else.
    for claims in [{"sub": "s-eve"}, {"sub": "s-eve", "email": "eve@audit.example"}, {"sub": "s-eve", "email": "eve@audit.example", "email_verified": False}, {"sub": "s-eve", "groups": ["consign-officers2"]}]:
        refused(*there(claims=claims), "no rule of this installation lets you in")
    refused(*there(claims={"sub": "s", "groups": ["lost"]}), "a tenant that there is not")
    for claims, path, shown in [
        ({"sub": "s-eve", "email": "eve@audit.example", "email_verified": "true"}, "/console/t/acme", "eve@audit.example, auditor"),
        ({"sub": "s-op", "realm": {"roles": ["ops"]}}, "/console/tenants", "s-op, platform-administrator"),
    ]:
        browser, way = there(claims=claims)
        answer, text, at = browser.get(way, follow=True)
        assert urllib.parse.urlsplit(at).path == path and shown in text, (at, text)

    # Issuers that are away, are another, or answer without end; a token works all the same.
    for name, says, status in [("dead", "can&#39;t be asked", 503), ("liar", "it calls itself", 403), ("huge", "more than 262144 bytes", 403)]:
        answer, text, _ = Browser(url).get(f"/console/sign-in/{name}")
        assert answer.status == status and (says in text or says.replace("&#39;", "'") in text), (name, answer.status, text)
    assert Browser(url).get("/console/sign-in/nobody")[0].status == 404

    # New keys are found by themselves, once the last look is old enough; here by another issuer's name, which has its own.
    browser, way = there("other")
    assert browser.get(way, follow=True)[0].status == 200
    control(rotate=1)
    browser, way = there("other")
    assert browser.get(way, follow=True)[0].status == 200, "the new key is not found"

    # The log names the person.
    request = urllib.request.Request(url + "/v1/tenants/acme/audit", headers={"Authorization": f"Bearer {given['token']}"})
    with urllib.request.urlopen(request) as answer:
        entries = [one["entry"] for one in json.load(answer)["entries"]]
    by = [one["by"] for one in entries if one["deed"]["what"] == "signed-in"]
    ann = {"who": "openid", "issuer": "corp", "subject": "s-ann", "email": "ann@acme.example", "role": "tenant-administrator"}
    assert by.count(ann) >= len(GOOD) and {one["issuer"] for one in by} == {"corp", "other", "named"}, by
    assert "staff" not in json.dumps(entries), "what no rule asks about is kept"
    slow.join(30)
    assert waited == [None], "an issuer that answers for ever is waited for"
    print(json.dumps({**figures, "session": given["session"]}))


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file))
