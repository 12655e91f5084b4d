#!/usr/bin/env python3
"""Checks the hash tree of an audit export (records.ndjson). Python 3, standard library only.

This version checks every record, the tree and the size and root in the checkpoint's text. It does not check signatures.
"""
import base64, hashlib, json, sys


def main(path):
    stack, leaves, last = [], 0, None  # stack: (level, hash) of full subtrees, left to right

    def push(level, digest):
        nonlocal leaves
        leaves += 1 << level
        while stack and stack[-1][0] == level:
            digest = hashlib.sha256(b"\x01" + stack.pop()[1] + digest).digest()
            level += 1
        stack.append((level, digest))

    def skip(hashes, until):
        for text in hashes:
            level = min((leaves & -leaves).bit_length() - 1 if leaves else 62, (until - leaves).bit_length() - 1)
            push(level, bytes.fromhex(text))

    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            entry = json.loads(line)
            if "manifest" in entry:
                last = entry
                continue
            seq, at = entry["seq"], line.rfind(b',"leaf_hash":"')
            skip(entry.get("before", []), seq - 1)
            digest = hashlib.sha256(b"\x00" + line[:at] + b"}").digest()
            if last is not None or leaves != seq - 1 or digest.hex() != entry["leaf_hash"]:
                sys.exit(f"record {seq}: does not fit (line {number})")
            push(0, digest)
    if last is None:
        sys.exit("the last line is missing")
    lines = last["checkpoint"].split("\n")
    size, root = int(lines[1]), base64.b64decode(lines[2])
    skip(last["after"], size)
    digest = hashlib.sha256(b"").digest() if not stack else stack.pop()[1]
    while stack:
        digest = hashlib.sha256(b"\x01" + stack.pop()[1] + digest).digest()
    if leaves != size or digest != root:
        sys.exit("the tree is not the one of the checkpoint")
    print(f"ok: tree of {size} records; signatures were not checked")


if __name__ == "__main__":
    main(sys.argv[1])
