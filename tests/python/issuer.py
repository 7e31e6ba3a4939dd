"""An issuer of OpenID Connect that stands in for others', signs by other people's code, and misbehaves when it is told to: issuer.py SECRET SAID

Prints its port. SECRET: what a client shows (Basic). SAID: a file to which each code, token and verifier that it sees or gives is added, a line each, to be looked for where none may be.

It is several issuers, by their paths: '' and '/other' are as they should be, '/liar' calls itself by another's name, '/huge' answers without end, '/named' says by RFC 9207 that it
names itself in each answer. POST /control {"claims": {…}, "how": "…"} says whom it vouches for from now on, and what is wrong with it; the answer tells what was asked so far.
What a code leads to is settled as it is given.
"""

import base64
import hashlib
import hmac
import json
import secrets
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

SECRET, SAID = sys.argv[1:]
CLIENT = "consign"


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwk(algorithm, key, **more):
    return {**json.loads(algorithm.to_jwk(key.public_key())), **more}


class Issuer:
    def __init__(self):
        self.lock, self.codes, self.asked = threading.Lock(), {}, {}
        self.claims, self.how, self.rotated = {}, "good", 0
        self.rsa = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
        self.ec, self.ed = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()

    def keys(self):
        """The one that signs, two of other kinds, and what others' programs would want of it."""
        return [
            jwk(RSAAlgorithm, self.rsa[0], kid="enc", use="enc"),
            {"kty": "oct", "kid": "shared", "k": b64(b"x" * 32)},
            {"kty": "quantum", "kid": "future"},
            jwk(RSAAlgorithm, self.rsa[min(self.rotated, 1)], kid=f"rsa-{self.rotated}", use="sig", alg="RS256"),
            jwk(ECAlgorithm, self.ec, kid="ec", use="sig"),
            jwk(OKPAlgorithm, self.ed, kid="ed"),
            jwk(RSAAlgorithm, self.rsa[0], kid="any"),
        ]

    def token(self, given):
        """What this code is worth, and what is wrong with it."""
        how, now = given["how"], int(time.time())
        claims = {"iss": given["iss"], "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": given["nonce"], **given["claims"]}
        changes = {
            "wrong-nonce": {"nonce": "another"},
            "no-nonce": {"nonce": None},
            "wrong-aud": {"aud": "another"},
            "several-aud": {"aud": [CLIENT, "another"]},
            "their-azp": {"aud": [CLIENT, "another"], "azp": "another"},
            "our-azp": {"aud": [CLIENT, "another"], "azp": CLIENT},
            "wrong-iss": {"iss": given["iss"] + "/"},
            "two-iss": {"iss": [given["iss"], "https://evil.example"]},
            "expired": {"exp": now - 61, "iat": now - 300},
            "just-expired": {"exp": now - 20, "iat": now - 300},
            "no-exp": {"exp": None},
            "text-exp": {"exp": str(now + 300)},
            "old": {"iat": now - 3_600},
            "of-tomorrow": {"iat": now + 86_400},
            "not-yet": {"nbf": now + 3_600},
            "no-sub": {"sub": None},
        }.get(how, {})
        claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        with self.lock:
            kid, key = f"rsa-{self.rotated}", self.rsa[min(self.rotated, 1)]
        body = lambda header: b64(json.dumps(header).encode()) + "." + b64(json.dumps(claims).encode())
        if how in ("none", "None"):
            return body({"alg": how, "typ": "JWT", "kid": kid}) + "."
        if how == "hs256":
            # With the public key, as whoever knows it could.
            public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            signed = body({"alg": "HS256", "typ": "JWT", "kid": kid})
            return signed + "." + b64(hmac.new(public, signed.encode(), hashlib.sha256).digest())
        if how == "shared":
            return jwt.encode(claims, b"x" * 32, "HS256", {"kid": "shared"})
        if how == "other-key":
            return jwt.encode(claims, rsa.generate_private_key(public_exponent=65537, key_size=2048), "RS256", {"kid": kid})
        if how == "other-algorithm":
            return jwt.encode(claims, key, "RS512", {"kid": kid})
        if how == "encryption-key":
            return jwt.encode(claims, self.rsa[0], "RS256", {"kid": "enc"})
        if how == "unknown-kid":
            return jwt.encode(claims, key, "RS256", {"kid": "made-up"})
        if how == "no-kid":
            return jwt.encode(claims, key, "RS256")
        if how == "changed":
            head, payload, tag = jwt.encode(claims, key, "RS256", {"kid": kid}).split(".")
            return ".".join([head, b64(json.dumps({**claims, "sub": "somebody-else"}).encode()), tag])
        if how == "es256":
            return jwt.encode(claims, self.ec, "ES256", {"kid": "ec"})
        if how == "eddsa":
            return jwt.encode(claims, self.ed, "EdDSA", {"kid": "ed"})
        if how == "ps256":
            return jwt.encode(claims, self.rsa[0], "PS256", {"kid": "any"})
        return jwt.encode(claims, key, "RS256", {"kid": kid})


ISSUER = Issuer()


def said(*texts):
    with ISSUER.lock, open(SAID, "a") as out:
        out.writelines(f"{text}\n" for text in texts if text)


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def answer(self, status, body=None, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if body is not None:
            self.wfile.write(json.dumps(body).encode())

    def base(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def split(self):
        url = urllib.parse.urlsplit(self.path)
        prefix = next((one for one in ["/other", "/liar", "/huge", "/named"] if url.path.startswith(one + "/")), "")
        with ISSUER.lock:
            what = url.path[len(prefix):]
            ISSUER.asked[prefix + what] = ISSUER.asked.get(prefix + what, 0) + 1
        return prefix, what, {name: value for name, value in urllib.parse.parse_qsl(url.query)}

    def do_GET(self):
        prefix, what, query = self.split()
        at = self.base() + prefix
        if what == "/.well-known/openid-configuration":
            if prefix == "/huge":
                return self.endless()
            self.answer(200, {
                "issuer": self.base() if prefix == "/liar" else at, "authorization_endpoint": at + "/authorize", "token_endpoint": at + "/token",
                "jwks_uri": at + "/keys", "response_types_supported": ["code"], **({"authorization_response_iss_parameter_supported": True} if prefix == "/named" else {}),
            })
        elif what == "/keys":
            self.answer(200, {"keys": ISSUER.keys()})
        elif what == "/authorize":
            assert query["response_type"] == "code" and query["client_id"] == CLIENT and "openid" in query["scope"].split(), query
            assert query["code_challenge_method"] == "S256" and len(query["code_challenge"]) == 43 and len(query["state"]) == 43 and len(query["nonce"]) == 43, query
            code = secrets.token_urlsafe(32)
            with ISSUER.lock:
                ISSUER.codes[code] = {**query, "how": ISSUER.how, "claims": ISSUER.claims, "iss": at}
            said(code)
            back = {"code": code, "state": query["state"], **({"iss": at} if prefix == "/named" else {})}
            self.answer(302, headers=[("Location", query["redirect_uri"] + "?" + urllib.parse.urlencode(back))])
        else:
            self.answer(404)

    def do_POST(self):
        prefix, what, _ = self.split()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if what == "/control":
            told = json.loads(body)
            with ISSUER.lock:
                ISSUER.claims, ISSUER.how = told.get("claims", ISSUER.claims), told.get("how", ISSUER.how)
                ISSUER.rotated += told.get("rotate", 0)
                asked = dict(ISSUER.asked)
            return self.answer(200, asked)
        if what != "/token":
            return self.answer(404)
        form = dict(urllib.parse.parse_qsl(body.decode()))
        shown = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
        if [urllib.parse.unquote_plus(one) for one in shown.split(":")] != [CLIENT, SECRET]:
            return self.answer(401, {"error": "invalid_client"})
        with ISSUER.lock:
            given = ISSUER.codes.pop(form.get("code"), None)
        said(form.get("code_verifier"))
        fits = given and form["grant_type"] == "authorization_code" and form["redirect_uri"] == given["redirect_uri"]
        if not fits or b64(hashlib.sha256(form["code_verifier"].encode()).digest()) != given["code_challenge"]:
            return self.answer(400, {"error": "invalid_grant"})
        if given["how"] == "slow":
            self.send_response(200)
            self.end_headers()
            # Until it is hung up on.
            while True:
                self.wfile.write(b" ")
                time.sleep(0.5)
        if given["how"] == "huge":
            return self.endless()
        if given["how"] == "no-json":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")
            return None
        token, access = ISSUER.token(given), secrets.token_urlsafe(32)
        said(token, access)
        self.answer(200, {"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": token})

    def endless(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"issuer": "')
        while True:
            self.wfile.write(b"x" * 65_536)

    def handle(self):
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
