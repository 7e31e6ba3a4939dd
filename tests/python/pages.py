"""Asks for the pages of a tenant with very many policies and runs, and prints how long the slowest answer of each took.

    pages.py FILE     a JSON file: url, token, tenant, policy, run, times (how often each page is asked for)
"""

import json
import sys
import time
import urllib.parse

from console_roles import Console


def main(given):
    console = Console(given["url"])
    cookie = console.sign_in(given["token"])
    pages = {
        "overview": "", "policies": "/policies", "policy": f"/policies/{given['policy']}", "runs": "/runs", "runs of a policy": f"/runs?policy={given['policy']}",
        "a run": f"/runs/{given['run']}", "held": "/held", "modules": "/modules", "sources": "/sources", "audit": "/audit", "access": "/access", "explain": "/explain",
        "write": f"/write?policy={given['policy']}",
    }
    answer, text = console.ask("GET", f"/console/t/{given['tenant']}/runs", cookie)
    older = text.split("runs?before=")[1].split('"')[0]
    pages["older runs"] = f"/runs?before={older}"
    slowest = {}
    for name, path in pages.items():
        # The first after a start loads the modules that come with the program.
        console.ask("GET", f"/console/t/{given['tenant']}{path}", cookie)
        took = []
        for _ in range(given["times"]):
            begun = time.perf_counter()
            answer, text = console.ask("GET", f"/console/t/{given['tenant']}{path}", cookie)
            took.append(time.perf_counter() - begun)
            assert answer.status == 200, (path, answer.status, text)
        slowest[name] = round(1000 * max(took), 1)
    print(json.dumps(slowest))


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file))
