"""What a data folder's archive holds, as age and pyarrow open it: no code of Consign's has a part in it.

kept.py IDENTITY ARCHIVE…      prints JSON: for each chat's id its events by position, with what is said in them; the files; attachments
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa

SAID = ("text", "previous", "original", "sender_name")


def opened(identity, path):
    return subprocess.run(["age", "-d", "-i", identity, str(path)], check=True, capture_output=True).stdout


def main():
    identity, folders = sys.argv[1], [Path(folder) for folder in sys.argv[2:]]
    words, users, rows, files, attachments = [], [], 0, [], []
    for folder in folders:
        for path in sorted(folder.rglob("*.age")):
            plain = opened(identity, path)
            if path.name.endswith(".arrow.age"):
                files.append(str(path.relative_to(folder)))
                table = pa.ipc.open_file(pa.py_buffer(plain)).read_all()
                rows += table.num_rows
                for row in table.to_pylist():
                    words += [row[name] for name in SAID if row.get(name)]
                    users += [row["user"]] if row.get("user") else []
                    for file in row.get("attachments") or []:
                        words.append(file["name"])
            elif "attachments" in path.parts:
                attachments.append(hashlib.sha256(plain).hexdigest())
    print(json.dumps({"words": sorted(words), "users": sorted(users), "rows": rows, "files": files, "attachments": sorted(attachments)}))


if __name__ == "__main__":
    main()
