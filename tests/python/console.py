"""Does a compliance officer's work in a real browser, and looks at each page as axe, a phone and a keyboard do.

    console.py FILE     a JSON file: url, token (a tenant administrator's), link (that signs one in once), tenant, port (of a mail server that takes all), module and failing (files of components, the
                        second of one that traps), shots (a folder for pictures)

Nothing is asked of the server but what the browser asks it for; but for the events, which a program sends with a token that was made in the browser.
"""

import json
import os
import sys
import urllib.request

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}
TARGET = """
[[target]]
name = "{name}"
host = "127.0.0.1"
port = {port}
tls = "none"
allow-plaintext = true
from = "journal@corp.example"
to = ["ingest@archive.example"]
subject = "a test"
"""
POLICIES = """
[[policy]]
name = "rates"
target = "archive"
schedule = { cron = "30 2 * * *", time-zone = "Europe/Berlin" }

[[policy.criteria]]
module = "std/keywords"
config = { any = ["libor"] }

[[policy]]
name = "held"
target = "nowhere"
"""


class Visit:
    """A browser at the console, and what was seen of it."""

    def __init__(self, browser, given):
        self.url, self.shots, self.tenant = given["url"], given["shots"], given["tenant"]
        self.context = browser.new_context(viewport={"width": 1200, "height": 900}, base_url=self.url)
        self.page = self.context.new_page()
        self.wrong, self.looks, self.slowest = [], 0, 0.0
        self.page.on("console", lambda said: self.wrong.append(said.text) if said.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.axe = Axe()

    def go(self, path):
        answer = self.page.goto(f"/console/t/{self.tenant}{path}")
        assert answer.status == 200, (path, answer.status)

    def look(self, name):
        """As axe sees it by day and by night; then as a picture of both widths, of which the narrow one must not have to be pushed sideways."""
        for scheme in ["light", "dark"]:
            self.page.emulate_media(color_scheme=scheme)
            found = self.axe.run(self.page, options=WCAG).response["violations"]
            assert not found, (name, scheme, [(one["id"], [node["target"] for node in one["nodes"]]) for one in found])
        self.page.emulate_media(color_scheme="light")
        self.page.screenshot(path=os.path.join(self.shots, f"{name}.png"), full_page=True)
        self.page.set_viewport_size({"width": 360, "height": 740})
        wider = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        self.page.screenshot(path=os.path.join(self.shots, f"{name}-phone.png"), full_page=True)
        assert wider == 0, f"{name} is {wider} pixels wider than a phone"
        self.page.set_viewport_size({"width": 1200, "height": 900})
        self.looks += 1

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()


def send(url, tenant, token):
    lines = [{"type": "chat", "id": "rates", "kind": "channel", "title": "rates"}]
    for number in range(60):
        text = "the libor fixing" if number % 3 == 0 else "lunch?"
        lines.append({"type": "message", "chat": "rates", "id": f"m{number}", "at": f"2026-01-05T08:{number:02}:00.000Z", "user": "U1", "text": text})
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    request = urllib.request.Request(f"{url}/v1/tenants/{tenant}/sources/chat/events", data=body, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer)["stored"] == 60


def by_a_link(visit, given):
    """The code goes from the link to the form, and is nowhere in the address that is asked for or kept."""
    page, asked = visit.page, []
    page.on("request", lambda request: asked.append(request.url + (request.headers.get("referer") or "")))
    page.goto(given["link"])
    code = given["link"].split("#")[1]
    expect(page.get_by_label("The link's code")).to_have_value(code)
    assert page.url == f"{visit.url}/console/first", page.url
    visit.look("first")
    visit.press("Sign in, and use up the link")
    page.wait_for_url(f"{visit.url}/console/t/{visit.tenant}")
    assert asked and not any(code in one for one in asked)
    visit.press("Sign out")
    assert not visit.context.cookies()


def sign_in(visit, given):
    page = visit.page
    page.goto("/")
    expect(page).to_have_url(f"{visit.url}/console/sign-in")
    visit.look("sign-in")
    for worthless in ["hello", "consign_" + "0" * 64]:
        page.get_by_label("Your token").fill(worthless)
        visit.press("Sign in")
        expect(page.get_by_role("alert")).to_contain_text("none of ours")
    # The answer was 401, which a browser's log calls an error.
    assert all("401" in one for one in visit.wrong), visit.wrong
    visit.wrong.clear()
    # With the keyboard alone, to the page that was asked for.
    page.goto(f"/console/t/{visit.tenant}/audit")
    # A browser puts the focus there after the page has loaded.
    expect(page.get_by_label("Your token")).to_be_focused()
    page.keyboard.insert_text(given["token"])
    page.keyboard.press("Enter")
    page.wait_for_url(f"{visit.url}/console/t/{visit.tenant}/audit")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    [cookie] = visit.context.cookies()
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"], cookie["path"]) == (True, True, "Lax", "/"), cookie
    assert page.evaluate("document.cookie") == ""


def first_export(visit, given):
    """From an empty tenant to an e-mail, by what the first page says."""
    page = visit.page
    visit.go("")
    expect(page.get_by_role("heading", name="From here to a first export")).to_be_visible()
    visit.look("overview-empty")

    visit.go("/access")
    page.get_by_label("Whose").fill("chat-bot")
    page.get_by_label("Role").select_option("ingest")
    visit.press("Make it")
    made = page.get_by_label("Its text").input_value()
    assert made.startswith("consign_") and len(made) == 72
    visit.look("access")
    visit.go("/access")
    assert made not in page.content(), "it is shown once"
    send(visit.url, visit.tenant, made)
    visit.go("/sources")
    expect(page.get_by_role("row", name="chat")).to_be_visible()
    visit.look("sources")

    visit.go("/write")
    text = TARGET.format(name="archive", port=given["port"]) + TARGET.format(name="nowhere", port=given["closed"]) + POLICIES
    editor = page.get_by_label("Targets and policies, as TOML")
    editor.fill(text.replace('any = ["libor"]', 'anny = ["libor"]'))
    visit.press("Put into force")
    expect(page.get_by_role("alert")).to_contain_text("anny")
    expect(editor).to_have_value(text.replace('any = ["libor"]', 'anny = ["libor"]'))
    visit.wrong.clear()
    editor.fill(text)
    visit.press("Check")
    expect(page.get_by_role("status")).to_contain_text("policy rates is new")
    visit.look("write")
    visit.go("/policies")
    expect(page.get_by_text("There is no policy yet.")).to_be_visible()
    visit.go("/write")
    page.get_by_label("Targets and policies, as TOML").fill(text)
    visit.press("Put into force")
    # A target without TLS is something to think about, so the page stays and says so.
    expect(page.get_by_role("status")).to_contain_text("It is in force.")
    visit.go("/policies")
    visit.look("policies")
    page.get_by_role("link", name="rates", exact=True).click()
    expect(page.get_by_role("heading", name="Due next")).to_be_visible()
    expect(page.locator("ol.due li")).to_have_count(10)
    visit.look("policy")
    page.get_by_role("link", name="Preview").click()
    expect(page.locator("ol.funnel")).to_contain_text("60")
    page.locator("details.email summary").click()
    expect(page.locator("details.email pre")).to_contain_text("the libor fixing")
    visit.look("preview")
    visit.go("/policies/rates")
    visit.press("Run it now")
    expect(page.get_by_role("status")).to_contain_text("asked for")

    # The page of a run that is under way turns into that of one that has ended, without a hand.
    page.goto(f"/console/t/{visit.tenant}/runs/rates-000001", wait_until="commit")
    for _ in range(100):
        if page.get_by_text("there is no run").count() == 0:
            break
        page.wait_for_timeout(100)
        page.reload()
    visit.wrong.clear()
    expect(page.get_by_role("link", name="Download the manifest")).to_be_visible(timeout=60_000)
    expect(page.locator("ol.funnel")).to_contain_text("60")
    expect(page.get_by_role("row", name="std/keywords")).to_contain_text("40")
    expect(page.get_by_role("table", name="E-mails")).to_contain_text("accepted")
    visit.press("Verify now")
    expect(page.get_by_role("status")).to_contain_text("The manifest is whole")
    visit.look("run")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the manifest").click()
    with open(download.value.path()) as file:
        manifest = json.load(file)["manifest"]
    assert (manifest["tenant"], manifest["events"]["exported"]) == (visit.tenant, 20), manifest["events"]


def target(visit):
    page = visit.page
    visit.go("/policies")
    page.get_by_role("link", name="archive", exact=True).click()
    visit.press("Check the connection")
    expect(page.get_by_role("status")).to_contain_text("It answers")
    visit.look("target")
    visit.press("Send a test e-mail")
    expect(page.get_by_role("status")).to_contain_text("accepted")
    visit.go("/targets/nowhere")
    visit.press("Check the connection")
    expect(page.get_by_role("alert")).to_contain_text("no connection")


def pause(visit):
    page = visit.page
    visit.go("/policies/rates")
    visit.press("Pause")
    expect(page.get_by_role("status")).to_contain_text("paused")
    expect(page.get_by_text("Version 2")).to_be_visible()
    visit.press("Resume")
    expect(page.locator("ol.due li")).to_have_count(10)
    page.get_by_role("link", name="Change as TOML").click()
    assert 'any = ["libor"]' in page.get_by_label("Targets and policies, as TOML").input_value()


def form(visit):
    """A policy without a line of TOML."""
    page = visit.page
    visit.go("/policies")
    page.get_by_role("link", name="A new policy").click()
    page.get_by_label("Name", exact=True).fill("by-form")
    page.get_by_label("Target").select_option("archive")
    page.get_by_label("When it runs").select_option("hand")
    visit.press("Add a criterion")
    expect(page.get_by_label("Name", exact=True)).to_have_value("by-form")
    page.get_by_label("Module").select_option("std/keywords")
    visit.press("Show its fields")
    visit.press("Put into force")
    expect(page.get_by_role("alert")).to_contain_text("by-form, criteria 1")
    words = page.get_by_label("Any of")
    words.fill("libor\nlibor")
    page.get_by_label("Ignore case").select_option("yes")
    visit.press("Check")
    # What is wrong stands at its field.
    expect(words).to_have_attribute("aria-invalid", "true")
    expect(words).to_have_value("libor\nlibor")
    visit.look("form")
    visit.wrong.clear()
    words.fill("libor\nfixing")
    visit.press("Check")
    expect(page.get_by_role("status")).to_contain_text("policy by-form is new")
    visit.press("Put into force")
    expect(page.get_by_role("heading", name="by-form")).to_be_visible()
    page.get_by_text("As it is written").click()
    written = page.locator("details pre").last
    expect(written).to_contain_text('any = ["libor", "fixing"]')
    expect(written).to_contain_text("ignore-case = true")
    # Changed by the form it stays as it was, but for what is changed.
    page.get_by_role("link", name="Change", exact=True).click()
    expect(page.get_by_label("Any of")).to_have_value("libor\nfixing")
    page.get_by_label("Name", exact=True).focus()
    visit.press("Remove criterion 1")
    expect(page.get_by_text("All of them: there is no criterion.")).to_be_visible()
    visit.press("Put into force")
    expect(page.get_by_text("Every event is exported.")).to_be_visible()
    expect(page.get_by_text("Version 2")).to_be_visible()


def held(visit):
    page = visit.page
    visit.go("/policies/held")
    visit.press("Run it now")
    row = page.get_by_role("row", name="rates")
    for _ in range(200):
        visit.go("/held")
        if row.count():
            break
        page.wait_for_timeout(100)
    expect(row).to_contain_text("60 of 60")
    visit.look("held")
    page.get_by_label("as they were frozen").check()
    visit.press("Try again")
    expect(page.get_by_role("status")).to_contain_text("tried again")
    for _ in range(200):
        visit.go("/runs?policy=held")
        if page.get_by_role("link", name="held-000002").count():
            break
        page.wait_for_timeout(100)
    visit.look("runs")
    visit.go("")
    expect(page.get_by_text("1 chat is held.")).to_be_visible()
    page.get_by_text("As a table").click()
    expect(page.get_by_role("table", name="Events by day")).to_contain_text("20")
    visit.look("overview")


def modules(visit, given):
    page = visit.page
    visit.go("/modules")
    page.get_by_label("Upload a module").set_input_files({"name": "no.wasm", "mimeType": "application/wasm", "buffer": b"not a module"})
    visit.press("Upload")
    expect(page.get_by_role("alert")).to_contain_text("not WebAssembly")
    visit.wrong.clear()
    page.get_by_label("Upload a module").set_input_files(given["module"])
    visit.press("Upload")
    expect(page.get_by_role("status")).to_contain_text("It is kept")
    expect(page.get_by_role("heading", name="acme/no-files@1.0.0")).to_be_visible()
    expect(page.get_by_role("table", name="Steps")).to_contain_text("passed")
    visit.look("module")
    visit.go("/modules")
    visit.look("modules")


def quarantine(visit, given):
    page = visit.page
    visit.go("/modules")
    page.get_by_label("Upload a module").set_input_files(given["failing"])
    visit.press("Upload")
    expect(page.get_by_role("status")).to_contain_text("It is kept")
    visit.go("/write")
    page.get_by_label("Targets and policies, as TOML").fill(
        '[[policy]]\nname = "breaks"\ntarget = "archive"\nquarantine-after = 1\n[[policy.criteria]]\nmodule = "acme/traps"\nneeds = []\n')
    visit.press("Put into force")
    visit.press("Run it now")
    for _ in range(200):
        visit.go("/policies/breaks")
        if page.get_by_text("is quarantined").count():
            break
        page.wait_for_timeout(100)
    visit.look("quarantined")
    visit.go("/runs/breaks-000001/logs")
    expect(page.get_by_role("table", name="Lines")).to_contain_text("acme/traps@1.0.0")
    visit.look("logs")
    visit.go("/policies/breaks")
    visit.press("Release acme/traps@1.0.0")
    expect(page.get_by_role("status")).to_contain_text("It is released")
    assert page.get_by_text("is quarantined").count() == 0


def explain(visit):
    page = visit.page
    for event, word in [("m0", "exported"), ("m1", "omitted"), ("m60", "No event of this id")]:
        visit.go("/explain")
        page.get_by_label("Policy").select_option("rates")
        page.get_by_label("The event's id").fill(event)
        visit.press("Explain")
        expect(page.get_by_role("main")).to_contain_text(word)
        if event == "m1":
            expect(page.get_by_role("main")).to_contain_text("no-keyword")
            visit.look("explain")


def email(visit):
    """From an e-mail of a run to what is in it, by its Message-ID, and on to one of its events."""
    page = visit.page
    visit.go("/runs/rates-000001")
    id = page.get_by_role("table", name="E-mails").locator("tbody code").first.text_content()
    visit.go("/explain")
    page.get_by_label("Its Message-ID").fill(f"<{id}>")
    visit.press("Find the e-mail")
    expect(page.get_by_role("main")).to_contain_text("accepted")
    expect(page.get_by_role("table", name="Events in it").get_by_role("row")).to_have_count(21)
    visit.look("email")
    page.get_by_role("link", name="m0", exact=True).click()
    expect(page.get_by_role("main")).to_contain_text("exported")
    page.get_by_label("Its Message-ID").fill("nobody@consign")
    visit.press("Find the e-mail")
    expect(page.get_by_role("alert")).to_contain_text("no e-mail")


def coverage(visit):
    page = visit.page
    visit.go("/coverage")
    page.get_by_label("Policy").select_option("rates")
    page.get_by_label("Month").fill("2026-01")
    visit.press("Account for it")
    expect(page.get_by_role("status")).to_contain_text("All 60 events are exported or left out")
    expect(page.get_by_role("table", name="Events by chat")).to_contain_text("20")
    visit.look("coverage")
    page.get_by_label("Month").fill("2019-01")
    visit.press("Account for it")
    expect(page.get_by_role("status")).to_contain_text("no event of this month")


def shadow(visit):
    page = visit.page
    visit.go("/write")
    page.get_by_label("Targets and policies, as TOML").fill(
        '[[policy]]\nname = "shadowed"\ntarget = "archive"\n[[policy.criteria]]\nmodule = "std/keywords"\nconfig = { any = ["nowhere"] }\n'
        'shadow = { module = "std/keywords", config = { any = ["libor"] } }\n')
    visit.press("Put into force")
    visit.press("Run it now")
    for _ in range(200):
        visit.go("/policies/shadowed")
        if page.get_by_text("Over all runs").count():
            break
        page.wait_for_timeout(100)
    expect(page.get_by_role("table", name="Runs that compared")).to_contain_text("20")
    visit.look("shadow")
    page.get_by_role("button", name="in place").click()
    expect(page.get_by_role("status")).to_contain_text("the policy has version 2")
    visit.look("promoted")
    visit.go("/policies/shadowed")
    assert page.get_by_role("heading", name="Shadows").count() == 0


def keys(visit):
    page = visit.page
    visit.go("/keys")
    expect(page.get_by_role("main")).to_contain_text("age1")
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Public key").fill("no key")
    visit.press("Add it")
    expect(page.get_by_role("alert")).to_contain_text("no public key")
    expect(page.get_by_label("Name")).to_have_value("ann")
    visit.wrong.clear()
    page.get_by_label("Public key").fill("untrusted comment: of minisign's own documentation\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n")
    visit.press("Add it")
    expect(page.get_by_role("table", name="Keys for modules")).to_contain_text("ann")
    visit.look("keys")
    visit.press("Remove ann")
    expect(page.get_by_text("There is none: modules are taken without a signature.")).to_be_visible()


def secrets(visit):
    page = visit.page
    visit.go("/secrets")
    page.get_by_label("Name").fill("archive-password")
    page.get_by_label("The secret").fill("open sesame")
    visit.press("Keep it")
    expect(page.get_by_role("row", name="archive-password")).to_be_visible()
    assert "open sesame" not in page.content()
    visit.look("secrets")
    visit.press("Forget archive-password")
    expect(page.get_by_text("There is none yet.")).to_be_visible()


def keeping(visit):
    page = visit.page
    visit.go("/keeping")
    expect(page.get_by_text("everything is kept for ever")).to_be_visible()
    page.get_by_label("Keep for").fill("soon")
    visit.press("Set the rule")
    expect(page.get_by_text('write it as "7 years"')).to_be_visible()
    visit.wrong.clear()
    visit.go("/keeping")
    page.get_by_label("Keep for").fill("7 years")
    visit.press("Set the rule")
    expect(page.get_by_role("row", name="all others 7years")).to_be_visible()
    page.locator("#hold").fill("matter-7")
    page.locator("#why").fill("matter 7 of 2026")
    visit.press("Place it")
    expect(page.get_by_role("row", name="matter-7 everything")).to_be_visible()
    visit.look("keeping")
    visit.press("What would go now?")
    expect(page.get_by_role("status")).to_contain_text("events would go now")
    visit.press("Take back the rule of all others")
    expect(page.get_by_text("everything is kept for ever")).to_be_visible()
    page.locator("#erase-source").select_option(index=1)
    page.locator("#erase-user").fill("nobody-of-them")
    page.locator("#erase-why").fill("asked on 2026-03-01")
    visit.press("What would go?")
    expect(page.get_by_text("no user of source")).to_be_visible()
    visit.wrong.clear()
    visit.go("/keeping")
    visit.press("Lift matter-7")
    expect(page.get_by_text("There is none.")).to_be_visible()


def from_elsewhere(visit, browser):
    """Another site's page sends a form here, from a browser that has signed in."""
    page = visit.context.new_page()
    other = visit.url.replace("127.0.0.1", "localhost")
    action = f"{visit.url}/console/t/{visit.tenant}/policies/rates/enabled"
    page.route(f"{other}/evil", lambda route: route.fulfill(
        content_type="text/html", body=f'<form method="post" action="{action}"><input name="enabled" value="false"><button>win</button></form>'))
    page.goto(f"{other}/evil")
    with page.expect_response(action) as answer:
        page.get_by_role("button", name="win").click()
    assert answer.value.status == 403
    page.close()
    visit.go("/policies/rates")
    expect(visit.page.get_by_text("Version 3")).to_be_visible()


def two_people(visit, given):
    page = visit.page
    visit.go("/proposals")
    visit.press("Have it take two people")
    expect(page.get_by_role("status")).to_contain_text("takes two people")
    visit.go("/write")
    page.get_by_label("Targets and policies, as TOML").fill(TARGET.format(name="archive", port=given["port"]).replace("ingest@", "else@"))
    visit.press("Put into force")
    expect(page.get_by_role("status")).to_contain_text("waits for another")
    expect(page.get_by_role("table", name="target archive")).to_contain_text("else@archive.example")
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    visit.look("proposal")
    visit.press("Take it back")
    expect(page.get_by_role("row", name="target archive")).to_contain_text("rejected")
    visit.look("proposals")


def audit_and_out(visit):
    page = visit.page
    visit.go("/audit")
    entries = page.get_by_role("table", name="Entries")
    for deed in ["signed in to the console", "made token-", "put policy rates version 3", "took in module acme/no-files@1.0.0", "removed the secret archive-password", "released acme/traps@1.0.0"]:
        expect(entries).to_contain_text(deed)
    visit.look("audit")
    cookies = visit.context.cookies()
    visit.press("Sign out")
    expect(page.get_by_label("Your token")).to_be_visible()
    assert not visit.context.cookies()
    # Whoever has kept the cookie has nothing.
    visit.context.add_cookies(cookies)
    page.goto(f"/console/t/{visit.tenant}")
    expect(page.get_by_label("Your token")).to_be_visible()


def main(given):
    with sync_playwright() as playwright:
        # As root Chromium has no sandbox of its own to give; it sees nothing but this server.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        visit = Visit(browser, given)
        by_a_link(visit, given)
        sign_in(visit, given)
        first_export(visit, given)
        target(visit)
        pause(visit)
        form(visit)
        held(visit)
        modules(visit, given)
        quarantine(visit, given)
        explain(visit)
        email(visit)
        coverage(visit)
        shadow(visit)
        keys(visit)
        secrets(visit)
        keeping(visit)
        from_elsewhere(visit, browser)
        two_people(visit, given)
        audit_and_out(visit)
        assert not visit.wrong, visit.wrong
        print(json.dumps({"pages": visit.looks, "browser": browser.version}))
        browser.close()


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file))
