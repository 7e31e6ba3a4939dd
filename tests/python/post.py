"""Posts events to `consign ingest` from many clients, and keeps account of what was acknowledged.

post.py URL TOKEN FILE ROUND      posts until the server is gone; FILE: for each acknowledged line its chat and id
"""

import http.client
import json
import random
import sys
import threading
from urllib.parse import urlsplit

CLIENTS, CHATS = 16, 40


def client(url, token, number, round_, out, lock):
    rng, connection = random.Random(number), None
    count = 0
    while True:
        lines = []
        for _ in range(rng.randint(1, 5)):
            count += 1
            # Two clients write in each chat.
            chat = f"C{(number // 2 + count) % CHATS}"
            lines.append({"type": "message", "chat": chat, "id": f"m{round_}-{number}-{count}", "at": f"2026-01-05T08:00:{count % 60:02}.{number:03}Z", "user": f"U{number}", "text": f"{round_} {number} {count}"})
        body = "".join(json.dumps(line) + "\n" for line in lines)
        try:
            connection = connection or http.client.HTTPConnection(url.hostname, url.port, timeout=60)
            connection.request("POST", url.path, body, {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"})
            answer = connection.getresponse()
            said = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return
        if answer.status != 200 or said["stored"] + said["already_there"] != len(lines):
            print(f"{answer.status}: {said}", file=sys.stderr)
            sys.exit(1)
        with lock:
            out.write("".join(f"{line['chat']} {line['id']}\n" for line in lines))
            out.flush()


def main():
    url, token, file, round_ = sys.argv[1:]
    lock = threading.Lock()
    with open(file, "a", encoding="utf-8") as out:
        threads = [threading.Thread(target=client, args=(urlsplit(url), token, number, round_, out, lock)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
