"""Makes hostile events, and checks how others read the exports of the audit trail and of events. Called by .ci/audit-interop."""
import csv
import datetime
import json
import re
import sys
import zipfile
from pathlib import Path

HOSTILE = [
    '=HYPERLINK("http://example.com","click")', "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1", "a,b", 'say "yes"', "line\nbreak",
    "line\r\nbreak", "日本語 – Größe 🦦", "</script><script>alert(1)</script>", "\u202egnp.exe", "'=1+1", "\x1b[31mred", ";=1+1", "", " ",
    "x" * 40000, "=cmd|' /C calc'!A0", "\ufeffbom", "1e5", "00012", "2026-01-01", "TRUE", "\uff1d1+1",
]


def make(path):
    with open(path, "w", encoding="utf-8") as out:
        for number, text in enumerate(HOSTILE):
            for place in ("userId", "primaryResourceId", "value", "member"):
                data = {"userId": f"user_{number}", "interactionMethod": "WEB_UI", "action": "EDIT", "primaryResourceType": "CONNECTION",
                        "primaryResourceId": f"connection_{number}", "oldValues": {"note": None}, "newValues": {"note": number}}
                if place == "value":
                    data["newValues"] = {"note": text}
                elif place == "member":
                    data["newValues"] = {text: number}
                elif text:
                    data[place] = text
                event = {"event": "edit_connection", "created": f"2026-07-07T10:{number:02}:{len(place):02}.123456Z", "data": data}
                out.write(json.dumps(event, ensure_ascii=False) + "\n")


def need(holds, what):
    if not holds:
        sys.exit("FAILED: " + what)


COLUMNS = ("seq,at,actor,actor_kind,method,action,use_case,event,primary_type,primary_id,secondary_type,secondary_id,changes,event_id,"
           "leaf_hash").split(",")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def records(path):
    lines = path.read_text(encoding="utf-8").split("\n")
    need(lines[-1] == "", f"{path.name} does not end with a new line")
    return [json.loads(line) for line in lines[:-2]]


def cells(record):
    """What the columns of the table say, before formulas are made inert; changes apart."""
    primary, secondary = record["primary_resource"] or {}, record["secondary_resource"] or {}
    return {
        "seq": str(record["seq"]), "at": record["at"], "actor": record["actor"]["id"], "actor_kind": record["actor"]["kind"],
        "method": record["method"], "action": record["action"], "use_case": record["use_case"], "event": record["event"],
        "primary_type": primary.get("type"), "primary_id": primary.get("id"), "secondary_type": secondary.get("type"),
        "secondary_id": secondary.get("id"), "event_id": record["event_id"], "leaf_hash": record["leaf_hash"],
    }


def inert(text):
    """An apostrophe where a formula would begin, also behind what separates cells in other dialects."""
    inside = re.sub(r"([;\t\r\n])(?=[ \"\u00a0]*[=+\-@＝＋－＠])", r"\1'", text)
    return "'" + inside if text.startswith(FORMULA) else inside


def check_csv(folder, log):
    path = folder / f"{log}.csv"
    raw = path.read_bytes()
    need(b"\n" not in re.sub(rb'"(?:[^"]|"")*"', b"", raw).replace(b"\r\n", b""), f"{log}.csv: lines end with CRLF")
    with open(path, newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream, strict=True))
    need(rows[0] == COLUMNS, f"{log}.csv: other columns: {rows[0]}")
    found = records(folder / f"{log}.ndjson") if log == "trail" else None
    if found is not None:
        need(len(rows) - 1 == len(found), f"{log}.csv: {len(rows) - 1} rows for {len(found)} records")
        for row, record in zip(rows[1:], found):
            row = dict(zip(COLUMNS, row))
            for name, text in cells(record).items():
                need(row[name] == inert(text or ""), f"{log}.csv: record {record['seq']}: {name} is {row[name]!r}, not {text!r}")
            need(json.loads(row["changes"]) == record["changes"], f"{log}.csv: record {record['seq']}: other changes")
    for row in rows[1:]:
        need(not any(cell.startswith(FORMULA) for cell in row), f"{log}.csv: a cell that a spreadsheet runs: {row}")
    print(f"CSV: {len(rows) - 1} records of the log {log} in Python, no cell is a formula")
    return rows


def check_office(folder, rows):
    book = folder / "office" / "trail.ods"
    if not (folder / "office").exists():
        return
    need(book.exists(), "LibreOffice made no table of trail.csv")
    import xml.etree.ElementTree as tree
    names = {"table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0", "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
             "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0"}
    key = {prefix: "{" + uri + "}" for prefix, uri in names.items()}
    content = tree.fromstring(zipfile.ZipFile(book).read("content.xml"))
    formulas = [cell for cell in content.iter(key["table"] + "table-cell") if key["table"] + "formula" in cell.attrib]
    need(not formulas, f"LibreOffice sees {len(formulas)} formulas in trail.csv")
    found = []
    for row in content.iter(key["table"] + "table-row"):
        line = []
        for cell in row.findall("table:table-cell", names):
            text = "\n".join("".join(told(part, key)) for part in cell.findall("text:p", names))
            line += [text] * min(int(cell.get(key["table"] + "number-columns-repeated", 1)), 64)
        found += [line] * min(int(row.get(key["table"] + "number-rows-repeated", 1)), 2)
    found = [line for line in found if any(line)]
    need(len(found) == len(rows), f"LibreOffice sees {len(found)} rows, there are {len(rows)}")
    hashes = [line[COLUMNS.index("leaf_hash")] for line in found]
    need(hashes == [row[-1] for row in rows], "LibreOffice sees other cells in the last column: a row was torn")
    for column in ("actor", "primary_id"):
        at = COLUMNS.index(column)
        for seen, row in zip(found[1:], rows[1:]):
            same = plain(seen[at]) == plain(row[at])
            number = re.fullmatch(r"[0-9eE.+-]+|TRUE|[0-9-]{10}", row[at])
            need(same or number, f"LibreOffice shows {seen[at]!r} for {row[at]!r}")
    print(f"CSV: {len(found) - 1} records in LibreOffice, none torn, no formula")


def told(part, key):
    """The text of a paragraph, with the blanks and tabs that stand in it as elements."""
    yield part.text or ""
    for child in part:
        if child.tag == key["text"] + "s":
            yield " " * int(child.get(key["text"] + "c", 1))
        elif child.tag == key["text"] + "tab":
            yield "\t"
        else:
            yield from told(child, key)
        yield child.tail or ""


def plain(text):
    """Without what no cell can hold: control characters, and how lines end."""
    return re.sub(r"[\x00-\x08\x0b-\x1f]|\s|\ufeff", "", text)[:30000]


def check_parquet(folder):
    try:
        import duckdb
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        print("SKIPPED: pyarrow or duckdb is not there; Parquet is not read by others here")
        return
    path = folder / "trail.parquet"
    table, found = pq.read_table(path), records(folder / "trail.ndjson")
    need(table.schema.field("seq").type == pa.int64(), f"seq is {table.schema.field('seq').type}")
    need(table.schema.field("at").type == pa.timestamp("us", tz="UTC"), f"at is {table.schema.field('at').type}")
    for name in COLUMNS:
        need(name in table.schema.names, f"trail.parquet has no column {name}")
        if name not in ("seq", "at", "changes"):
            need(table.schema.field(name).type == pa.string(), f"{name} is {table.schema.field(name).type}")
    rows = table.to_pylist()
    need(len(rows) == len(found), f"trail.parquet: {len(rows)} rows for {len(found)} records")
    for row, record in zip(rows, found):
        for name, text in cells(record).items():
            value = row["at_text"] if name == "at" else row[name]
            need((None if value is None else str(value)) == text, f"trail.parquet: record {record['seq']}: {name} is {value!r}, not {text!r}")
        need(json.loads(row["changes"]) == record["changes"], f"trail.parquet: record {record['seq']}: other changes")
        at = datetime.datetime.fromisoformat(record["at"].replace("Z", "+00:00"))
        need(row["at"] == at, f"trail.parquet: record {record['seq']}: at is {row['at']}, not {record['at']}")
    types = {name: kind for name, kind, *_ in duckdb.sql(f"describe select * from '{path}'").fetchall()}
    need(types["seq"] == "BIGINT" and types["at"] == "TIMESTAMP WITH TIME ZONE", f"DuckDB sees {types}")
    need(all(types[name] == "VARCHAR" for name in ("actor", "action", "leaf_hash")), f"DuckDB sees {types}")
    count, edits = duckdb.sql(f"select count(*), count(*) filter (where action = 'EDIT') from '{path}'").fetchall()[0]
    need((count, edits) == (len(found), sum(r["action"] == "EDIT" for r in found)), "DuckDB counts otherwise")
    at = datetime.datetime(2026, 7, 7, 10, 0, 5, 123456, tzinfo=datetime.timezone.utc)
    micros = int(at.timestamp()) * 1_000_000 + 123456
    one = duckdb.sql(f"select count(*) from '{path}' where epoch_us(\"at\") = {micros}").fetchall()[0][0]
    need(one == 1, f"DuckDB finds {one} records at {at}")
    print(f"Parquet: {count} records in pyarrow and DuckDB, types and values right")


EVENT_TEXTS = ("id source event family level connection_id connection_name connector_type sync_id exception_id destination".split())


def check_events(folder):
    try:
        import duckdb
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return
    path = folder / "events.parquet"
    found = [json.loads(line) for line in (folder / "events.ndjson").read_text(encoding="utf-8").split("\n")[:-1]]
    table = pq.read_table(path)
    for name in ("created", "received"):
        need(table.schema.field(name).type == pa.timestamp("us", tz="UTC"), f"{name} is {table.schema.field(name).type}")
    need(table.schema.field("deliveries").type == pa.int32(), f"deliveries is {table.schema.field('deliveries').type}")
    for name in (*EVENT_TEXTS, "created_text", "data", "validation", "protocol", "token", "raw"):
        need(table.schema.field(name).type == pa.string(), f"{name} is {table.schema.field(name).type}")
    rows = table.to_pylist()
    need(len(rows) == len(found), f"events.parquet: {len(rows)} rows for {len(found)} events")
    for row, event in zip(rows, found):
        where = f"events.parquet: event {event['id']}: "
        for name in EVENT_TEXTS:
            need(row[name] == event[name], where + f"{name} is {row[name]!r}, not {event[name]!r}")
        need((row["created_text"], row["validation"]) == (event["created"], event["validation"]["status"]), where + "created or validation")
        need((row["protocol"], row["token"]) == (event["delivery"]["protocol"], event["delivery"]["token"]), where + "another delivery")
        need(row["deliveries"] == event["deliveries"], where + "deliveries")
        data = None if row["data"] is None else json.loads(row["data"])
        need(data == event["data"], where + f"data is {row['data']!r}")
        need(row["raw"] and "\0" not in row["raw"], where + "no raw text")
        created, received = (datetime.datetime.fromisoformat(event[name].replace("Z", "+00:00")) for name in ("created", "received"))
        need(row["created"] == created, where + f"created is {row['created']}")
        need(datetime.timedelta(0) <= row["received"] - received < datetime.timedelta(milliseconds=1), where + f"received is {row['received']}")
    types = {name: kind for name, kind, *_ in duckdb.sql(f"describe select * from '{path}'").fetchall()}
    need(types["created"] == types["received"] == "TIMESTAMP WITH TIME ZONE", f"DuckDB sees {types}")
    need(types["deliveries"] == "INTEGER" and types["data"] == types["raw"] == "VARCHAR", f"DuckDB sees {types}")
    micros = int(datetime.datetime(2026, 7, 7, 10, 0, 5, tzinfo=datetime.timezone.utc).timestamp()) * 1_000_000 + 123456
    counts = duckdb.sql(f"select count(*), sum(deliveries), count(*) filter (where epoch_us(created) = {micros}) from '{path}'").fetchall()[0]
    need(counts == (len(found), sum(event["deliveries"] for event in found), 1), f"DuckDB counts {counts}")
    print(f"Parquet: {len(found)} events in pyarrow and DuckDB, types and values right")


# Required attributes of the schema's classes and objects, beside those of every event.
# Source: ocsf/ocsf-schema, events/ and objects/, versions 1.0 to 1.8, read 2026-11.
EVERY = ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"]
CLASSES = {
    3001: (range(0, 13), ["user"], []),
    3002: (range(0, 8), ["user"], [["service", "dst_endpoint"]]),
    3004: (range(0, 14), ["entity"], []),
    3005: (range(0, 5), ["user", "privileges"], []),
    3006: (range(0, 7), ["group"], []),
    6003: (range(0, 5), ["actor", "api", "src_endpoint"], []),
}
ONE_OF = {
    "user": ["account", "domain", "email_addr", "name", "type", "type_id", "uid", "uid_alt"], "entity": ["name", "uid"], "group": ["name", "uid", "desc", "type", "domain"],
    "actor": ["process", "user", "invoked_by", "session", "application", "app_name", "app_uid", "iam_role"],
    "src_endpoint": ["ip", "uid", "name", "hostname", "svc_name", "instance_uid", "interface_uid", "interface_name", "domain"],
}


def check_ocsf(folder, log):
    found = [json.loads(line) for line in (folder / f"{log}.ocsf").read_text(encoding="utf-8").splitlines()]
    seen = set()
    for event in found:
        where = f"{log}.ocsf: record {event.get('metadata', {}).get('sequence')}: "
        for name in EVERY:
            need(event.get(name) is not None, where + f"{name} is missing")
        kind = event["class_uid"]
        seen.add(kind)
        need(kind in CLASSES, where + f"class {kind} is not known here")
        activities, required, groups = CLASSES[kind]
        need(event["activity_id"] in activities or event["activity_id"] == 99, where + f"activity {event['activity_id']}")
        need(event["activity_id"] != 99 or event.get("activity_name"), where + "another activity without its name")
        for name in required:
            need(event.get(name) not in (None, {}, []), where + f"class {kind} needs {name}")
        for group in groups:
            need(any(event.get(name) for name in group), where + f"class {kind} needs one of {group}")
        for name, any_of in ONE_OF.items():
            if name in event:
                need(any(event[name].get(it) is not None for it in any_of), where + f"{name} says nothing: {event[name]}")
        need(event["category_uid"] == kind // 1000, where + "another category")
        need(event["type_uid"] == kind * 100 + event["activity_id"], where + f"type {event['type_uid']}")
        need(isinstance(event["time"], int) and event["time"] > 10**12, where + f"time is {event['time']}, not milliseconds")
        need(event["severity_id"] in (0, 1, 2, 3, 4, 5, 6, 99), where + "severity")
        metadata = event["metadata"]
        need(re.fullmatch(r"1\.\d+\.\d+", metadata.get("version", "")), where + "metadata.version")
        need(metadata.get("product", {}).get("name") or metadata.get("product", {}).get("vendor_name"), where + "metadata.product")
        if "api" in event:
            need(event["api"].get("operation"), where + "api.operation is missing")
    if log == "trail":
        need(len(found) == len(records(folder / "trail.ndjson")), "trail.ocsf has another number of records")
        need(len(seen) >= 3, f"the trail is of the classes {sorted(seen)} only")
    print(f"OCSF: {len(found)} events of the log {log}, classes {sorted(seen)}, every required attribute there")


def check_bundle(folder):
    with zipfile.ZipFile(folder / "trail.zip") as bundle:
        need(bundle.testzip() is None, "trail.zip does not unpack")
        manifest = json.loads(bundle.read("manifest.txt").decode().split("\n")[1])
        need(bundle.read("records.ndjson").count(b"\n") == manifest["records"] + 1, "trail.zip: another number of records")
        names = set(bundle.namelist())
        need(names == set(manifest["files"]) | {"manifest.txt"}, f"trail.zip holds {names}")
        need((folder / "trail.csv").read_bytes() == bundle.read("records.csv"), "records.csv in the bundle is not the CSV")
    whole = json.loads((folder / "trail.json").read_text(encoding="utf-8"))
    need(len(whole["data"]) == manifest["records"], "trail.json has another number of records")
    print(f"bundle: {len(names)} files, as the manifest says")


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        csv.field_size_limit(1 << 30)
        place = Path(sys.argv[2])
        trail = check_csv(place, "trail")
        check_csv(place, "access")
        check_office(place, trail)
        check_parquet(place)
        check_events(place)
        check_ocsf(place, "trail")
        check_ocsf(place, "access")
        check_bundle(place)
