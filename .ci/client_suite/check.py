"""Asks the server what became of the events: check.py DELIVERIES; or whether it takes events at a path: check.py serves PATH.

Every event has to be stored once, delivered as often as there are clients, valid, with the level that belongs to it; nothing may be in
quarantine. Settings come from the environment: HOST, PORT, READ, CA, EVENTS.
"""

import json
import os
import ssl
import sys
import urllib.request

HOST, PORT, READ, CA = (os.environ[name] for name in ("HOST", "PORT", "READ", "CA"))
LEVELS = {"warning": "WARNING", "connection_failure": "SEVERE"}


def get(path):
    request = urllib.request.Request(f"https://{HOST}:{PORT}{path}", headers={"Authorization": f"Bearer {READ}"})
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=CA), timeout=30) as answer:
        return json.load(answer)


if sys.argv[1] == "serves":
    sys.exit("post" not in get("/openapi.json")["paths"].get(sys.argv[2], {}))

EXPECTED = int(sys.argv[1])
wrong = []
stored = get("/v1/events?order=asc&limit=1000")["data"]
sent = [json.loads(line) for line in open(os.environ["EVENTS"], encoding="utf-8")]
if [event["event"] for event in stored] != [event["event"] for event in sent]:
    wrong.append(f"stored are {[(event['event'], event['created'], event['delivery']) for event in stored]}")
else:
    for was, now in zip(sent, stored):
        found = {
            "created": now["created"],
            "connection_id": now["connection_id"],
            "sync_id": now["sync_id"],
            "data": now["data"],
            "level": now["level"],
            "deliveries": now["deliveries"],
            "validation": now["validation"]["status"],
        }
        expected = {
            "created": was["created"],
            "connection_id": was["connection_id"],
            "sync_id": was.get("sync_id"),
            "data": was.get("data"),
            "level": LEVELS.get(was["event"], "INFO"),
            "deliveries": EXPECTED,
            "validation": "valid",
        }
        for name in expected:
            if found[name] != expected[name]:
                wrong.append(f"{was['event']}: {name} is {found[name]!r}, expected {expected[name]!r}")
for item in get("/v1/quarantine")["data"]:
    wrong.append(f"in quarantine: {json.dumps(item)[:400]}")
for line in wrong:
    print(f"  {line}", file=sys.stderr)
sys.exit(1 if wrong else 0)
