"""What schemathesis needs to know of this API: bodies that are none of its own, and what there is to ask for (API_IDS, JSON), which it can't guess."""

import json
import os

import schemathesis

IDS = json.loads(os.environ.get("API_IDS", "{}"))


@schemathesis.serializer("application/toml", "application/x-ndjson", "application/wasm", "text/plain")
def as_it_is(context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def known(context, parameters):
    """Of made-up parts of an address that are even in length, what there is: so both that and what there is not are asked for."""
    if not isinstance(parameters, dict):
        return parameters
    return {name: IDS.get(name, value) if len(str(value)) % 2 == 0 else value for name, value in parameters.items()}


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    # The tenant always: of one that is not there every answer is the same.
    parameters = known(context, path_parameters)
    return {**parameters, "tenant": IDS["tenant"]} if isinstance(parameters, dict) and "tenant" in parameters else parameters


@schemathesis.hook
def map_query(context, query):
    return known(context, query)


@schemathesis.hook
def map_headers(context, headers):
    # What a request expects, and its key, in half of them: all others would be refused for these alone.
    if not isinstance(headers, dict):
        return headers
    asked = {"if-match", "if-none-match", "idempotency-key"}
    return {name: value for name, value in headers.items() if name.lower() not in asked or len(str(value)) % 2 == 0}


@schemathesis.hook
def before_call(context, case, kwargs):
    # What it has learnt of a list may be the very token by which it asks: of those that there are only one may be revoked.
    parameters = case.path_parameters or {}
    if str(parameters.get("token", "")).startswith("token-"):
        parameters["token"] = IDS["token"]
