#!/usr/bin/env python3
"""Verify an exported record bundle with this one file: standard library and `cryptography`.

It shares no line with the program that wrote the bundle, so each checks the other. Trust comes from
what is given by hand alone. Read it downwards, with docs/auditing.md and docs/reference/bundle.md.
Exit codes: 0 proved, 1 not, 2 wrong usage."""

import argparse, base64, bisect, functools, hashlib, json, re, sys, zipfile
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

class Bad(Exception): """What is wrong, as a stable word."""
WRONG = Bad, InvalidSignature, LookupError, TypeError, ValueError, AttributeError, RecursionError
def need(holds, reason):
    if not holds: raise Bad(reason)
def reason_of(error, otherwise):
    if isinstance(error, InvalidSignature): return "bad-signature"
    return error.args[0] if isinstance(error, Bad) else otherwise

# 1 Encodings: one way to write JSON and bytes; instants become POSIX milliseconds.
def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
def unb64(text, *, url=True):
    """Return the bytes of base64url without padding (else plain); a second spelling is refused."""
    raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_" if url else b"+/")
    again = base64.b64encode(raw, b"-_" if url else b"+/").decode()
    if (again.rstrip("=") if url else again) != text: raise ValueError("a second spelling")
    return raw
def hashes(raw):
    need(len(raw) % 32 == 0, "bad-bundle")
    return [raw[at : at + 32] for at in range(0, len(raw), 32)]
def moment(text):
    at = datetime.fromisoformat(text)
    if at.isoformat(timespec="milliseconds") != text.removesuffix("Z") + "+00:00":
        raise ValueError("no instant as it must be written")
    return round(at.timestamp() * 1000)
def frames(raw, index_bytes, length_bytes):
    """Yield (index, bytes) of all that is written after its length, as far as it is whole."""
    at, head = 0, index_bytes + length_bytes
    while at + head <= len(raw):
        index, start = int.from_bytes(raw[at : at + index_bytes], "big"), at + head
        at = start + int.from_bytes(raw[start - length_bytes : start], "big")
        if at <= len(raw): yield index, raw[start:at]

# 2 The tree (RFC 6962 §2.1). `peaks` are its complete subtrees, largest first.
def sha256(*parts): return hashlib.sha256(b"".join(parts)).digest()
def add_leaf(peaks, size, leaf):
    while size & 1: leaf, size = sha256(b"\1", peaks.pop(), leaf), size >> 1
    peaks.append(leaf)
def root_of(peaks):
    return functools.reduce(lambda low, top: sha256(b"\1", top, low), (peaks or [sha256()])[::-1])
def audited_root(size, index, leaf, path):
    """Return the root that an audit path, leaf to root, leads to (§2.1.1); it is used up."""
    if size == 1: return leaf
    half, other = 1 << (size - 1).bit_length() - 1, path.pop()
    if index < half: return sha256(b"\1", audited_root(half, index, leaf, path), other)
    return sha256(b"\1", other, audited_root(size - half, index - half, leaf, path))
def both_roots(old, new, old_root, new_root, proof):
    """Return the two roots that a consistency proof leads to (§2.1.2); it is used up, too."""
    if not old: return sha256(), new_root
    if old == new: return (old_root or proof.pop(),) * 2
    half, other = 1 << (new - 1).bit_length() - 1, proof.pop()
    if old <= half:
        before, after = both_roots(old, half, old_root, None, proof)
        return before, sha256(b"\1", after, other)
    before, after = both_roots(old - half, new - half, None, None, proof)
    return sha256(b"\1", other, before), sha256(b"\1", other, after)

# 3 Checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature).
NAME, BASE64 = "[!-*,-~]{1,255}", "[A-Za-z0-9+/]+={0,2}"
NOTE = re.compile(f"(({NAME})\n(0|[1-9][0-9]{{0,18}})\n({BASE64})\n)\n((?:— {NAME} {BASE64}\n)+)")
class Note:
    """A checkpoint as written; `verify` says whether it was signed."""
    def __init__(self, text):
        parts = NOTE.fullmatch(text)
        need(parts and len(text.encode()) <= 65_536, "bad-note")
        self.text, self.origin, self.root = parts[1].encode(), parts[2], unb64(parts[4], url=False)
        lines = [line.split(" ") for line in parts[5].split("\n")[:-1]]
        self.lines = [(name, unb64(blob, url=False)) for _, name, blob in lines]
        self.size, longer = int(parts[3]), all(len(raw) > 4 for _, raw in self.lines)
        need(self.size < 2**63 and len(self.root) == 32 and longer, "bad-note")
    def signature(self, name, kind, key=None):
        """Return the one signature of this name and key, else of this kind (64 or 2,428 bytes)."""
        key_id = sha256(name.encode(), b"\n", b"\6" if kind == 2428 else b"\1", key or b"")[:4]
        found = [raw[4:] for who, raw in self.lines
                 if who == name and (raw[:4] == key_id if key else len(raw) == kind + 4)]
        need(len(found) == 1, "log-line-twice" if found else "log-line-missing")
        need(len(found[0]) == kind, "bad-signature")
        return found[0]
    def cosigned(self, name, key_at):
        """Return the POSIX second at which this name signed, by its key of that time."""
        second = int.from_bytes(self.signature(name, 2428)[:8], "big")
        line = self.signature(name, 2428, key := key_at(second))
        who, origin = name.encode(), self.origin.encode()
        said = bytes([len(who)]) + who + line[:8] + bytes([len(origin)]) + origin
        tree = bytes(8) + self.size.to_bytes(8, "big") + self.root
        MLDSA44PublicKey.from_public_bytes(key).verify(line[8:], b"subtree/v1\n\0" + said + tree)
        return second
    def verify(self, directory, name, slot, witnesses=()):
        """Return self if both lines of its log stand, and every line of a known witness."""
        origin = f"{directory.network}/{name}/log/{slot}"
        second = int.from_bytes(self.signature(self.origin, 2428)[:8], "big")
        key, mldsa44, _ = directory.keys_at(name, second)
        need(self.origin == origin, "wrong-origin")
        Ed25519PublicKey.from_public_bytes(key).verify(self.signature(origin, 64, key), self.text)
        self.second = self.cosigned(origin, lambda _: mldsa44)
        try:
            present = {who for who, _ in self.lines}.intersection(witnesses)
            self.cosigned_at = [self.cosigned(who, witnesses[who]) for who in present]
        except WRONG: raise Bad("bad-cosignature") from None
        return self

# 4 The directory: signed by a key that the root vouches for; key sets in chains of their own.
def digest(signed): return sha256(canonical(signed)).hex()
def signed_part(document, kind, *keys):
    """Return `signed` if each of the keys signed it with both halves, and nobody else did."""
    signed = document["signed"]
    message = b"sekisho/" + kind.encode() + b"/v1\0" + canonical(signed)
    given = {(one["key_id"], one["alg"]): unb64(one["sig"]) for one in document["signatures"]}
    for key in keys:
        raw = unb64(key["ed25519"]), unb64(key["mldsa44"])
        key_id = hashlib.sha256(b"sekisho/document-key/v1\0" + b"".join(raw)).hexdigest()
        Ed25519PublicKey.from_public_bytes(raw[0]).verify(given.pop((key_id, "Ed25519")), message)
        MLDSA44PublicKey.from_public_bytes(raw[1]).verify(given.pop((key_id, "ML-DSA-44")), message)
    need(signed["type"] == kind and not given, "bad-directory")
    return signed
class Directory:
    """One version of the directory, verified down to the pinned root."""
    def __init__(self, document, pinned):
        root, listed = pinned, [one["signed"] for one in document["signed"]["roots"]]
        need(pinned in listed, "root-not-pinned")  # what stands before it is history
        for value in document["signed"]["roots"][listed.index(pinned) + 1 :]:
            newer = signed_part(value, "root", value["signed"]["key"], root["key"])
            linked = (newer["previous"], newer["version"]) == (digest(root), root["version"] + 1)
            need(linked and newer["key"] != root["key"], "bad-directory")
            root = newer
        key = signed_part(document["signed"]["directory_key"], "directory-key", root["key"])
        signed = signed_part(document, "directory", key["key"])
        issued, expires = moment(signed["issued"]), moment(signed["expires"])
        for one in (root, key):
            starts, ends = moment(one["not_before"]), moment(one["not_after"])
            ours = one["network"] == signed["network"] == pinned["network"]
            need(ours and starts <= issued < expires <= ends, "bad-directory")
        self.network, self.version, self.digest = one["network"], signed["version"], digest(signed)
        self.members = {member["name"]: member for member in signed["organisations"]}
        self.chains = {name: self.chain(name, one) for name, one in self.members.items()}
    def chain(self, name, member):
        """Return [from, until, digest, keys] of each key set, each signed by the one before."""
        sets, before = [[0, 0, 0]], None
        for document in member["key_sets"]:
            own = document["signed"]["organisation_key"]
            signers = [own] if before in (None, own) else [own, before]
            one, before = signed_part(document, "key-set", *signers), own
            its = one["version"], one.get("previous", 0), one["network"], one["organisation"]
            starts, ends, log = moment(one["not_before"]), moment(one["not_after"]), one["log"]
            follows = its == (len(sets), sets[-1][2], self.network, name) and sets[-1][0] <= starts
            need(follows and starts < ends, "bad-directory")
            keys = [unb64(key) for key in (log["ed25519"], log["mldsa44"], one["witness"])]
            sets.append([starts, ends, digest(one), keys])
        return sets[1:]
    def keys_at(self, name, second):
        """Return an organisation's Ed25519, ML-DSA-44 and witness key at a POSIX second."""
        begun = [one for one in self.chains.get(name, []) if one[0] <= second * 1000]
        need(begun and second * 1000 < begun[-1][1], "no-log-keys")
        return begun[-1][3]

# 5 Entries, and the private parts that were opened beside them.
def read_entry(raw):
    """Return a public part, which must be written in the one canonical way, and its instant."""
    entry = json.loads(raw.decode("utf-8"))
    common = {"id", "kind", "organisation", "private", "slot", "time", "v"}
    good = set(entry) >= common and all(type(one) in (str, int, dict) for one in entry.values())
    controls = re.search(rb'\\[^"\\]|\x7f', raw.replace(rb"\\", b""))
    need(good and entry["v"] == 1 and not controls, "bad-entry")
    need(canonical(entry) == raw, "not-canonical")
    return entry | {"at": moment(entry["time"])}
def opened(raw, plaintext):
    """Return an entry and what its private part says, which it must have committed to."""
    entry, part = read_entry(raw), json.loads(plaintext)
    committed = sha256(b"sekisho/private/v1\0", plaintext).hex()
    need(entry["private"] == committed and canonical(part) == plaintext, "private-mismatch")
    return entry, part
def need_included(note, index, raw, path):
    """Refuse an entry to which no audit path (hashes from leaf to root) leads in a note's tree."""
    root = audited_root(note.size, index, sha256(b"\0", raw), path := hashes(unb64(path)))
    need(root == note.root and not path and index < note.size, "not-included")
def check_receipt(receipt, part, peers, directory):
    """Check the answer in a receipt's private part: as its peer recorded and signed it."""
    answer, peer = read_entry(raw := unb64(part["answer"])), receipt["peer"]
    repeated = ("inquiry_leaf", "permit_id", "outcome", "payload")
    same = all(answer.get(one, receipt.get(one)) == receipt.get(one) for one in repeated)
    same &= (sha256(b"\0", raw).hex(), answer["organisation"]) == (receipt["answer_leaf"], peer)
    same &= answer.get("of", receipt["inquiry_leaf"]) == receipt["inquiry_leaf"]
    need(same, "receipt-mismatch")
    note = Note(peers[part["answer_checkpoint"]]).verify(directory, peer, answer["slot"])
    need_included(note, part["answer_index"], raw, part["answer_path"])

# 6 One slot: which notes are of this tree, and the first index at which it fails.
class Slot:
    """The files of one slot, and what is wrong with them as (index, reason)."""
    def __init__(self, number, files):
        name, about = f"slots/{number}", json.loads(files[f"slots/{number}.json"])
        self.first, self.number, self.faults = about["first"], number, []
        self.left, self.given = hashes(b"".join(map(unb64, about["left"]))), about["notes"]
        self.entries = [entry for _, entry in frames(files[f"{name}.entries"], 0, 2)]
        self.private = list(frames(private := files.get(f"{name}.private", b""), 8, 4))
        self.hashes = [sha256(b"\0", entry) for entry in self.entries]
        self.leaves = hashes(files[f"{name}.leaves"])
        self.end, erased = self.first + len(self.leaves), self.first and not self.entries
        good = about["slot"] == number and len(self.left) == self.first.bit_count()
        good &= sum(12 + len(part) for _, part in self.private) == len(private)
        need(good and (self.leaves or erased), "bad-bundle")
    def fault(self, index, reason): self.faults.append((index, reason))
    def verify(self, directory, name, period, witnesses, given):
        """Look for faults; set `proved`, and `cosigned`: the last (size, POSIX second)."""
        (_, ends), notes, foreign = period, [], []
        for one in self.given + given:
            try:
                note = Note(one["note"]).verify(directory, name, self.number, witnesses)
                note.proof = hashes(b"".join(map(unb64, one["proof"])))
                (foreign if one in given else notes).append(note)
            except WRONG as error:  # what a peer holds proves nothing if it does not verify
                if one not in given: self.fault(None, reason_of(error, "bad-note"))
        agreeing, held, stop = self.check_tree(sorted(notes, key=lambda one: one.size), foreign)
        self.agreeing, self.times = agreeing, (times := self.check_entries(name, agreeing, stop))
        signed = [one.size for one in notes + foreign if one in notes or one.second * 1000 < ends]
        early = len(times) == len(self.leaves) and max(times, default=0) < ends
        if early and max(signed, default=0) > self.end: self.fault(self.end, "truncated")
        marks = [(one.size, max(one.cosigned_at)) for one in agreeing if one.cosigned_at]
        due, self.cosigned = self.first + bisect.bisect_left(times, ends), max(marks, default=None)
        self.proved = any(size >= due and at * 1000 >= ends for size, at in marks + held)
    def begin(self, begins, erased):
        """Let erasures say why nothing older is here; a witness must have seen what is gone."""
        if not self.first or (self.times[0] < begins if self.times else self.leaves): return
        known = {(self.number, self.first, note.size, note.root.hex()) for note in self.agreeing}
        ends = [at for at, kept in erased if kept & known and at <= min(self.times, default=at)]
        if not ends: self.fault(self.first, "begins-late")
        seen = [min(n.cosigned_at) for n in self.agreeing if n.size >= self.first and n.cosigned_at]
        self.proved &= min(seen, default=2**63) * 1000 <= max(ends, default=0) + 120_000
    def check_tree(self, notes, foreign):
        """Return the notes of this tree, own and foreign, and where the entries become false."""
        peaks, sizes = list(self.left), {note.size for note in notes + foreign} | {self.end}
        roots, found, stop = {self.first: root_of(peaks)}, [], self.end
        for size, leaf in enumerate(self.hashes, start=self.first):
            add_leaf(peaks, size, leaf)
            if size + 1 in sizes: roots[size + 1] = root_of(peaks)
        agreeing = [note for note in notes if self.is_of_tree(note, roots)]
        largest = max((note.size for note in agreeing), default=-1)
        forks = [note for note in notes if note not in agreeing and note.size <= largest]
        proved = max(self.first, min(largest, self.end))
        if len(agreeing) + len(forks) < len(notes): found = [self.locate(proved)]
        elif not notes: found = [(self.first, "no-checkpoint")]
        elif self.hashes != self.leaves: found = [self.locate(self.first, proved)]
        elif proved < self.end: found = [(proved, "unsigned")]
        if found and found[0][1] not in ("unsigned", "leaf-changed"): stop = found[0][0]
        known = {note.size: note.root for note in agreeing} | roots
        held = [(one.size, one.second) for one in foreign if known.get(one.size) == one.root]
        if not found: forks += [one for one in foreign if known.get(one.size, one.root) != one.root]
        for fork in forks:
            self.fault(max((n.size for n in agreeing if n.size < fork.size), default=0), "fork")
        self.faults += found
        return agreeing, held, stop
    def is_of_tree(self, note, roots):  # by its size, or by its proof from or to the range
        if note.size in roots: return roots[note.size] == note.root
        try:
            ends = note.size, self.first, note.root, roots[self.first]
            if note.size > self.first: ends = self.end, note.size, roots[self.end], note.root
            return both_roots(*ends, note.proof) == ends[2:] and not note.proof
        except LookupError: return False
    def locate(self, start, signed_before=0):
        """Return the first place from `start` on where entries and leaf hashes part, and how."""
        for at in range(start - self.first, max(len(self.hashes), len(self.leaves))):
            ours, its, index = self.hashes[at : at + 2], self.leaves[at : at + 2], self.first + at
            if ours[:1] == its[:1]: continue
            if index < signed_before: return index, "leaf-changed"
            if not ours: return index, "truncated"
            if ours[::-1] == its: return index, "entries-reordered"
            if not its or ours[1:] == its[:1]: return index, "entry-inserted"
            if its[1:] == ours[:1]: return index, "entry-missing"
            return index, "entries-reordered" if ours[0] in self.leaves else "entry-changed"
        return start, "rewritten"
    def check_entries(self, name, agreeing, stop):
        """Return the instants of the entries before index `stop`, up to the first bad one."""
        marks = sorted((note.size, at * 1000) for note in agreeing for at in note.cosigned_at)
        sizes, times = [size for size, _ in marks], []
        after = list(accumulate((at - 120_000 for _, at in marks), max, initial=0))
        before = list(accumulate((at + 120_000 for _, at in marks[::-1]), min, initial=2**63))[::-1]
        for index, raw in enumerate(self.entries[: stop - self.first], start=self.first):
            try:
                entry, place = read_entry(raw), bisect.bisect(sizes, index)
                need(entry["organisation"] == name, "wrong-organisation")
                need(entry["slot"] == self.number, "wrong-slot")
                need(index or entry["kind"] == "opened", "not-opened")
                need(not times or times[-1] <= entry["at"], "time-decreases")
                need(after[place] <= entry["at"] <= before[place], "back-dated")
            except WRONG as error:
                return self.fault(index, reason_of(error, "bad-entry")) or times
            times.append(entry["at"])
        return times
    def check_private(self, directory, peers):
        """Hold the opened private parts against what their entries committed to."""
        entries = dict(enumerate(self.entries, start=self.first))
        for index, plaintext in self.private:
            reason = "private-mismatch"
            try:
                entry, part = opened(entries[index], plaintext)
                reason = "receipt-unproved"
                if entry["kind"] == "receipt": check_receipt(entry, part, peers, directory)
            except WRONG as error:
                self.fault(index, error.args[0] if "receipt-mismatch" in error.args else reason)

# 7 Erased months: the entry `erased` tells from which index on each slot was kept.
def proved_erasures(listed, slots, name):
    """Yield (end of the month, what was kept) of those entries that a slot of this bundle holds."""
    for one in listed:
        try:
            raw, note = unb64(one["entry"]), slots[one["slot"]].agreeing[-1]
            need_included(note, one["index"], raw, one["path"])
            entry, part = opened(raw, unb64(one["private"]))
            its = entry["kind"], entry["organisation"], entry["slot"]
            need(its == ("erased", name, one["slot"]), "wrong-entry")
            due = (over := moment(part["ended"])) + 7 * 365 * 86_400_000  # seven years are no less
            need(due <= entry["at"] <= note.second * 1000 + 120_000, "not-due")
            kept = {tuple(r[it] for it in ("slot", "end", "size", "root")) for r in part["ranges"]}
            yield over, kept
        except WRONG: continue  # it proves nothing

# 8 The bundle.
def read_files(path):
    if path.is_dir():
        return {one.relative_to(path).as_posix(): one.read_bytes() for one in path.rglob("*.*")}
    with zipfile.ZipFile(path) as archive:
        need(len(set(archive.namelist())) == len(archive.namelist()), "bad-bundle")
        return {name: archive.read(name) for name in archive.namelist()}
def verify(files, root, history=(), witness_keys=(), peer_notes=()):
    """Return what a bundle proves; `peer_notes` are notes of its log that others hold."""
    about, pinned = json.loads(files["bundle.json"]), json.loads(root)["signed"]
    name, period = about["organisation"], (moment(about["begins"]), moment(about["ends"]))
    good = (about["type"], about["version"]) == ("record-bundle", 1) and period[0] <= period[1]
    good &= " ".join(sorted(about)) == "begins ends network organisation slots type version"
    need(good and max(about["slots"]) < 1024, "bad-bundle")
    versions = [Directory(json.loads(raw), pinned) for raw in history or [files["directory.json"]]]
    directory = max(versions, key=lambda one: one.version)
    for old in versions:  # the newest tells the keys of all times: it must go on from the others
        need(old.version < directory.version or old.digest == directory.digest, "directory-fork")
        kept = [directory.chains[who][: len(sets)] for who, sets in old.chains.items()]
        need(kept == list(old.chains.values()), "re-enrolled")
    need(name in directory.members and about["network"] == directory.network, "other-log")
    def key_of(who): return lambda second: directory.keys_at(who, second)[2]
    theirs = directory.members[name]["witnesses"]
    witnesses = {f"{directory.network}/{who}/witness": key_of(who) for who in theirs}
    if witness_keys: witnesses = {who: lambda _, key=key: key for who, key in witness_keys}
    peers = {sha256(n.encode()).hex(): n for n in json.loads(files["peer-notes.json"])["notes"]}
    given, slots, faults = [{"note": text, "proof": ()} for text in peer_notes], {}, []
    for number in range(directory.members[name]["slots"]):
        try:
            need(number in about["slots"], "missing-slot")
            slot = Slot(number, files)
            slot.check_private(directory, peers)
            slot.verify(directory, name, period, witnesses, given)
            slots[number] = slot
        except WRONG as error:
            faults.append({"slot": number, "index": None, "reason": reason_of(error, "bad-bundle")})
    listed = json.loads(files.get("erasures.json", '{"erasures":[]}'))["erasures"]
    erased, told = list(proved_erasures(listed, slots, name)), []
    for number, slot in slots.items():  # an erasure may be told in another slot: all come first
        slot.begin(period[0], erased)
        told.append({"slot": number, "first": slot.first, "end": slot.end,
                     "cosigned": slot.cosigned, "complete": slot.proved and not slot.faults})
        faults += [{"slot": number, "index": at, "reason": why} for at, why in slot.faults]
    complete = not faults and all(slot["complete"] for slot in told)
    return {"organisation": name, "begins": about["begins"], "ends": about["ends"],
            "complete": "proved" if complete else "unproved", "slots": told, "faults": faults}
def main():
    add = (parser := argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])).add_argument
    add("bundle", type=Path, help="an exported bundle: a zip archive or a folder")
    add("--root", type=Path, required=True, help="the pinned root document")
    add("--history", type=Path, help="a folder of directory documents; else the bundle's own")
    add("--witness-key", action="append", default=[], metavar="NAME=KEY", help="instead of theirs")
    add("--peer-note", action="append", default=[], metavar="FILE", help="a note another holds")
    for flag in ("--allow-unproved", "--json"): add(flag, action="store_true")
    args = parser.parse_args()
    try:
        keys = [(who, unb64(key)) for who, key in (one.split("=") for one in args.witness_key)]
        history = [one.read_bytes() for one in args.history.glob("*.json")] if args.history else []
        notes = [Path(one).read_text("utf-8") for one in args.peer_note]
        report = verify(read_files(args.bundle), args.root.read_bytes(), history, keys, notes)
    except (*WRONG, OSError, zipfile.BadZipFile) as error:
        fault = {"slot": None, "index": None, "reason": reason_of(error, "bad-bundle")}
        report = {"complete": "unproved", "slots": [], "faults": [fault]}
    proved = args.allow_unproved or report["complete"] == "proved"
    report["verified"] = proved and not report["faults"]
    print(json.dumps(report, indent=None if args.json else 2))
    return 0 if report["verified"] else 1
if __name__ == "__main__": sys.exit(main())
