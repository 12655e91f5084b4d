#!/usr/bin/env python3
"""Checks an export of Lifeline's audit trail, with nothing but Python 3.8 or newer and its standard library.

    python3 verify.py FILE.ndjson|BUNDLE.zip [--key KEY]

KEY is the public key as `lifeline audit key` prints it, or a file with such keys, one a line; get it by another road than the
export. Without it the export's own key is used, which shows that the export is whole, not who made it.
Ends with 0 and one line, or with 1 and what is wrong first. Needs as much memory as the longest line.

Every record's bytes are a leaf of a Merkle tree (RFC 9162, SHA-256). The leaves that an export leaves out are there as hashes
of whole subtrees, so that the root can be computed; a signed note (C2SP, Ed25519) says what it has to be.
"""
import base64, hashlib, json, re, sys, zipfile

LINE_BYTES_MAX = 64 << 20
RECORD = re.compile(rb'(\{"seq":([1-9][0-9]{0,18}),.*),"leaf_hash":"([0-9a-f]{64})"(?:,"before":(\["[0-9a-f",]+"\]))?\}\n')
CHECKPOINT = re.compile(r'(\S+)\n(0|[1-9][0-9]*)\n(\S+)\ntime (\S+)\n(?:previous [0-9]+ \S+\n)?')


class Bad(Exception):
    """What is wrong."""


def need(holds, what):
    if not holds:
        raise Bad(what)


def sha256(data):
    return hashlib.sha256(data).digest()


def read_hashes(text, where):
    """Hashes as JSON, in the one form they have: no blanks, lower case."""
    found = json.loads(text)
    need(json.dumps(found, separators=(',', ':')).encode() == text, where + 'hashes in another than the one form')
    need(all(re.fullmatch('[0-9a-f]{64}', it) for it in found), where + 'hashes in another than the one form')
    return [bytes.fromhex(it) for it in found]


def read_base64(text):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, 'base64 in another than the one form')
    return data


# Ed25519, RFC 8032 section 5.1, with the formulas of its section 6.
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(times, point):
    total = (0, 1, 1, 0)
    for bit in bin(times)[2:]:
        total = add(total, total)
        total = add(total, point) if bit == '1' else total
    return total


def point_of(data):
    y, sign = int.from_bytes(data, 'little') & (1 << 255) - 1, data[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    need(y < P and x * x % P == square and (x or not sign), 'the public key is no point of the curve')
    x = x if x & 1 == sign else P - x
    return x, y, 1, x * y % P


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, 'little'))


def is_signed(public, message, signature):
    (x, y, _, xy), s = point_of(public), int.from_bytes(signature[32:], 'little')
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), 'little') % ORDER
    x, y, z, _ = add(multiply(s, BASE), multiply(h, (P - x, y, 1, P - xy)))
    z = pow(z, P - 2, P)
    r = (y * z % P | (x * z % P & 1) << 255).to_bytes(32, 'little')
    return s < ORDER and len(signature) == 64 and r == signature[:32]


class Key:
    """A public key as text: NAME+ID+BASE64."""

    def __init__(self, text):
        self.text, (self.name, id, data) = text, text.split('+', 2)
        data = read_base64(data)
        self.public, self.id = data[1:], sha256(self.name.encode() + b'\n' + data)[:4]
        need(len(data) == 33 and data[0] == 1 and self.id.hex() == id, 'this is no public key: ' + text)

    def open(self, note, what):
        """The text of a note that this key signed, and no other."""
        text, _, signature = note.rpartition('\n\n')
        parts = re.fullmatch('\u2014 (\\S+) (\\S+)\n', signature)
        need(parts and parts[1] == self.name, '%s is not signed by %s alone' % (what, self.name))
        signature = read_base64(parts[2])
        need(signature[:4] == self.id, '%s is signed by another key: %s' % (what, signature[:4].hex()))
        need(is_signed(self.public, (text + '\n').encode(), signature[4:]), 'the signature of %s is wrong' % what)
        return text + '\n'


class Tree:
    """The full subtrees over the leaves so far, the largest first."""

    def __init__(self):
        self.size, self.nodes = 0, []

    def append(self, level, digest):
        self.size += 1 << level
        while self.nodes and self.nodes[-1][0] == level:
            level, digest = level + 1, sha256(b'\1' + self.nodes.pop()[1] + digest)
        self.nodes.append((level, digest))

    def skip(self, end, hashes, where):
        """Appends the subtrees that stand for the leaves up to `end`: as large as possible, each at its place."""
        for digest in hashes:
            need(self.size < end, where + 'more hashes than records are left out')
            aligned = (self.size & -self.size).bit_length() - 1 if self.size else 64
            self.append(min(aligned, (end - self.size).bit_length() - 1), digest)
        need(self.size == end, where + 'records %d to %d are missing' % (self.size + 1, end))

    def root(self):
        digest = self.nodes[-1][1] if self.nodes else sha256(b'')
        for _, left in reversed(self.nodes[:-1]):
            digest = sha256(b'\1' + left + digest)
        return digest


def check_records(stream, keys):
    """Reads an NDJSON export to its end; gives its manifest, its key, and the hash of all of it."""
    tree, whole, records, first, seq = Tree(), hashlib.sha256(), 0, None, None
    line = stream.readline(LINE_BYTES_MAX)
    while not line.startswith(b'{"manifest":'):
        match = RECORD.fullmatch(line)
        need(match, 'line %d, behind record %s: this is %s' % (
            records + 1, seq, 'no record in the one form they have' if line else 'the end, but not of an export'))
        seq, where, leaf = int(match[2]), 'record %s: ' % match[2].decode(), sha256(b'\0' + match[1] + b'}')
        need(leaf.hex().encode() == match[3], where + 'its bytes are not those of its hash')
        need(seq > tree.size, where + 'it comes behind record %d' % tree.size)
        tree.skip(seq - 1, read_hashes(match[4], where) if match[4] else [], where)
        tree.append(0, leaf)
        whole.update(line)
        records, first, line = records + 1, first or seq, stream.readline(LINE_BYTES_MAX)
    end, last = json.loads(line), tree.size
    again = json.dumps(end, separators=(',', ':'), ensure_ascii=False).encode() + b'\n'
    need(again == line and list(end) == ['manifest', 'checkpoint', 'public_key', 'after', 'pruned']
         and not stream.read(1), 'the last line is not in the one form it has, or not the last')
    key = Key(end['public_key'])
    need(not keys or key.text in keys, 'made with another key than the given one: ' + key.text)
    manifest = read_manifest(key, end['manifest'])
    match = CHECKPOINT.fullmatch(key.open(end['checkpoint'], 'the checkpoint'))
    need(match and match[1] == key.name, 'the checkpoint is not of this log')
    size, root = int(match[2]), read_base64(match[3])
    need(last <= size, 'record %d: the checkpoint ends at %d' % (last, size))
    tree.skip(size, read_hashes(json.dumps(end['after'], separators=(',', ':')).encode(), 'the end: '), 'the end: ')
    told = {'origin': key.name, 'log': key.name.rpartition('/')[2], 'format': 'ndjson', 'tree_size': size,
            'root_hash': root.hex(), 'records': records, 'first_seq': first, 'last_seq': seq,
            'sha256': whole.hexdigest(), 'made_at': match[4], 'key_id': key.id.hex(),
            'pruned_sha256': sha256(json.dumps(end['pruned'], separators=(',', ':'), ensure_ascii=False).encode()).hex()}
    wrong = [name for name in told if manifest.get(name, '') != told[name]]
    need(not wrong, 'the manifest says otherwise: ' + ', '.join(wrong))
    need(tree.root() == root, 'a record or a hash was changed: the tree over them is not that of the checkpoint')
    if not manifest['filter'] and not manifest['from'] and not manifest['to']:
        pruned = sum(min(it['last'], size) - it['first'] + 1 for it in end['pruned'] if it['first'] <= size)
        need(records + pruned == size, 'records are left out that no filter and no retention explains')
    whole.update(line)
    return manifest, key, whole.hexdigest()


def read_manifest(key, note):
    head, _, text = key.open(note, 'the manifest').partition('\n')
    need(head == 'lifeline audit manifest v1', 'a manifest of another version')
    return json.loads(text)


def check_bundle(path, keys):
    """Reads a bundle: its records, its other files by their hashes, and the seal over the archive's own bytes."""
    with zipfile.ZipFile(path) as bundle, open(path, 'rb') as archive:
        names = bundle.namelist()
        need(len(set(names)) == len(names), 'a file is in the bundle twice')
        need({'records.ndjson', 'manifest.txt'} <= set(names), 'the bundle has no records.ndjson or no manifest.txt')
        with bundle.open('records.ndjson') as stream:
            manifest, key, digest = check_records(stream, keys)
        told = read_manifest(key, bundle.read('manifest.txt').decode())
        for name in sorted(set(names) | set(told['files'])):
            need(name in names, name + ' is missing')
            if name != 'manifest.txt':
                found = digest if name == 'records.ndjson' else digest_of(bundle.open(name))
                need(told['files'].get(name) == found, name + ' was changed, or is not of this bundle')
        wrong = [name for name in manifest if name not in ('format', 'sha256') and told.get(name) != manifest[name]]
        need(not wrong and told['format'] == 'zip', 'the manifest is not of these records: ' + ', '.join(wrong))
        seal = key.open(bundle.comment.decode(), 'the seal')
        sealed = digest_of(archive, archive.seek(0, 2) - len(bundle.comment))
        need(seal == 'lifeline audit bundle v1\n%s\n' % sealed, 'the archive was changed, though no file in it')
    return manifest, key


def digest_of(stream, size=1 << 62):
    digest = hashlib.sha256()
    stream.seek(0)
    while block := stream.read(min(size, 1 << 16)):
        size -= len(block)
        digest.update(block)
    return digest.hexdigest()


def check(path, keys=()):
    """Checks a file; gives the line that says what is shown, or raises `Bad` with what is wrong first."""
    try:
        with open(path, 'rb') as stream:
            if stream.peek(2)[:2] == b'PK':
                manifest, key = check_bundle(path, keys)
            else:
                manifest, key, _ = check_records(stream, keys)
    except Bad:
        raise
    except Exception as error:  # Whatever it is, this is no export.
        raise Bad('it cannot be read: %s: %s' % (type(error).__name__, error)) from error
    return '%d of %d records of %s, signed %s; %s' % (
        manifest['records'], manifest['tree_size'], key.name, manifest['made_at'],
        'key as given' if keys else 'key not pinned, fingerprint ' + '-'.join(
            re.findall('....', hashlib.sha256(key.text.encode()).hexdigest()[:32])))


def main(words):
    if len(words) == 3 and words[1] == '--key':
        text = words[2] if re.fullmatch(r'\S+\+[0-9a-f]{8}\+\S+', words[2]) else open(words[2]).read()
        keys = {Key(line).text for line in text.split()}
        need(keys, 'there is no key in ' + words[2])
    elif len(words) != 1 or words[0].startswith('-'):
        sys.exit(__doc__)
    print('OK: ' + check(words[0], keys if len(words) == 3 else ()))


if __name__ == '__main__':
    try:
        main(sys.argv[1:])
    except (Bad, OSError, ValueError) as error:
        sys.exit('WRONG: %s' % error)
